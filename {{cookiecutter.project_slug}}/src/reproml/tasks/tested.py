"""The prepared data that a finished run was tested with, where it is here."""

from pathlib import Path
from typing import Any

from ..arrays.datamodule import ArrayDataModule
from ..arrays.prepare import read_manifest
from ..arrays.recorded import recorded, refuse_other
from ..config.schema import Config
from ..errors import DataError
from .build import build_arrays


def tested_data(config: Config, record: dict[str, Any]) -> ArrayDataModule:
    """Return the data of a run on prepared arrays, with its splits; nothing is prepared for it.

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
    data = build_arrays(config)
    refuse_other(data.recorded(), record["data"], folder)  # its splits, too
    return data
