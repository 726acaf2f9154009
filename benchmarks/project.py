"""A generated project to measure, and its commands."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

# Set from the start: a training that has to set them starts Python again.
PINS = {"PYTHONHASHSEED": "0", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}


def package_of(project: Path) -> str:
    """Return the name of the project's package."""
    return next(path.parent.name for path in (project / "src").glob("*/__main__.py") if path.parent.name != "reproml")


def variables(threads: int = 1) -> dict[str, str]:
    """Return the environment of a project's commands, with so many threads."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    pins = {**PINS, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    return {"PATH": path, "HOME": str(Path.home()), "PYTHONPATH": "src", **pins}


class Project:
    """A project in `folder` that trains on the Fashion-MNIST in `source`, with only the number of threads set."""

    def __init__(self, folder: Path, source: Path, threads: int = 1) -> None:
        self.folder, self.package, self.threads = folder, package_of(folder), threads
        self.settings = ["experiment=fashion_mnist", "tracking=[none]", f"data.source={source}"]
        self.settings.append(f"reproducibility.threads={threads}")
        self.environment = variables(threads)

    def call(self, *command: str) -> str:
        """Return what a command prints; end the measurement if it fails."""
        result = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True)
        if result.returncode:
            raise SystemExit(f"{' '.join(command)}\n{result.stdout}\n{result.stderr}")
        return result.stdout

    def python(self, *arguments: str) -> str:
        """Run Python with the arguments."""
        return self.call(sys.executable, *arguments)

    def train(self, program: list[str], *overrides: str) -> str:
        """Train in `run`, which is emptied first, with a program in place of train.py; return what it prints."""
        shutil.rmtree(self.run, ignore_errors=True)
        return self.python(*program, *self.settings, *overrides, f"hydra.run.dir={self.run.relative_to(self.folder)}")

    @property
    def run(self) -> Path:
        """The folder of the measured run."""
        return self.folder / "outputs" / "measured"
