"""The first commands that a user runs pass in exactly what `make setup` installs, for every tracker.

Here with pip; test_environments.py makes the environments of uv and Poetry from scratch. That of conda cannot be made
without conda-forge: test_conda.py compares its list with pip's.
"""

from pathlib import Path

import pytest
from conftest import CHOICES, ROOT, THIS_PYTHON, installed, run
from cookiecutter.main import cookiecutter
from environments import DEFAULT, environment_for, installed_in, locked
from golden import STAGES, stages_run
from test_audit import advisories
from test_ci import CHECKED, Runner

pytestmark = [pytest.mark.slow, pytest.mark.preloaded]
OPTIONAL = {"mlflow", "wandb", "tensorboard", "ray", "datasets", "dvc-s3", "hydra-submitit-launcher", "onnxruntime"}


LEAST = "none"
NEWCOMER = pytest.param(DEFAULT, marks=pytest.mark.newcomer)
only_the_default = pytest.mark.parametrize("tracker", [NEWCOMER], indirect=True)  # for what no tracker decides
TRAINS_ELSEWHERE = ("make test", "make short", "make summary AGAINST=origin/main")  # steps that no tracker decides
# The project's own tests that know of trackers or of what is installed
OF_TRACKERS = " ".join(f"tests/test_{name}.py" for name in ("config", "secrets", "data", "tasks", "damage"))


@pytest.fixture(scope="module", params=[NEWCOMER, *CHOICES["tracker"][1:]])
def tracker(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tracker: str) -> Path:
    """Return a project with an answer, in the environment of this answer."""
    folder = tmp_path_factory.mktemp(tracker)
    answers = {"python_version": THIS_PYTHON, "tracker": tracker}
    rendered = cookiecutter(str(ROOT), no_input=True, output_dir=str(folder), extra_context=answers)
    return installed(Path(rendered), environment_for(tracker))


def test_the_environment_is_that_of_the_lock(project: Path, tracker: str) -> None:
    found = installed_in(project / ".venv")
    assert found == locked(project)
    assert found.keys() & OPTIONAL == {tracker} - {LEAST}
    scripts = [path.read_bytes() for path in (project / ".venv" / "bin").iterdir() if not path.is_symlink()]
    [place] = {text[2:].splitlines()[0].rpartition(b"/")[0] for text in scripts if text.startswith(b"#!/")}
    assert Path(place.decode()) == (project / ".venv").resolve() / "bin"  # and not the one that it was copied from


def test_the_environment_with_everything_is_no_users(full_environment: Path) -> None:
    """What passes in it may fail in that of every answer."""
    assert installed_in(full_environment).keys() >= OPTIONAL


def test_every_step_of_ci(project: Path, tracker: str) -> None:
    """Style, types, the project's own tests, `make check` before sharing, and the short training.

    With other trackers than the default: style, types, that check, and the tests that know of trackers.
    """
    everything = tracker == DEFAULT
    runner = Runner(project, plain=everything)
    ran, said = runner.job("ci.yml", "check", without=() if everything else TRAINS_ELSEWHERE)
    assert not said
    assert ran == [step for step in CHECKED if everything or step not in ("Tests", *CHECKED[-2:])]
    if everything:
        assert "| accuracy | 0.9" in runner.summary.read_text()
    else:
        assert " passed" in run(f"pytest {OF_TRACKERS}", project).stdout


@only_the_default
def test_a_commit_with_the_hooks(project: Path) -> None:
    run("pre-commit install && echo '# a note' >> train.py && git commit --quiet --all --message 'Add a note'", project)
    run("pre-commit run --all-files", project)


@only_the_default
def test_the_audit_asks_about_every_package(project: Path) -> None:
    with advisories() as (address, asked):
        run(f"make audit OSV_URL={address}", project, plain=True)
    assert asked == locked(project).keys() - {"my-project"}


@pytest.fixture(scope="module")
def pipeline(project: Path, tracker: str) -> Path:
    """Return the project after its pipeline, tracked as the answer says.

    With the default as a user's machine runs it; with others, torch is there when a command starts.
    """
    run("sed -i 's/^epochs: 30/epochs: 2/' configs/training/default.yaml", project)
    plain = tracker == DEFAULT
    assert stages_run(run("make run" if plain else "dvc repro", project, plain=plain).stdout) == STAGES
    run("git add --all && git commit --quiet --no-verify --message 'Run the pipeline'", project)
    return project


def test_the_tracker_has_the_pipelines_run(pipeline: Path, tracker: str) -> None:
    notes = pipeline / "models" / "tracking.json"
    text = notes.read_text() if notes.exists() else ""
    assert (tracker in text) is (tracker != LEAST)
    assert "missed" not in text


@pytest.mark.parametrize("tracker", [NEWCOMER, LEAST], indirect=True)
def test_the_whole_checklist_after_the_pipeline(pipeline: Path, tracker: str) -> None:
    """With the default answer, and with the least that can be installed."""
    plain = tracker == DEFAULT
    for verb in ("verify", "report", "archive"):
        run(f"python -m my_project {verb} models", pipeline, plain=plain, PYTHONPATH="src")
    assert "required and failing: 0" in run("make check", pipeline, plain=plain, PYTHONPATH="src").stdout
