"""Your part of the project: data in data/, networks in models/, what is learned in tasks/.

reproml beside it does the rest.
"""

from importlib import import_module
from pathlib import Path
from typing import Any


def load(run: str | Path = "models") -> Any:
    """Return the model of a run, a `reproml.Predictor`, as in `load("last").predict(examples)`.

    Args:
        run: `last`, `best`, `models`, its folder, or how its name begins.
    """
    # Not by an import statement: what this package imports is the code of a run, and using a model is no part of that
    return import_module("reproml.loading").load(run, Path(__file__).resolve().parents[2])
