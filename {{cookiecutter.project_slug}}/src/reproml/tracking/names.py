"""The name of a run in trackers: network, data, and an id that distinguishes it from other runs."""

import re
from pathlib import Path
from typing import Any

from ..names import MODELS
from ..runs import record

_OWN_NAME = re.compile(r"\d\d-\d\d-\d\d-([0-9a-f]{6})")  # of a folder that nobody has named: a time, and an id
_ID = 6  # characters


def run_name(folder: Path) -> str:
    """Return the name of a run in a tracker, as in `cnn-digits-bbd51c`: network, data, and the id of its folder.

    Of a run in a sweep or a search its number follows, as in `cnn-digits-bbd51c-3`. A folder with another name gives
    that name, and the pipeline's run, whose folder never changes, the beginning of its identity.

    Args:
        folder: of the run, whose record is there.
    """
    found = record.read(folder)
    config: dict[str, Any] = found["config"]
    trained = str((config.get("model") or config["task"])["_target_"]).rpartition(".")[2]
    return "-".join([trained.lower(), found["data"]["name"], *_place(folder, found)])


def _place(folder: Path, found: dict[str, Any]) -> list[str]:
    if folder == MODELS:
        return [record.identity(found)[:_ID]]
    parts = [_OWN_NAME.sub(r"\1", part) for part in folder.parts]
    if parts[-1].isdecimal() and len(parts) > 1:  # one of several; `trials` is the same in each search
        return [next((part for part in reversed(parts[:-1]) if part != "trials"), ""), parts[-1]]
    return parts[-1:]
