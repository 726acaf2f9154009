"""What the record of a run says of its data, and whether the data of now are those."""

from pathlib import Path
from typing import Any

from lightning import LightningDataModule

from ..arrays import prepare as arrays
from ..arrays.datamodule import ArrayDataModule
from ..arrays.recorded import refuse_other
from ..config.own import name_of
from ..config.schema import Config, OwnConfig
from ..errors import DataError
from ..launch import rank
from ..runs.imported import check_watched, module_of, stage
from ..runs.inputs import check_seen
from ..runs.named import changed, named_files, recorded_files
from .build import build_own


def prepare(config: Config) -> None:
    """Fetch and prepare the data of a configuration.

    Raises:
        ConfigError: some of the code or of the data lies where the stage of DVC that runs does not look.
        DataError: as in `arrays.prepare`.
    """
    raw, processed = Path(config.paths.raw), Path(config.paths.processed)
    if not isinstance(config, OwnConfig):
        arrays.prepare(config.data, raw, processed)
        return
    check_watched({f"data._target_={config.data['_target_']}": module_of(config.data["_target_"])})
    build_own(config)
    if stage():
        for folder in (raw, processed):  # its outputs, whether the class writes there or not
            folder.mkdir(parents=True, exist_ok=True)


def data_of(config: Config, settings: dict[str, Any], data: LightningDataModule) -> dict[str, Any]:
    """Return the part `data` of a record, which the first process writes: others need not read large files for it.

    Args:
        config: the checked configuration.
        settings: the same in plain types, to be written.
        data: that the run reads.
    """
    if isinstance(config, OwnConfig):
        named = {"data": settings["data"], "task": settings["task"]}
        others = [Path(config.paths.run), *map(Path, config.inputs.values())]
        files = {} if rank() else named_files(named, but=others)
        for path in files:
            check_seen(path, f"{path}, which an argument of data or task names")
        return {"name": name_of(config), "raw": {}, "prepared": {}, "files": files}
    assert isinstance(data, ArrayDataModule)
    return data.recorded()


def refuse_other_data(data: LightningDataModule, recorded: dict[str, Any], config: Config) -> None:
    """Refuse data that are not those of a run.

    Args:
        data: that would be read.
        recorded: the part `data` of the record of the run.
        config: of the run.

    Raises:
        DataError: a file is missing, is another one, or was not there.
    """
    if isinstance(data, ArrayDataModule):
        refuse_other(data.recorded(), recorded, Path(config.paths.processed))
    elif name := changed(recorded_files(recorded, vars(config))):
        raise DataError(f"{name} is missing or not what the run was trained with: restore it, or train again")
