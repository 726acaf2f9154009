"""The checklist: all passes where all is well; a violation of each item is caught, and its printed fix fixes it."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import THIS_PYTHON, Render, installed, run
from runs import SHORT, interrupted, record, train

pytestmark = [pytest.mark.slow, pytest.mark.preloaded]
COMMIT = "git add --all && git commit --quiet --message Planted"


def check(project: Path, arguments: str = "") -> tuple[int, dict[str, Any]]:
    """Return the exit code of the check and what it found, as JSON."""
    result = run(f"python -m my_project check --json {arguments}", project, check=False, PYTHONPATH="src")
    return result.returncode, json.loads(result.stdout or "{}")


def failing(found: dict[str, Any]) -> dict[str, str]:
    """Return the fixes of the items that fail, by name."""
    return {item["name"]: item["fix"] for item in found["items"] if item["status"] == "fail"}


def edit_json(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def unlinked(path: Path) -> Path:
    """Make a file one of its own, which may be a link into DVC's cache."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    return path


def shown(folder: Path, project: Path) -> None:
    """Write what the commands verify --clean, report and archive leave of a run."""
    weights = record(folder)["weights_sha256"]
    verdict = {"code": 0, "line": "reproduced bit for bit", "explanation": [], "clean": True, "weights_sha256": weights}
    (folder / "verification.json").write_text(json.dumps({**verdict, "ended": "2026-01-31T12:00:00+00:00"}))
    for name in ("report.html", "report.md"):
        (folder / name).write_text(f"The weights are {weights}.")
    (project / "archives").mkdir(exist_ok=True)
    with zipfile.ZipFile(project / "archives" / f"{folder.name}.crate.zip", "w") as archive:
        for name in ("run.json", "model.safetensors"):
            archive.write(folder / name, name)


@pytest.fixture(scope="module")
def prepared(shared_pipeline: Path) -> Path:
    """Return a project of which every item passes: the pipeline has run, was committed, verified, and reported."""
    run("echo /archives/ >> .git/info/exclude", shared_pipeline)
    shown(shared_pipeline / "models", shared_pipeline)
    return shared_pipeline


@pytest.fixture
def copy(prepared: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(prepared, tmp_path / prepared.name, symlinks=True))


class Violation(NamedTuple):
    """Something that is wrong.

    Args:
        item: that is violated.
        plant: a command, or a change of the record of the run.
        also: other items that it violates.
        fixed: whether the fix is run too; not where it fetches packages, or proves more than this file is about.
    """

    item: str
    plant: str | Callable[[dict[str, Any]], object]
    also: tuple[str, ...] = ()
    fixed: bool = True


PINNED, SEEDS, PYTHON = "dependencies are pinned", "random seeds are set", "the Python version is documented"
LOCK, DOCKER, SOURCE = (
    "the lock of the environment is included",
    "there is a Dockerfile",
    "the source of the data is documented",
)
ACCESS, README = "others can get the data", "the README says how to set up and run"
CLEAN, REQUIREMENTS = "it works in a clean environment", "hardware requirements are documented"
CONFIGURATION, GIT = "the configuration is included", "the code is under version control"
DERIVED, VERSIONS = "every random choice has a seed", "the pinned versions are installed"
USED_PYTHON, CODE = "Python is the documented one", "the code of the run is in git"
DATA, HARDWARE = "the data is versioned by DVC", "the hardware is recorded"
LOGGED, SAVED = "hyperparameters are logged", "the model is saved with metadata"
TRACKED, SYSTEM = "metrics are tracked", "the system is logged"
COMMITTED = "the committed code made the model"
REPRODUCED, RESULTS = "the result is reproduced", "the results are documented"
ARCHIVED, REPORTED = "model and metadata are archived", "there is a report"
WITHOUT_DESCRIPTION = """python - <<'END'
import hashlib, json, pathlib
from safetensors.numpy import load_file, save_file
model, record = pathlib.Path("models/model.safetensors"), pathlib.Path("models/run.json")
weights = load_file(model)
model.unlink()
save_file(weights, model)
content = json.loads(record.read_text())
content["model_sha256"] = hashlib.sha256(model.read_bytes()).hexdigest()
record.write_text(json.dumps(content))
END"""

FAST = "sed -i 's/reproducibility: strict/reproducibility: fast/' configs/config.yaml; python configure.py"
IGNORED = "echo configs/model/mlp.yaml > .gitignore; git rm --quiet --cached configs/model/mlp.yaml"
PASSED_OVER = "git update-index --assume-unchanged train.py && echo '# unseen' >> train.py"
LEFT_OUT = {"path": "key.pem", "reason": "named like a secret"}

VIOLATIONS = (
    Violation(PINNED, """sed -i 's/"scipy==[^"]*"/"scipy>=1"/' pyproject.toml"""),
    Violation(PINNED, "sed -i 's/scipy==[0-9.]*/scipy==1.0.0/' pyproject.toml", (VERSIONS,), fixed=False),
    Violation(SEEDS, FAST),
    Violation(PYTHON, "sed -i 's/Python 3[0-9.]*/Python/' README.md"),
    Violation(PYTHON, """sed -i 's/^requires-python = .*/requires-python = ">=3.11"/' pyproject.toml"""),
    Violation(LOCK, "git rm --quiet requirements.txt", (PINNED,), fixed=False),
    Violation(DOCKER, "git rm --quiet Dockerfile"),
    Violation(DOCKER, "sed -i 's/^ARG BASE=.*/ARG BASE=python:latest/' Dockerfile"),
    Violation(SOURCE, "git rm --quiet DATA_CARD.md"),
    Violation(SOURCE, "sed -i '/^## Source/,/^## Collection/d' DATA_CARD.md"),
    Violation(ACCESS, "git rm --quiet prepare.py", (COMMITTED,)),
    Violation(README, "sed -i 's/^make setup/make prepare/' README.md"),
    Violation(README, "sed -i '/^## Usage/d' README.md"),
    Violation(CLEAN, """sed -i 's/"clean": true/"clean": false/' models/verification.json""", fixed=False),
    Violation(REQUIREMENTS, "sed -i '/GB of memory/d' README.md"),
    Violation(CONFIGURATION, "sed -i 's/^seed: 42/seed: 43/' params.yaml"),
    Violation(CONFIGURATION, "git rm --quiet configs/model/mlp.yaml", (SEEDS, SOURCE, ACCESS, DATA)),
    Violation(CONFIGURATION, IGNORED, (GIT,)),
    Violation(GIT, "echo more >> README.md # uncommitted"),
    Violation(GIT, "rm -rf .git # uncommitted", (CODE, COMMITTED)),
    Violation(GIT, PASSED_OVER),
    Violation(DERIVED, lambda record: record["reproducibility"].update(level="fast")),
    Violation(DERIVED, lambda record: record["seeds"].pop("weights")),
    Violation(VERSIONS, lambda record: record["environment"]["packages"].update(scipy="0.1"), fixed=False),
    Violation(USED_PYTHON, lambda record: record["environment"].update(python="3.9.1"), fixed=False),
    Violation(CODE, lambda record: record["git"].update(commit="0" * 40), fixed=False),
    Violation(CODE, lambda record: record["git"].update(left_out=[LEFT_OUT])),
    Violation(CODE, "rm models/changes.patch"),
    Violation(CODE, lambda record: record["code"].update({"train.py": "0" * 64}), (COMMITTED,), fixed=False),
    Violation(DATA, "git rm --quiet dvc.lock"),
    Violation(HARDWARE, lambda record: record["environment"]["cpu"].update(model="", machine="")),
    Violation(LOGGED, "rm models/config.yaml"),
    Violation(LOGGED, "sed -i 's/lr: .*/lr: 1.0/' models/config.yaml"),
    Violation(SAVED, "rm models/model.safetensors"),
    Violation(SAVED, WITHOUT_DESCRIPTION, (ARCHIVED, RESULTS)),
    Violation(TRACKED, "git rm --quiet models/metrics.csv"),
    Violation(SYSTEM, lambda record: record["environment"]["os"].update(release="")),
    Violation(COMMITTED, "echo '# edited while it trained' >> src/my_project/models/mlp.py", fixed=False),
    Violation(REPRODUCED, "rm models/verification.json", (CLEAN,), fixed=False),
    Violation(REPRODUCED, """sed -i 's/"code": 0/"code": 1/' models/verification.json""", (CLEAN,), fixed=False),
    Violation(RESULTS, """sed -i 's/"accuracy": [0-9.]*/"accuracy": 1.0/' reports/metrics.json"""),
    Violation(RESULTS, "git rm --quiet reports/tables/per_class.csv"),
    Violation(RESULTS, "sed -i 's/SHA-256 `[0-9a-f]*`/SHA-256 `0`/' MODEL_CARD.md"),
    Violation(ARCHIVED, "rm archives/*.crate.zip", fixed=False),
    Violation(REPORTED, "rm models/report.html", fixed=False),
)


def test_everything_passes_where_all_is_well(prepared: Path) -> None:
    code, found = check(prepared)
    assert failing(found) == {}
    assert (code, found["run"]) == (0, "models")
    assert found["score"] == {"passed": 27, "asked": 27, "percent": 100}
    assert all(item["evidence"] and not item["fix"] for item in found["items"])
    assert {item["name"] for item in found["items"]} == {violation.item for violation in VIOLATIONS}
    page = (prepared / "docs" / "checklist.md").read_text()
    assert [item["name"] for item in found["items"] if item["name"] not in page] == []


def test_going_through_it_imports_nothing_heavy(prepared: Path) -> None:
    """It is run before each commit, so it may take no longer than reading does."""
    script = (
        "import sys; from pathlib import Path; from reproml.checklist import examine; examine(Path(), Path('models')); "
        "print(*(name for name in ('numpy', 'torch', 'lightning', 'matplotlib', 'hydra') if name in sys.modules))"
    )
    assert run(f'python -c "{script}"', prepared, plain=True, PYTHONPATH="src").stdout.split() == ["hydra"]


@pytest.mark.parametrize("violation", VIOLATIONS, ids=lambda violation: violation.item.replace(" ", "-"))
def test_a_violation_is_caught_and_mended(copy: Path, violation: Violation) -> None:
    if isinstance(violation.plant, str):
        run(violation.plant, copy)
        if "uncommitted" not in violation.plant:
            run(f"git diff --quiet HEAD || {{ {COMMIT}; }}", copy)
    else:
        edit_json(unlinked(copy / "models" / "run.json"), violation.plant)
    code, found = check(copy, "models")
    assert set(failing(found)) == {violation.item, *violation.also}
    [item] = [item for item in found["items"] if item["name"] == violation.item]
    assert item["fix"]
    assert "\n" not in item["fix"]
    assert code == any(part["required"] for part in found["items"] if part["status"] == "fail")
    if violation.fixed:
        run(item["fix"].removesuffix(" && make lock"), copy, PYTHONPATH="src")  # which would fetch from an index
        assert violation.item not in failing(check(copy, "models")[1])


def test_before_any_run_it_says_which_command_to_run(render: Render, environment: Path) -> None:
    project = installed(render(python_version=THIS_PYTHON), environment)
    code, found = check(project)
    assert (code, found["run"]) == (1, None)
    fixes = failing(found)
    assert fixes.pop(DATA).startswith("dvc repro prepare && ")
    assert set(fixes) == {CLEAN, LOGGED, SAVED, TRACKED, SYSTEM, REPRODUCED, RESULTS, ARCHIVED, REPORTED}
    assert all(fix == "make run" or fix.startswith("make run && python -m reproml ") for fix in fixes.values())
    assert [item["name"] for item in found["items"] if item["status"] == "not applicable"] == [HARDWARE, COMMITTED]
    assert check(project, "--section 'before sharing'")[0] == 0  # a clean environment is not a required item


def test_a_run_by_hand(copy: Path) -> None:
    folder = train(copy, f"{SHORT} seed=7", "hand")
    assert check(copy)[1]["run"] == "models"  # although the other one is newer
    code, found = check(copy, "outputs/hand")
    assert (code, found["run"]) == (1, "outputs/hand")
    assert set(failing(found)) == {CLEAN, REPRODUCED, ARCHIVED, REPORTED}
    assert failing(found)[REPRODUCED] == "python -m reproml verify outputs/hand"
    shown(folder, copy)
    assert failing(check(copy, "outputs/hand")[1]) == {}
    (folder / "metrics.csv").unlink()
    fix = "python train.py tracking=none model=mlp training.epochs=2 seed=7"
    assert failing(check(copy, "outputs/hand")[1]) == {TRACKED: fix}
    assert failing(check(copy)[1]) == {}
    edit_json(unlinked(copy / "models" / "run.json"), lambda record: record["command"].update(config="config"))
    said = run("python -m my_project check", copy, check=False, PYTHONPATH="src").stdout
    assert said.startswith("run: no finished run of the pipeline yet: make run\n")


def test_the_printed_checklist_and_what_cannot_be_examined(copy: Path) -> None:
    (copy / "archives" / "models.crate.zip").unlink()
    said = run("make check", copy, PYTHONPATH="src").stdout
    assert "fix: python -m reproml archive models" in said
    assert said.strip().endswith("26 of 27 items pass (96 %); required and failing: 0")
    unfinished = interrupted(copy, SHORT, "killed")
    (copy / "outputs" / "damaged").mkdir()
    (copy / "outputs" / "damaged" / "run.json").write_text("{")
    for folder, reason in ((unfinished, "is not finished"), (copy / "outputs" / "damaged", "is damaged")):
        result = run(f"python -m my_project check '{folder}'", copy, check=False, PYTHONPATH="src")
        assert result.returncode == 2
        assert result.stderr.startswith("could not be examined: ")
        assert reason in result.stderr
    assert check(copy)[1]["run"] == "models"
    edit_json(unlinked(copy / "models" / "run.json"), lambda record: record.update(status="running"))
    assert check(copy)[1]["run"] is None
