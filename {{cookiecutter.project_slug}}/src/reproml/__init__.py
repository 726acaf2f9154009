"""The machinery of a reproducible project. What a project's own code needs of it is named here.

A name is imported when it is first used, so that importing this package is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .arrays.datamodule import ArrayDataModule
    from .arrays.examples import Chunk, Examples
    from .arrays.raw import open_raw
    from .errors import ConfigError, DataError
    from .evaluation.classification import classification
    from .evaluation.evaluation import Evaluation, Intervals
    from .evaluation.regression import regression
    from .loading import load
    from .models.array_task import ArrayTask
    from .models.interface import Interface
    from .serving.predictor import Predictor
    from .trained import train
    from .training.randomness import derive

__version__ = "0.2.0"  # of the template too: CHANGELOG.md there
__all__ = [
    "ArrayDataModule",
    "ArrayTask",
    "Chunk",
    "ConfigError",
    "DataError",
    "Evaluation",
    "Examples",
    "Interface",
    "Intervals",
    "Predictor",
    "classification",
    "derive",
    "load",
    "open_raw",
    "regression",
    "train",
]

PLACES = {  # the module of each of these names
    "ArrayDataModule": ".arrays.datamodule",
    "ArrayTask": ".models.array_task",
    "Chunk": ".arrays.examples",
    "ConfigError": ".errors",
    "DataError": ".errors",
    "Evaluation": ".evaluation.evaluation",
    "Examples": ".arrays.examples",
    "Interface": ".models.interface",
    "Intervals": ".evaluation.evaluation",
    "Predictor": ".serving.predictor",
    "classification": ".evaluation.classification",
    "derive": ".training.randomness",
    "load": ".loading",
    "open_raw": ".arrays.raw",
    "regression": ".evaluation.regression",
    "train": ".trained",
}


def __getattr__(name: str) -> Any:
    if name not in PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(PLACES[name], __name__), name)
