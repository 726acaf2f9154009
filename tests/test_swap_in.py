"""A user's own data and model: docs/your-own.md is followed, and everything else works as it is."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, THIS_PYTHON, code_blocks, digest, installed, metrics, run
from cookiecutter.main import cookiecutter
from runs import go_on, interrupted, outcome, record, train
from test_ci import Runner
from test_serving import serving

pytestmark = [pytest.mark.slow, pytest.mark.preloaded]

PAGE = (ROOT / "docs" / "your-own.md").read_text(encoding="utf-8")
LISTS = Path("/usr/share/dict")  # Debian's packages wamerican, witalian and wspanish
STEP = re.compile(r"^(At the end of|A new file|In) `([^`]+)`[^\n]*:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STEPS: list[tuple[str, str, str]] = STEP.findall(PAGE)
SHORT = "tracking=none training.epochs=2 data.train_examples=3000 data.validation_fraction=0.01 data.test_fraction=0.01"


@pytest.fixture(scope="session")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the real word lists, fetched with apt where the packages are not installed."""
    names = yaml.safe_load(step("configs/data/words.yaml"))["files"]
    if all((LISTS / name).exists() for name in names):
        return LISTS
    if not shutil.which("apt-get"):
        pytest.skip(
            "the packages wamerican, witalian and wspanish are not installed, and there is no apt-get to fetch them"
        )
    folder = tmp_path_factory.mktemp("packages")
    run("apt-get download wamerican witalian wspanish && for package in *.deb; do dpkg -x $package .; done", folder)
    return folder / LISTS.relative_to("/")


def step(name: str) -> str:
    """Return what the page says to write into a file."""
    [block] = [block for _, path, block in STEPS if path == name]
    return block


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory, environment: Path, lists: Path) -> Path:
    """Return a project with the page's edits, committed, whose lists are those of this machine."""
    answers = {"python_version": THIS_PYTHON}
    folder = str(tmp_path_factory.mktemp("words"))
    project = installed(
        Path(cookiecutter(str(ROOT), no_input=True, output_dir=folder, extra_context=answers)), environment
    )
    for kind, name, block in STEPS:
        path = project / name
        if kind == "A new file":
            assert not path.exists(), name
            path.write_text(block, encoding="utf-8")
        elif kind == "At the end of":
            gap = "\n\n" if path.suffix == ".py" else ""
            path.write_text(path.read_text() + gap + block, encoding="utf-8")
        else:
            for line in block.splitlines():
                text, found = re.subn(rf"^{re.escape(line.partition(':')[0])}:.*$", line, path.read_text(), flags=re.M)
                assert found == 1, line
                path.write_text(text)
    config = project / "configs/data/words.yaml"
    config.write_text(config.read_text().replace(f"source: {LISTS}", f"source: {lists}"))
    for name, written in yaml.safe_load(step("configs/data/words.yaml"))["files"].items():
        # another release of Debian may hold another list
        config.write_text(config.read_text().replace(written, digest(lists / name)))
    run("git add . && git commit --quiet --message 'Words'", project)
    return project


@pytest.fixture(scope="module")
def pipeline(words: Path) -> Path:
    """Return the project with its pipeline run, shortened to two epochs, and committed."""
    run("sed -i 's/^epochs: 30/epochs: 2/' configs/training/default.yaml", words)
    run("dvc repro && git add . && git commit --quiet --message 'Run the pipeline'", words)
    return words


def test_the_edits_are_three_and_short() -> None:
    edits = [re.search(rf"^## (\d)\.(?:(?!^## ).)*`{re.escape(name)}`", PAGE, re.M | re.S) for _, name, _ in STEPS]
    assert {found[1] for found in edits if found} == {"1", "2", "3"}
    assert None not in edits
    assert len(STEPS) == len(code_blocks(PAGE, "python")) + len(code_blocks(PAGE, "yaml"))  # nothing else is written
    assert sum(len(block.splitlines()) for _, _, block in STEPS) <= 90


def test_the_pipeline_learns_and_then_has_nothing_to_do(pipeline: Path) -> None:
    assert metrics(pipeline / "reports")["accuracy"] > 0.85  # the most frequent language alone: less than a half
    again = run("dvc repro", pipeline).stdout
    assert "Running stage" not in again
    assert "up to date" in again
    assert not run("git status --porcelain", pipeline).stdout
    manifest = json.loads((pipeline / "data/processed/pipeline/manifest.json").read_text())
    assert max(manifest["class_counts"].values()) < 0.5 * manifest["examples"]
    assert (
        "Running stage 'prepare'"
        in run("sed -i 's/islower/isalpha/' src/*/data/words.py; dvc repro --dry", pipeline).stdout
    )
    run("git checkout --quiet src", pipeline)


def test_the_cards_tell_what_is_true(pipeline: Path) -> None:
    model, data = ((pipeline / name).read_text() for name in ("MODEL_CARD.md", "DATA_CARD.md"))
    heads = [yaml.safe_load(card.split("---\n")[1]) for card in (model, data)]
    assert heads[0]["pipeline_tag"] == "text-classification"
    assert heads[1]["task_categories"] == ["text-classification"]
    [result] = heads[0]["model-index"][0]["results"]
    assert result["task"]["type"] == "text-classification"
    assert result["metrics"][0]["value"] == metrics(pipeline / "reports")["accuracy"]
    assert "Output, classes: English, Italian, Spanish" in model
    assert "20 values of type uint8" in model
    title = yaml.safe_load(step("data/sources.yaml"))["words"]["title"]
    for card in (model, data):
        assert title in card
        assert "digit" not in card.replace("/digits", "").lower()
    croissant = json.loads((pipeline / "reports/croissant.json").read_text())
    sums = {file["@id"]: file["sha256"] for file in croissant["distribution"]}
    for name, written in yaml.safe_load((pipeline / "configs/data/words.yaml").read_text())["files"].items():
        assert sums[name] == written == digest(pipeline / "data/raw/pipeline" / name)


def test_a_killed_training_ends_with_the_same_bits_and_is_verified(words: Path) -> None:
    whole, killed = train(words, SHORT, "whole"), interrupted(words, SHORT, "killed")
    assert not (killed / "model.safetensors").exists()
    go_on(words, killed)
    assert outcome(killed) == outcome(whole)
    assert len(record(killed)["sessions"]) == 2
    assert (
        outcome(train(words, f"{SHORT} seed=43", "other"))["model.safetensors"] != outcome(whole)["model.safetensors"]
    )
    said = run("python -m my_project verify outputs/killed", words, PYTHONPATH="src").stdout
    assert said.splitlines()[-1].startswith("reproduced bit for bit")
    diff = "python -m my_project diff outputs/killed outputs/other"
    assert run(diff, words, check=False, PYTHONPATH="src").returncode == 1


def test_the_server_takes_the_codes_of_words(pipeline: Path) -> None:
    [commands] = [block for block in code_blocks(PAGE) if "/predict" in block]
    _, *client = commands.splitlines()  # the first starts the server
    with serving(pipeline, "--run models") as server:
        said = run("\n".join(client).replace("http://127.0.0.1:8000", server.address), pipeline).stdout
        assert [one["predicted"] for one in json.loads(said)["predictions"]] == ["English", "Italian", "Spanish"]
        with (pipeline / "reports/predictions.csv").open() as stream:
            rows = list(csv.DictReader(stream))
        _, answer = server.ask("/examples")
        assert [one["actual"] for one in answer["examples"]] == ["English", "Italian", "Spanish"]
        for one in answer["examples"]:
            row = next(row for row in rows if row["actual"] == one["actual"])
            [found] = server.predict([one["inputs"]])
            assert (found["predicted"], repr(found["probability"])) == (row["predicted"], row["probability"])
        assert server.predict([answer["examples"][0]["inputs"]]) != server.predict([answer["examples"][1]["inputs"]])
        status, refused = server.ask("/predict", json.dumps({"inputs": [[97] * 19]}).encode())
        assert status == 422
        assert "each example a list of 20 whole numbers from 0 to 255" in refused["detail"]


def test_the_workflows_and_all_else_need_no_edit(pipeline: Path) -> None:
    """What CI does in a project: style, types, the checklist, the short training.

    Of its own tests, those that read what configs/config.yaml chooses, or all of configs/. The others name their data,
    and tests/test_project.py runs them.
    """
    run("git clean --quiet --force", pipeline)  # what the server's test left
    written = {name for _, name, _ in STEPS}
    generated = run("git rev-list --max-parents=0 HEAD", pipeline).stdout.strip()
    changed = set(run(f"git diff --name-only {generated} HEAD", pipeline).stdout.split())
    by_the_pipeline = {
        "params.yaml",
        "code.yaml",
        "dvc.lock",
        "MODEL_CARD.md",
        "DATA_CARD.md",
        "reports/croissant.json",
    }
    assert {name for name in changed if not name.startswith(("reports/", "models/"))} - by_the_pipeline == written | {
        "configs/training/default.yaml"
    }
    ran, said = Runner(pipeline).job("ci.yml", "check", without=("make test",))
    assert not said
    assert ran[-1] == "Show the metrics beside those of main"
    assert " passed" in run("pytest tests -k 'composes or notebook'", pipeline).stdout
