"""The examples: each page is followed word by word on one project, and proven as a task of the user's own."""

import base64
import csv
import json
import re
import shlex
import shutil
import sqlite3
import struct
import subprocess
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import CACHE, ROOT, TEMPLATE, code_blocks, digest, metrics, run
from filelock import FileLock
from golden import STAGES, stages_run
from reproml.runs import params
from runs import record

pytestmark = pytest.mark.preloaded

DOCS = ROOT / "docs" / "examples"
EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("[!.]*/"))  # a linter leaves a folder of its own
CLONE = "~/.cookiecutters/template"  # where cookiecutter keeps the template
REHEARSED, USED = (Path(__file__).with_name(name) for name in ("rehearsed.py", "used.py"))
# The lines that a page says to write into a file of the project, and where they go in dvc.yaml
EDIT = re.compile(r"^In `(configs/config\.yaml|dvc\.yaml)`[^\n]*:\n\n```yaml\n(.*?)^```$", re.M | re.S)
IN_TRAIN = re.compile(r"^(  train:\n(?:    .*\n)*?    deps:\n)", re.M)
# What the page of the transformer adds with `make add`, and what that needs beside the packages of a project
ADDED = ("transformers==5.23.0", "tokenizers==0.23.3", "regex==2026.11.15")
ADDING = f"make add PACKAGE={ADDED[0]}"
WHEELS = CACHE / "-".join(["packages", *ADDED])

# What the test of each run of the pages says, beside the learning curves: metrics, tables and figures.
SAID: dict[str, tuple[set[str], set[str], set[str]]] = {
    "photos": (
        {"loss", "accuracy", "f1", "examples"},
        {"per_class", "confusion_matrix", "mistakes"},
        {"confusion_matrix"},
    ),
    "progression": (
        {"loss", "mae", "rmse", "r2", "examples"},
        {"error_quantiles", "by_range"},
        {"predicted_against_actual", "residuals"},
    ),
    "course": (
        {"loss", "accuracy", "f1", "examples"},
        {"per_class", "confusion_matrix", "mistakes"},
        {"confusion_matrix"},
    ),
    "language_model": ({"perplexity"}, {"sample"}, set()),
    "transformer": (
        {"loss", "accuracy", "f1", "examples"},
        {"per_class", "confusion_matrix", "mistakes"},
        {"confusion_matrix"},
    ),
    "scenes": ({"iou", "loss", "examples"}, {"per_class"}, {"masks"}),
    "gan": ({"real_held_for_real", "made_held_for_real"}, set(), {"samples"}),
    "diffusion": ({"loss"}, set(), {"samples"}),
    "languages": ({"auroc", "loss"}, {"per_language"}, set()),
    "stream": (
        {"loss", "accuracy", "f1", "examples"},
        {"per_class", "confusion_matrix", "mistakes"},
        {"confusion_matrix"},
    ),
}
# What has been learned in so short a training: a metric, and the value that it beats
LEARNED = {
    "photos": ("accuracy", 0.6),
    "progression": ("r2", 0.3),
    "course": ("accuracy", 0.6),
    "transformer": ("accuracy", 0.5),
    "scenes": ("iou", 0.7),
    "languages": ("auroc", 0.9),
    "stream": ("accuracy", 0.8),
}
# What evaluate.py makes again, byte for byte, and the report shows
SHOWN = {"language_model": ["tables/sample.csv"], "scenes": ["figures/masks.png"], "gan": ["figures/samples.png"]}
# Enough to learn something
EPOCHS = {"photos": 2, "progression": 15, "course": 10, "language_model": 1, "transformer": 6, "scenes": 5}
EPOCHS |= {"gan": 2, "diffusion": 2, "languages": 2, "stream": 5}


def files(example: str) -> list[str]:
    """Return the files of an example, by their names in a project."""
    folder = ROOT / "examples" / example
    found = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return sorted(name for name in found if "__pycache__" not in name)


def page(example: str) -> str:
    return (DOCS / f"{example}.md").read_text(encoding="utf-8")


def commands(example: str, beginning: str) -> list[str]:
    """Return the commands of a page that begin so, without that."""
    lines = "\n".join(code_blocks(page(example))).splitlines()
    return [line.removeprefix(beginning).strip() for line in lines if line.startswith(beginning)]


def run_in(project: Path, command: str, plain: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a command in the project, where the packages are found that a page adds."""
    return run(command, project, plain=plain, PYTHONPATH=f"src:{WHEELS}")


def trained() -> dict[str, str]:
    """Return the command of each training, by the name of its run."""
    found = [command for example in EXAMPLES for command in commands(example, "python train.py")]
    return {command.rpartition("hydra.run.dir=outputs/")[2]: command for command in found}


def runs(example: str) -> list[str]:
    """Return the names of the runs of a page; the first is that of the task which becomes the project's own."""
    return [name for name, command in trained().items() if command in commands(example, "python train.py")]


def choose(project: Path, example: str, epochs: int) -> None:
    """Make the edits of a page that make its task the project's own, and train for so many epochs at most."""
    run_in(project, "git checkout --quiet configs dvc.yaml")
    for name, lines in EDIT.findall(page(example)):
        text = (project / name).read_text()
        for line in lines.splitlines():
            old = IN_TRAIN if name == "dvc.yaml" else re.compile(rf"^(){re.escape(line.partition(':')[0])}:.*\n", re.M)
            text, found = old.subn(rf"\g<1>{line}\n", text)
            assert found == 1, line
        (project / name).write_text(text)
    default = project / "configs/training/default.yaml"
    default.write_text(default.read_text().replace("epochs: 30", f"epochs: {epochs}"))


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_edits_nothing_and_its_page_shows_it(example: str) -> None:
    names = files(example)
    for name in names:
        place = name.replace("src/my_project", "src/{{cookiecutter.package_name}}")
        assert not (TEMPLATE / place).exists(), f"{name} is a file of a project already"
    assert sum(name.startswith("src/my_project/data/") for name in names) == 1
    assert sum(name.startswith("configs/data/") for name in names) == 1
    tasks = [name for name in names if name.startswith("configs/task/")]
    assert tasks
    assert sum(name.startswith("src/my_project/tasks/") for name in names) == len(tasks)
    shown = re.findall(r'^--8<-- "examples/(.*)"$', page(example), re.M)
    assert sorted(shown) == [f"{example}/{name}" for name in names]
    others = [each for each in EXAMPLES if each != example]
    assert not set(names) & {name for each in others for name in files(each)}
    own = [ROOT / "examples" / example / name for name in names if not name.startswith("scripts/")]
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in own)
    assert re.search(rf"\]\({example}\.md\) \| .* \| {len(own)} \| {lines} \|$", (DOCS / "index.md").read_text(), re.M)


def test_the_page_says_how_to_rename_the_package(tmp_path: Path) -> None:
    [block] = code_blocks((DOCS / "index.md").read_text())
    block = block.replace("/tmp/example", f"'{tmp_path}/example'").replace(CLONE, f"'{ROOT}'")
    (tmp_path / "project").mkdir()
    run(block, tmp_path / "project")
    made = {path.relative_to(tmp_path / "project").as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert {name for name in made if "__pycache__" not in name} == {
        name.replace("my_project", "my_lab") for name in files("photos")
    }
    for group in ("data", "task"):
        settings = yaml.safe_load((tmp_path / f"project/configs/{group}/photos.yaml").read_text())
        assert settings["_target_"].startswith(f"my_lab.{'data' if group == 'data' else 'tasks'}.photos.")


@pytest.fixture(scope="module")
def added(environment: Path) -> None:
    """Install what a page adds into a folder beside the environment, which other tests share."""
    with FileLock(f"{WHEELS}.lock"):
        if not WHEELS.exists():
            part = WHEELS.with_name(f"{WHEELS.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            pip = [environment / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-deps", "--target", part]
            subprocess.run([*pip, *ADDED], check=True)
            part.rename(WHEELS)


@pytest.fixture(scope="module")
def project(shared_project: Path, added: None) -> Path:
    """Return a project with all examples, copied as their pages say, and committed."""
    if not Path("/usr/share/dict/italian").exists():
        pytest.skip("the packages wamerican, witalian and wspanish are not installed")
    for example in EXAMPLES:
        [copying, *_] = code_blocks(page(example))
        copying = copying.replace(ADDING, "true")  # it is installed already
        run_in(shared_project, copying.replace(CLONE, f"'{ROOT}'"))
    assert not run("git status --porcelain", shared_project).stdout
    return shared_project


@pytest.fixture(scope="module")
def rehearsals(project: Path) -> dict[str, Any]:
    """Return what was said of the rehearsals of all pages: one process makes them."""
    cases = {
        command: shlex.split(command)
        for example in EXAMPLES
        for command in commands(example, "python -m my_project rehearse")
    }
    result = run_in(project, f"PYTHONHASHSEED=0 python {REHEARSED} {shlex.quote(json.dumps(cases))}", plain=True)
    reports: dict[str, Any] = json.loads(result.stdout)
    return reports


@pytest.mark.slow
def test_lint_types_and_schemas_of_a_project_pass(project: Path) -> None:
    """The schemas are of the files in configs/, by the project's own test."""
    run_in(project, "ruff check --no-cache . && ruff format --no-cache --check . && mypy")
    assert " passed" in run_in(project, "pytest -q tests/test_editor.py -k every_file_is_right").stdout


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_exact(rehearsals: dict[str, Any], example: str) -> None:
    """Again in a fresh process, with other workers, interrupted inside an epoch; and not with another seed."""
    asked = commands(example, "python -m my_project rehearse")
    assert asked
    for command in asked:
        report = rehearsals[command]
        assert report.get("verdict") == "exact", "\n".join(report.get("lines", [str(report)]))
        tried = [trial["name"] for trial in report["trials"]]
        assert any(name.startswith("interrupted inside epoch") for name in tried)
        assert any(name.startswith("with 2 workers instead of 0") for name in tried)


@pytest.fixture(scope="module")
def pipeline(project: Path) -> Callable[[str], Path]:
    """Return what makes an example the project's own task, has DVC run its stages, and returns a copy of the run."""

    @cache
    def of(example: str) -> Path:
        [name, *_] = runs(example)
        choose(project, example, EPOCHS[name])
        shutil.rmtree(project / "models/samples", ignore_errors=True)  # what the GAN has drawn there
        assert stages_run(run_in(project, "dvc repro").stdout) == STAGES
        (project / "outputs").mkdir(exist_ok=True)
        shutil.copytree(project / "models", project / "outputs" / name)
        return project / "outputs" / name

    return of


def check_results(folder: Path) -> None:
    """Compare what the test of a run says with what it should."""
    found = metrics(folder / "test")
    expected, tables, figures = SAID[folder.name]
    assert set(found) == expected
    assert found == record(folder)["metrics"]
    assert {path.stem for path in (folder / "test/tables").glob("*.csv")} == tables
    assert {path.stem for path in (folder / "test/figures").glob("*.png")} == figures | {"learning_curves"}
    if folder.name in LEARNED:
        metric, least = LEARNED[folder.name]
        assert found[metric] > least


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_goes_through_the_pipeline(project: Path, pipeline: Callable[[str], Path], example: str) -> None:
    """Trained, tested, tracked and described; a second time there is nothing to do; and verified from its record."""
    folder = pipeline(example)
    check_results(folder)
    assert not stages_run(run_in(project, "dvc repro").stdout)
    grids = len(list(folder.glob("samples/epoch-*.png")))
    assert grids == (EPOCHS["gan"] if folder.name == "gan" else 0)
    asked = params.plain(params.composed(project, commands(example, "python -m my_project rehearse")[0].split()))
    made = yaml.safe_load((folder / "config.yaml").read_text())
    assert [made[group] for group in ("data", "task", "inputs")] == [
        asked[group] for group in ("data", "task", "inputs")
    ]
    assert metrics(project / "reports") == metrics(folder / "test")
    for name in SHOWN.get(folder.name, []):  # made again by evaluate.py, byte for byte
        assert digest(project / "reports" / name) == digest(folder / "test" / name)
    card = (project / "MODEL_CARD.md").read_text()
    assert f"- Task: `{made['task']['_target_']}`, with " in card
    assert all(f"| {name.replace('_', chr(92) + '_')} | " in card for name in SAID[folder.name][0] - {"examples"})
    assert f"`{made['data']['_target_']}` reads" in (project / "DATA_CARD.md").read_text()
    identity = tracked_run(folder)
    with closing(sqlite3.connect(project / "mlflow.db")) as store:
        sent = dict(store.execute("select key, value from latest_metrics where run_uuid = ?", [identity]))
        models = list(store.execute("select version from model_versions where run_id = ?", [identity]))
    assert {f"test/{name}" for name in SAID[folder.name][0]} <= sent.keys()
    assert len(models) == bool(commands(example, "python -m my_project predict"))
    said = run_in(project, "python -m my_project verify models").stdout
    assert said.splitlines()[-1].startswith("reproduced bit for bit: weights, test metrics")


def tracked_run(folder: Path) -> str:
    """Return what MLflow calls a run: each training of the pipeline has added a note, this one the last."""
    *_, noted = json.loads((folder / "tracking.json").read_text()).values()
    return str(noted["mlflow"])


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for example in EXAMPLES for name in runs(example)[1:]])
def test_what_else_a_page_trains_is_verified(project: Path, name: str) -> None:
    run_in(project, f"python train.py tracking=[none] {trained()[name]} training.epochs={EPOCHS[name]}")
    check_results(project / "outputs" / name)
    said = run_in(project, f"python -m my_project verify outputs/{name}").stdout
    assert said.splitlines()[-1].startswith("reproduced bit for bit: weights, test metrics")


def flat(answer: dict[str, Any]) -> dict[str, str]:
    """Return an answer as the cells of a row."""
    cells = {}
    for name, value in answer.items():
        nested = value if isinstance(value, dict) else {"": value}
        cells |= {f"{name}.{key}".rstrip("."): str(each) for key, each in nested.items()}
    return cells


@pytest.mark.slow
def test_the_models_predict_from_files_and_over_http_alike(project: Path, pipeline: Callable[[str], Path]) -> None:
    predicted: dict[str, list[dict[str, str]]] = {}
    sources: dict[str, str | None] = {}
    for example in EXAMPLES:
        name = pipeline(example).relative_to(project).as_posix()
        sources[name] = None
        for command in commands(example, "python -m my_project predict"):
            [block] = [block for block in code_blocks(page(example)) if command in block]
            run_in(project, block)
            sources[name] = command.split()[0]
            output = project / command.split()[-1]
            with output.open() as stream:
                rows = map(json.loads, stream) if output.suffix == ".jsonl" else csv.DictReader(stream)
                predicted[name] = [{key: cell for key, cell in row.items() if key != "file"} for row in rows]
    found = json.loads(run_in(project, f"python {USED} {shlex.quote(json.dumps(sources))}", plain=True).stdout)
    for name, source in sources.items():
        report = (project / name / "report.md").read_text()
        assert all(Path(shown).stem.capitalize() in report for shown in SHOWN.get(Path(name).name, []))
        if source is None:
            assert "has no predict" in found[name]["refused"]
            continue
        answers = [flat(answer) for answer in found[name]["answers"]]
        assert answers == predicted[name][: len(answers)] != []
        assert len(predicted[name]) == 1 or len({str(each) for each in answers}) > 1
    said = [row["predicted"] for row in predicted["outputs/photos"]]
    assert said.count("2") > 0.6 * len(said)  # the page asks about that folder
    thought, cavallo = (float(row["probabilities.English"]) for row in predicted["outputs/languages"])
    assert thought > cavallo
    masks = [base64.b64decode(row["mask"]) for row in predicted["outputs/scenes"]]
    assert {struct.unpack(">II", mask[16:24]) for mask in masks} == {(32, 32)}  # the header of a PNG file


def test_every_training_of_the_pages_is_tried() -> None:
    assert ADDING in page("transformer")
    assert trained().keys() == SAID.keys() == EPOCHS.keys()
