"""Examples to try the model with, from the test data of its run."""

from pathlib import Path

import numpy as np

from ..arrays.prepare import read_manifest
from ..arrays.recorded import recorded, refuse_other
from ..errors import DataError
from .predictor import Predictor
from .schemas import Example


def one_of_each_class(predictor: Predictor) -> list[Example]:
    """Return the first test example of each class.

    Raises:
        DataError: the prepared data is not here, or is other data.
    """
    config = predictor.config
    folder = Path(config.paths.processed)
    manifest = read_manifest(config.data, folder)
    if manifest is None:
        raise DataError(f"{folder} is not here, or is altered: python prepare.py data={config.data.name} makes it")
    refuse_other(recorded(config.data, manifest), predictor.record["data"], folder)

    from ..arrays.datamodule import DataModule

    data = DataModule(config)
    refuse_other(data.recorded(), predictor.record["data"], folder)  # its splits, too
    positions = data.splits["test"]
    classes, first = np.unique(data.dataset.targets.rows(positions), return_index=True)
    inputs = data.dataset.inputs.rows(positions[first])
    return [
        Example(actual=predictor.classes[number], inputs=row)
        for number, row in zip(classes.tolist(), inputs.tolist(), strict=True)
    ]
