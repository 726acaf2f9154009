"""A folder in which a training begins: without what an earlier one left there."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from ..config.schema import Config
from ..errors import ConfigError
from ..names import CHECKPOINTS, HISTORY, MODEL, ONNX, RECORD, REPORTS, TEST, TRACE, VERIFICATION

_FILES = (TRACE, HISTORY, MODEL)
_FOLDERS = (CHECKPOINTS, TEST, "evaluation")
_ABOUT = (VERIFICATION, ONNX, *REPORTS)  # what other commands wrote about the earlier training


def start_over(folder: Path, config: Config, kept: Iterable[str] = ()) -> None:
    """Remove what an earlier training left in the folder; take over what `restore=continue` builds on.

    Args:
        folder: of the run.
        config: of the run.
        kept: files of the earlier run that a training which continues it needs, relative to its folder.

    Raises:
        ConfigError: there are such files, and no record says that a training left them.
    """
    left = [name for name in (*_FILES, *_FOLDERS) if (folder / name).exists()]
    if left and not (folder / RECORD).exists():
        raise ConfigError(
            f"{folder} holds {left[0]} without a record, and a run would replace it: choose another folder"
        )
    for name in (*_FILES, *_ABOUT):
        (folder / name).unlink(missing_ok=True)
    for name in _FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)
    if config.restore.mode == "continue" and config.restore.run:
        earlier = Path(config.restore.run)
        for name in kept:  # the record's reader has refused links
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(earlier / name, folder / name)
        if (earlier / TRACE).exists():
            shutil.copy(earlier / TRACE, folder)
