"""The first commands that a user runs pass in exactly what `make setup` installs, for every tracker.

Here with pip; test_environments.py makes the environments of uv and Poetry from scratch. That of conda cannot be made
without conda-forge: test_conda.py compares its list with pip's.
"""

from pathlib import Path

import pytest
from conftest import CHOICES, ROOT, THIS_PYTHON, installed, run
from cookiecutter.main import cookiecutter
from environments import DEFAULT, environment_for, installed_in, locked
from test_audit import advisories
from test_ci import CHECKED, Runner

pytestmark = [pytest.mark.slow, pytest.mark.preloaded]
OPTIONAL = {"mlflow", "wandb", "tensorboard", "ray", "datasets", "dvc-s3", "hydra-submitit-launcher", "onnxruntime"}


@pytest.fixture(scope="module", params=[pytest.param(DEFAULT, marks=pytest.mark.newcomer), *CHOICES["tracker"][1:]])
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
    assert found.keys() & OPTIONAL == {tracker} - {"none"}
    scripts = [path.read_bytes() for path in (project / ".venv" / "bin").iterdir() if not path.is_symlink()]
    [place] = {text[2:].splitlines()[0].rpartition(b"/")[0] for text in scripts if text.startswith(b"#!/")}
    assert Path(place.decode()) == (project / ".venv").resolve() / "bin"  # and not the one that it was copied from


def test_the_environment_with_everything_is_no_users(full_environment: Path) -> None:
    """What passes in it may fail in that of every answer."""
    assert installed_in(full_environment).keys() >= OPTIONAL


def test_every_step_of_ci(project: Path, tracker: str) -> None:
    """Style, types, the project's own tests, `make check` before sharing, and the short training.

    All of the tests run with the default answer. With the least that can be installed, all but two files that train
    again and again, as the pipeline below does with it too. With other trackers, those that ask what is installed.
    """
    all_tests = tracker == DEFAULT
    runner = Runner(project)
    ran, said = runner.job("ci.yml", "check", without=() if all_tests else ("make test",))
    assert not said
    assert ran == [step for step in CHECKED if all_tests or step != "Tests"]
    assert "| accuracy | 0.9" in runner.summary.read_text()
    if not all_tests:
        least = "--ignore tests/test_proof.py --ignore tests/test_reproducibility.py"
        chosen = least if tracker == "none" else "tests/test_config.py tests/test_secrets.py tests/test_data.py"
        assert " passed" in run(f"pytest {chosen}", project).stdout


def test_a_commit_with_the_hooks(project: Path) -> None:
    run("pre-commit install && echo '# a note' >> train.py && git commit --quiet --all --message 'Add a note'", project)
    run("pre-commit run --all-files", project)


def test_the_audit_asks_about_every_package(project: Path) -> None:
    with advisories() as (address, asked):
        run(f"make audit OSV_URL={address}", project)
    assert asked == locked(project).keys() - {"my-project"}


def test_the_whole_checklist_after_the_pipeline(project: Path, tracker: str) -> None:
    """With the default answer as a user's machine runs it; with others, torch is there when a command starts."""
    plain = tracker == DEFAULT
    run("sed -i 's/^epochs: 30/epochs: 2/' configs/training/default.yaml", project)
    run("make run" if plain else "dvc repro", project, plain=plain)
    run("git add --all && git commit --quiet --no-verify --message 'Run the pipeline'", project)
    for verb in ("verify", "report", "archive"):
        run(f"python -m my_project {verb} models", project, plain=plain, PYTHONPATH="src")
    assert "required and failing: 0" in run("make check", project, PYTHONPATH="src").stdout
