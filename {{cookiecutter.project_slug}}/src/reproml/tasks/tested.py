"""The prepared data that a finished run was tested with, where it is here.

It is opened without the class that trains with it: a report shows its pictures and needs neither PyTorch nor Lightning.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..arrays.opened import Inputs, Targets, open_prepared, splits_of
from ..arrays.prepare import read_manifest
from ..arrays.recorded import recorded, refuse_other
from ..arrays.splits import split_digests
from ..config.schema import Config
from ..errors import DataError


class Tested(NamedTuple):
    """Inputs and targets of all examples, and which of them the test had."""

    input_shape: tuple[int, ...]
    inputs: Inputs
    targets: Targets
    positions: np.ndarray


def tested_data(config: Config, record: dict[str, Any]) -> Tested:
    """Return the data of a run on prepared arrays; nothing is prepared for it.

    Args:
        config: of the run.
        record: its run.json.

    Raises:
        DataError: the prepared data is not here, or is other data.
    """
    folder = Path(config.paths.processed)
    manifest = read_manifest(config.data, folder)
    if manifest is None:
        raise DataError(f"{folder} is missing or altered: python prepare.py data={config.data.name} makes it")
    refuse_other(recorded(config.data, manifest), record["data"], folder)
    opened = open_prepared(config.data, Path(config.paths.raw), folder)
    splits = splits_of(config, opened)
    # its splits, too
    refuse_other(recorded(config.data, opened.manifest, split_digests(splits)), record["data"], folder)
    return Tested(tuple(opened.manifest["input_shape"]), opened.inputs, opened.targets, splits["test"])
