"""Projects made once per session, as generated and with the pipeline run. Each test gets a copy."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, THIS_PYTHON, installed, run
from cookiecutter.main import cookiecutter
from environments import DEFAULT, environment_for
from filelock import FileLock

# A small network, two epochs, no tracker: the pipeline in seconds
SHORTEN = (
    "sed -i 's/^epochs: 30/epochs: 2/' configs/training/default.yaml && "
    "sed -i 's/model: cnn/model: mlp/' configs/task/classification.yaml && "
    "sed -i 's/tracking: .mlflow./tracking: [none]/' configs/config.yaml configs/pipeline.yaml"
)
STAGES = {"configure", "code", "prepare", "document_data", "train", "evaluate", "document_model"}


def stages_run(output: str) -> set[str]:
    """Return the stages that `dvc repro` says it has run."""
    return set(re.findall(r"Running stage '(\w+)'", output))


def fresh(temporary: pytest.TempPathFactory, folder: Path, environment: Path) -> Path:
    """Return a project with the defaults in a folder, installed and committed."""
    return _copy(_made(temporary, "fresh", _generate), folder, environment)


def run_through(temporary: pytest.TempPathFactory, folder: Path, environment: Path) -> Path:
    """Return such a project with a short training, whose pipeline has run; everything is committed."""
    return _copy(_made(temporary, "run", lambda place: _repro(temporary, place)), folder, environment)


def _generate(place: Path) -> None:
    rendered = cookiecutter(
        str(ROOT), no_input=True, output_dir=str(place), extra_context={"python_version": THIS_PYTHON}
    )
    run("python -m compileall -q src", installed(Path(rendered), environment_for(DEFAULT)))  # once, for all copies


def _repro(temporary: pytest.TempPathFactory, place: Path) -> None:
    project = fresh(temporary, place, environment_for(DEFAULT))
    run(f"{SHORTEN} && git commit --quiet --all --message 'Shorten the training'", project)
    assert stages_run(run("dvc repro", project).stdout) == STAGES
    run("git add . && git commit --quiet --message 'Run the pipeline'", project)


def _made(temporary: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a project, made by the first process that asks for it."""
    session = temporary.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        session = session.parent  # shared by the processes of a session
    place = session / f"golden-{name}"
    with FileLock(f"{place}.lock"):
        if not (place / "made").exists():
            shutil.rmtree(place, ignore_errors=True)  # left by a failed attempt
            make(place)
            (place / "made").touch()
    return place / "my-project"


def _copy(project: Path, folder: Path, environment: Path) -> Path:
    """Copy a project without its environment, which is linked."""
    copy = Path(shutil.copytree(project, folder / project.name, symlinks=True))
    (copy / ".venv").unlink()
    (copy / ".venv").symlink_to(environment)
    return copy
