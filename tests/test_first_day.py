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
from test_ci import CHECKED, Runner

pytestmark = [pytest.mark.slow, pytest.mark.preloaded]
OPTIONAL = {"mlflow", "wandb", "tensorboard", "ray", "datasets", "dvc-s3", "hydra-submitit-launcher", "onnxruntime"}


LEAST = "none"
NEWCOMER = pytest.param(DEFAULT, marks=pytest.mark.newcomer)
only_the_default = pytest.mark.parametrize("tracker", [NEWCOMER], indirect=True)  # for what no tracker decides
TRAINS_ELSEWHERE = ("make test", "make short", "make summary AGAINST=origin/main")  # steps that no tracker decides
# The project's own tests that know of trackers; and with the least that can be installed, those that notice what lacks
OF_TRACKERS = "tests/test_config.py tests/test_secrets.py"
OF_LEAST = f"{OF_TRACKERS} tests/test_data.py tests/test_tasks.py tests/test_damage.py"


@pytest.fixture(scope="module", params=[NEWCOMER, *CHOICES["tracker"][1:]])
def tracker(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def rendered(folder: Path, tracker: str) -> Path:
    answers = {"python_version": THIS_PYTHON, "tracker": tracker}
    return Path(cookiecutter(str(ROOT), no_input=True, output_dir=str(folder), extra_context=answers))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tracker: str) -> Path:
    """Return a project with an answer, in the environment of this answer."""
    return installed(rendered(tmp_path_factory.mktemp(tracker), tracker), environment_for(tracker))


def test_the_environment_is_that_of_the_lock(project: Path, tracker: str, tmp_path: Path) -> None:
    """A tracker adds to the least, and changes no version: what passes without one misses no package with one."""
    found = installed_in(project / ".venv")
    assert found == locked(project)
    assert found.items() >= locked(rendered(tmp_path, LEAST)).items()
    assert found.keys() & OPTIONAL == {tracker} - {LEAST}
    scripts = [path.read_bytes() for path in (project / ".venv" / "bin").iterdir() if not path.is_symlink()]
    [place] = {text[2:].splitlines()[0].rpartition(b"/")[0] for text in scripts if text.startswith(b"#!/")}
    assert Path(place.decode()) == (project / ".venv").resolve() / "bin"  # and not the one that it was copied from


def test_the_environment_with_everything_is_no_users(full_environment: Path) -> None:
    """What passes in it may fail in that of every answer."""
    assert installed_in(full_environment).keys() >= OPTIONAL


def test_every_step_of_ci(project: Path, tracker: str) -> None:
    """Style, types, the project's own tests, `make check` before sharing, and the short training.

    With other trackers than the default: style, types, that check, and the tests that a tracker can change.
    """
    everything = tracker == DEFAULT
    runner = Runner(project, plain=everything)
    ran, said = runner.job("ci.yml", "check", without=() if everything else TRAINS_ELSEWHERE)
    assert not said
    assert ran == [step for step in CHECKED if everything or step not in ("Tests", *CHECKED[-2:])]
    if everything:
        assert "| accuracy | 0.9" in runner.summary.read_text()
        assert "origin/main holds no reports/baseline.json" in runner.summary.read_text()
        for name in ("run.json", "metrics.csv", "test/metrics.json"):  # what is kept as an artifact
            assert (project / "outputs" / "short" / name).exists()
    else:
        assert " passed" in run(f"pytest {OF_LEAST if tracker == LEAST else OF_TRACKERS}", project).stdout


@only_the_default
def test_a_commit_with_the_hooks(project: Path) -> None:
    """The hook of mypy reads all files, whichever are committed: once is enough."""
    run("pre-commit install && echo '# a note' >> train.py && git commit --quiet --all --message 'Add a note'", project)
    run("SKIP=mypy pre-commit run --all-files", project)


@pytest.fixture(scope="module")
def pipeline(project: Path, tracker: str) -> Path:
    """Return the project after its pipeline, tracked as the answer says.

    Torch is there when a command starts; the demo of test_readme.py runs the pipeline as a user's machine does.
    """
    run("sed -i 's/^epochs: 30/epochs: 2/' configs/training/default.yaml", project)
    assert stages_run(run("make run", project).stdout) == STAGES
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
    for verb in ("verify", "report", "archive"):
        run(f"python -m my_project {verb} models", pipeline, PYTHONPATH="src")
    assert "required and failing: 0" in run("make check", pipeline, PYTHONPATH="src").stdout
