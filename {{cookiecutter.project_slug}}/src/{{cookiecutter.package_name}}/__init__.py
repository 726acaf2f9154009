"""Your part of the project: data in data/, networks in models/, what is learned in tasks/.

reproml beside it does the rest.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reproml import Predictor


def load(run: str | Path = "models") -> "Predictor":
    """Return the model of a run, as in `load("last").predict(examples)`; PyTorch is imported only here.

    Args:
        run: `last`, `best`, `models`, its folder, or how its name begins.
    """
    from reproml import load

    return load(run, Path(__file__).resolve().parents[2])
