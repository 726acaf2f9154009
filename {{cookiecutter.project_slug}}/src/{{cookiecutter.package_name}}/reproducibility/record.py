"""The record of a run: `run.json`, all that is needed to repeat it and to compare the result.

It is written when the training starts, and again, whole, when the run is finished. docs/run.schema.json describes it.
"""

import json
from pathlib import Path
from typing import Any

from ..errors import RecordError
from .changes import Change, changes

RECORD = "run.json"
VERSION = 1


def read(folder: Path) -> dict[str, Any]:
    """Return the record of a run.

    Raises:
        RecordError: there is none, it is damaged, or it has another version.
    """
    path = folder / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        version = record["schema_version"]
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RecordError(f"{path} does not exist: name the folder of a run, which python train.py makes") from error
    except (ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{path} is damaged: fetch it again from where the run was made") from error
    if version != VERSION:
        raise RecordError(
            f"{path} has the schema version {version}, and this code reads {VERSION}: use the code of its commit"
        )
    return record


def same_result(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether two finished runs have the same weights, metrics and trail, bit for bit."""
    return all(before[key] == after[key] for key in ("weights_sha256", "metrics", "trail_sha256"))


def what_changed(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """Return the recorded inputs in which two runs differ: code, configuration, data, packages, settings, machine."""
    return changes(_inputs(before), _inputs(after))


def _inputs(record: dict[str, Any]) -> dict[str, Any]:
    run = record["config"]["paths"]["run"]
    return {
        "code": record["code"],
        # the run folder has another name each time, and trackers change no result; `restored` says what was built on
        "config": {
            key: _without(run, value)
            for key, value in record["config"].items()
            if key not in ("paths", "tracking", "restore")
        },
        "data": record["data"],
        "locks": record["locks"],
        "environment": record["environment"],
        "restored": record["restored"] and {key: record["restored"][key] for key in ("mode", "skip", "weights_sha256")},
    }


def _without(folder: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(folder, item) for key, item in value.items()}
    inside = isinstance(value, str) and (value == folder or value.startswith(f"{folder}/"))
    return f"<run>{value.removeprefix(folder)}" if inside else value
