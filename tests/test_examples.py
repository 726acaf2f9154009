"""The examples: each page is followed word by word on one project, and proven as a task of the user's own."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import CACHE, ROOT, TEMPLATE, code_blocks, digest, metrics, run
from filelock import FileLock
from runs import record

pytestmark = pytest.mark.preloaded

DOCS = ROOT / "docs" / "examples"
EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("[!.]*/"))  # a linter leaves a folder of its own
CLONE = "~/.cookiecutters/template"  # where cookiecutter keeps the template
REHEARSED = Path(__file__).with_name("rehearsed.py")
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
SHOWN = {"language_model": "tables/sample.csv", "scenes": "figures/masks.png", "diffusion": "figures/samples.png"}


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
    assert f"]({example}.md)" in (DOCS / "index.md").read_text()


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
def test_lint_and_types_of_a_project_pass(project: Path) -> None:
    run_in(project, "ruff check --no-cache . && ruff format --no-cache --check . && mypy")


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


@pytest.mark.slow
@pytest.mark.parametrize("name", SAID)
def test_every_example_is_trained_tested_and_verified(project: Path, name: str) -> None:
    run_in(project, f"python train.py tracking=[none] {trained()[name]}")
    folder = project / "outputs" / name
    found = metrics(folder / "test")
    expected, tables, figures = SAID[name]
    assert set(found) == expected
    assert found == record(folder)["metrics"]
    assert {path.stem for path in (folder / "test/tables").glob("*.csv")} == tables
    assert {path.stem for path in (folder / "test/figures").glob("*.png")} == figures | {"learning_curves"}
    if name in LEARNED:
        metric, least = LEARNED[name]
        assert found[metric] > least
    said = run_in(project, f"python -m my_project verify outputs/{name}").stdout
    assert said.splitlines()[-1].startswith("reproduced bit for bit: weights, test metrics")
    if name in SHOWN:
        run_in(project, f"python evaluate.py run=outputs/{name}")
        run_in(project, f"python -m my_project report outputs/{name}")
        assert metrics(folder / "evaluation") == found
        assert digest(folder / "evaluation" / SHOWN[name]) == digest(folder / "test" / SHOWN[name])
        assert Path(SHOWN[name]).stem.capitalize() in (folder / "report.md").read_text()


def test_every_training_of_the_pages_is_tried() -> None:
    assert ADDING in page("transformer")
    assert trained().keys() == SAID.keys()
