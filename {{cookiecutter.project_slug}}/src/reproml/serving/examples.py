"""Examples to try the model with, from the test data of its run."""

from typing import Any

import numpy as np

from ..errors import DataError
from .predictor import Predictor

_QUANTITIES = 10  # examples with a quantity


def show(predictor: Predictor) -> list[dict[str, Any]]:
    """Return the first test example of each class, or of a quantity the lowest, the highest and some between.

    Raises:
        DataError: the prepared data is not here, or is other data.
    """
    if predictor.interface is None:
        raise DataError("only prepared arrays have test examples to show")
    from ..tasks.tested import tested_data

    data = tested_data(predictor.config, predictor.record)
    targets = data.targets.rows(data.positions)
    shown = _spread(targets) if predictor.interface.target is not None else np.unique(targets, return_index=True)[1]
    inputs = data.inputs.rows(data.positions[shown])
    rows = inputs.astype(object)
    if predictor.interface.missing:
        rows[np.isnan(inputs)] = None
    return [
        {"actual": predictor.interface.shown(target), "inputs": row}
        for target, row in zip(targets[shown].tolist(), rows.tolist(), strict=True)
    ]


def _spread(targets: np.ndarray) -> np.ndarray:
    """Return the positions of some targets (n,), from the lowest to the highest."""
    ranks = np.linspace(0, len(targets) - 1, min(_QUANTITIES, len(targets))).round().astype(int)
    return np.argsort(targets, kind="stable")[ranks]
