"""The model of a run, for Python and notebooks."""

from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING

from . import secrets
from .catalog.find import find_run
from .names import RECORD

if TYPE_CHECKING:
    from .serving.predictor import Predictor


def load(run: str | Path, project: Path) -> "Predictor":
    """Return the model of a finished run, which predicts as its test did, wherever the process works.

    PyTorch is imported here, after what it reads from the environment is set. So call it before you import torch.

    Args:
        run: `last`, `best`, `models`, a folder, or how its name begins.
        project: the folder of the project.

    Raises:
        UserError: there is no such run, or its model cannot predict; see `Predictor`.
    """
    named = str(Path(run).resolve()) if Path(run, RECORD).exists() else str(run)
    with chdir(home_of(project)):
        from .serving.predictor import Predictor

        secrets.load()
        return Predictor(find_run(named))


def home_of(project: Path) -> Path:
    """Return the folder of the project, or the working folder: an installed package has no project around it."""
    return project if (project / "train.py").exists() else Path.cwd()
