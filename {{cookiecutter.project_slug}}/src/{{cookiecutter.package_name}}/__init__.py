"""Your part of the project: data in data/, networks in models/, what is learned in tasks/.

reproml beside it does the rest.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

# What the functions call is imported by name: all that import statements here reach is the code of a run, and DVC and a
# resume would take an edit of it for one of the training
_PROJECT = Path(__file__).resolve().parents[2]


def train(*overrides: str) -> Any:
    """Train as `python train.py OVERRIDE...` does, and return the run: `train("training.lr=0.01").metrics`.

    Args:
        overrides: as on the command line.
    """
    return import_module("reproml.trained").train(*overrides, project=_PROJECT)


def load(run: str | Path = "models") -> Any:
    """Return the model of a run, a `reproml.Predictor`, as in `load("last").predict(examples)`.

    Args:
        run: `last`, `best`, `models`, its folder, or how its name begins.
    """
    return import_module("reproml.loading").load(run, _PROJECT)
