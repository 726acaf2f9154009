"""The record of a run: `run.json`, all that is needed to repeat it and to compare the result.

It is written when the training starts, and again, whole, when the run is finished. docs/run.schema.json describes it.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from ..errors import RecordError
from ..runs import RECORD
from .changes import Change, changes

VERSION = 1
RESULTS = {  # what has to be equal, and what people call it
    "weights_sha256": "weights",
    "metrics": "test metrics",
    "history_sha256": "history",
    "trail_sha256": "trail",
}
_PARTS = {"status", "promise", "command", "config", "git", "code", "data", "locks", "environment", "restored", *RESULTS}


def read(folder: Path) -> dict[str, Any]:
    """Return the record of a run.

    Raises:
        RecordError: there is none, it is damaged, or it has another version.
    """
    path = folder / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        version = record["schema_version"]
        missing = _PARTS - record.keys()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RecordError(f"{path} does not exist: name the folder of a run, which python train.py makes") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(f"{path} is damaged: fetch it again from where the run was made") from error
    if version != VERSION:
        raise RecordError(
            f"{path} has the schema version {version}, and this code reads {VERSION}: use the code of its commit"
        )
    if missing:
        raise RecordError(f"{path} lacks {', '.join(sorted(missing))}: fetch it again from where the run was made")
    return record


def read_finished(folder: Path) -> dict[str, Any]:
    """Return the record of a finished run.

    Raises:
        RecordError: the run is not finished, or see `read`.
    """
    record = read(folder)
    if record["status"] != "finished":
        raise RecordError(f"{folder} is not finished: python train.py resume={folder} goes on with it")
    return record


def identity(record: dict[str, Any]) -> str:
    """Return what tells a training from every other, also from one of the same inputs, and stays when it is resumed."""
    began = [session["started"] for session in record["sessions"] if not session["from_batch"]][-1]
    parts = [began, *(record[key] for key in ("command", "config", "git", "code"))]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def same_result(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether two runs are finished and have the same weights, metrics, history and trail, bit for bit."""
    finished = before["status"] == after["status"] == "finished"
    return finished and all(before[key] == after[key] for key in RESULTS)


def what_changed(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """Return the recorded inputs in which two runs differ: code, configuration, data, packages, settings, machine."""
    return changes(inputs(before), inputs(after))


def inputs(record: dict[str, Any]) -> dict[str, Any]:
    """Return what a run stands on, in the form that `changes` compares."""
    # The run folder has another name each time, and trackers change no result. What was restored, and what the raw data
    # is, stands elsewhere in the record, by digest.
    config = {key: value for key, value in record["config"].items() if key not in ("paths", "tracking", "restore")}
    config["data"] = {key: value for key, value in config["data"].items() if key != "source"}
    return {
        "code": record["code"],
        "config": _without(record["config"]["paths"]["run"], config),
        "data": record["data"],
        "locks": record["locks"],
        "environment": record["environment"],
        "restored": record["restored"] and {key: record["restored"][key] for key in ("mode", "skip", "sha256")},
    }


def written_places(record: dict[str, Any]) -> dict[str, str]:
    """Return the settings that say where a run writes, besides into its own folder: key -> path."""
    run = record["config"]["paths"]["run"]
    callbacks = {
        f"callbacks.{name}.{key}": value
        for name, settings in record["config"]["callbacks"].items()
        for key, value in settings.items()
        if key in ("folder", "dirpath", "path", "filename") and isinstance(value, str)
    }
    return {key: value for key, value in callbacks.items() if _without(run, value) == value}


def _without(folder: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(folder, item) for key, item in value.items()}
    inside = isinstance(value, str) and (value == folder or value.startswith(f"{folder}/"))
    return f"<run>{value.removeprefix(folder)}" if inside else value
