"""Examples to try the model with, from the test data of its run."""

from pathlib import Path

import numpy as np

from ..data.prepare import read_manifest
from .predictor import Predictor
from .schemas import Example, Examples


def test_examples(predictor: Predictor) -> Examples:
    """Return the first test example of each class; none where the prepared data is not here or is other data."""
    config = predictor.config
    folder = Path(config.paths.processed)
    manifest = read_manifest(config.data, folder)
    if manifest is None:
        return Examples(examples=[], missing=f"{folder} is not here: python prepare.py makes it")
    prepared = {name: file["sha256"] for name, file in manifest["files"].items()}
    if prepared != predictor.record["data"]["prepared"]:
        return Examples(examples=[], missing=f"{folder} is not the data that the model was trained with")

    from ..data.datamodule import DataModule

    data = DataModule(config)
    positions = data.splits["test"]
    targets = data.dataset.targets.rows(positions)
    classes, first = np.unique(targets, return_index=True)
    inputs = data.dataset.inputs.rows(positions[first])
    return Examples(
        examples=[
            Example(actual=predictor.classes[number], inputs=row)
            for number, row in zip(classes.tolist(), inputs.tolist(), strict=True)
        ],
        missing=None,
    )
