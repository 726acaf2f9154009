"""What the tests share: a copy of the project to run commands in, and one short training."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from .forked import Forked

ROOT = Path(__file__).resolve().parent.parent
Command = Callable[..., subprocess.CompletedProcess[str]]

# Whatever configs/config.yaml chooses: what strict guarantees is tested, on one fold, in one file, without a tracker.
PLAIN = [
    "task=classification",
    "tracking=[none]",
    "reproducibility=strict",
    "folds=none",
    "storage=one_file",
    "trainer=cpu",
]
# Small enough for every commit: two epochs of a small network on real data, with the other values as configs/ has them.
SHORT = [*PLAIN, "data=digits", "model=mlp", "training.epochs=2"]
# The commit in the record of a run: nothing differed from it.
COMMIT: dict[str, Any] = {
    "commit": "a" * 40,
    "branch": "main",
    "folder": "",
    "dirty": False,
    "left_out": [],
    "patch_sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
}


def composed(*overrides: str, name: str = "snapshot") -> DictConfig:
    """Return the configuration that a command gets with these arguments, for the classification of arrays."""
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        return compose(name, ["task=classification", *overrides])


def with_values(folder: Path, **values: object) -> None:
    """Give the record of a run other values."""
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**record, **values}))


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project's code and configuration, without data and runs."""
    folder = tmp_path_factory.mktemp("copy") / "project"
    folder.mkdir()
    for name in ("configs", "src"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in [*ROOT.glob("*.py"), *(ROOT / name for name in ("params.yaml", "pyproject.toml", ".gitignore"))]:
        shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="session")
def forked() -> Iterator[Forked]:
    """Yield the process whose forks run commands, with the environment variables that strict asks for."""
    level = composed(*PLAIN).reproducibility
    threads = {"OMP_NUM_THREADS": str(level.threads), "MKL_NUM_THREADS": str(level.threads)}
    process = Forked({**level.environment, **(threads if level.threads else {})})
    yield process
    process.close()


@pytest.fixture(scope="session")
def command(project: Path, forked: Forked) -> Command:
    """Return a function that runs `python SCRIPT ARGUMENT...` in the copy, or a module with `-m`.

    A command that is to start as it does for a user is `plain`.
    """

    def run(
        script: str, *arguments: str, check: bool = True, plain: bool = False, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        if plain:
            result = subprocess.run(
                [sys.executable, script, *arguments],
                cwd=project,
                capture_output=True,
                text=True,
                env={**os.environ, **environment},
            )
        else:
            result = forked.run([script, *arguments], project, environment)
        if check:
            assert result.returncode == 0, result.stdout + result.stderr
        return result

    return run


@pytest.fixture(scope="session")
def short_run(project: Path, command: Command) -> Path:
    """Return the folder of a short training."""
    command("train.py", *SHORT, "hydra.run.dir=outputs/short", plain=True)
    return project / "outputs" / "short"
