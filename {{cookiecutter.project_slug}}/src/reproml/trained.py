"""Training from Python and notebooks."""

import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import errors, interrupts
from .config import trust
from .errors import ConfigError, TrainingError, UserError
from .loading import home_of, load
from .programs import followed
from .reply import ASKED, read
from .runs.record import read_finished
from .training.determinism import pinned_here

if TYPE_CHECKING:
    from .serving.predictor import Predictor

# Jupyter sets them for drawing into a notebook; a training writes files, and lines without colors
_OF_NOTEBOOKS = ("MPLBACKEND", "FORCE_COLOR", "CLICOLOR_FORCE")


@dataclass(frozen=True)
class TrainedRun:
    """A run that `train` made.

    Args:
        folder: of the run.
        project: the folder of the project.
    """

    folder: Path
    project: Path = field(repr=False)

    @property
    def record(self) -> dict[str, Any]:
        """The record of the run, as in its run.json."""
        return read_finished(self.folder)

    @property
    def metrics(self) -> dict[str, float]:
        """The results of its test, by name."""
        return self.record["metrics"]

    def load(self) -> "Predictor":
        """Return its model, as `load` does."""
        return load(self.folder, self.project)


def train(*overrides: str, project: Path) -> TrainedRun:
    """Train as `python train.py OVERRIDE...` does, with the same bits and the same record, and return the finished run.

    It runs in its own process: with the right settings for Python, NumPy and PyTorch, whatever this process has
    imported, and with the code as it is on disk. Its output appears here line by line. Ctrl-C, or the notebook's
    stop button, ends it; `train("resume=last")` resumes it.

    Args:
        overrides: as on the command line.
        project: the folder of the project.

    Raises:
        UserError: the configuration is refused, or the training fails; the error has the command's sentence.
        KeyboardInterrupt: the training was interrupted.

    Example: `train("training.lr=0.01", "model=mlp").metrics["loss"]`
    """
    if options := [each for each in overrides if each.startswith("-") and each != trust.FLAG]:
        raise ConfigError(
            f"{options[0]} is a command-line option: give only overrides, as in train('training.lr=0.01')"
        )
    home = home_of(project)
    if not (home / "train.py").exists():
        raise ConfigError(f"there is no train.py in {home}: call train in the project's folder")
    dropped = {*_OF_NOTEBOOKS, *pinned_here()}
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    with tempfile.TemporaryDirectory(prefix="reproml-") as folder:
        place = Path(folder, "reply.json")
        last = ""

        def show(line: str) -> None:
            nonlocal last
            last = line.strip() or last
            print(line, end="", flush=True)

        command = [sys.executable, str(home / "train.py"), *overrides]
        code = followed(command, show, cwd=home, env={**environment, ASKED: str(place)})
        reply = read(place)
    if code == interrupts.CODE:
        raise KeyboardInterrupt
    if "error" in reply:
        kind: type[UserError] = vars(errors).get(reply["error"], TrainingError)  # others come from inner modules
        raise kind(reply["sentence"])
    if code or "run" not in reply:
        raise TrainingError(f"train.py made no run: {last or f'it exited with {code}'}")
    return TrainedRun(Path(reply["run"]), home)
