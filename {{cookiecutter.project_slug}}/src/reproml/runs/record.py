"""The record of a run: `run.json`, all that is needed to repeat it and to compare the result.

It is written when the training starts, and again, whole, when the run is finished. run.schema.json describes it. A
record can come from anybody, so every reader gets it from here, where it is checked against that description.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from ..config import trust
from ..config.own import is_own
from ..errors import RecordError
from ..names import PIPELINE, RECORD
from . import schema
from .changes import Change, changes
from .code import deciding_code
from .folder import RunFolder

VERSION = 4
RESULTS = {  # what has to be equal, and what people call it
    "weights_sha256": "weights",
    "metrics": "test metrics",
    "history_sha256": "history",
    "trace_sha256": "step trace",
}
_OF_FINISHED = {"weights_sha256", "model_sha256", "history_sha256", "metrics", "tables", "figures"}


class OtherVersion(RecordError):
    """A record that other code wrote, and can read."""


def read(folder: Path) -> dict[str, Any]:
    """Return the record of a run.

    Raises:
        OtherVersion: it has another version.
        RecordError: there is none, it is not what a training writes, or the folder holds a link that leads out of it.
    """
    path = folder / RECORD
    if path.exists() or path.is_symlink():  # any other folder is none of a run, whatever links it holds
        trust.check_links(folder)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        version = record["schema_version"]
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RecordError(f"{path} does not exist: {RunFolder(folder).why_no_record()}") from error
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}; give yourself permission, or fetch it") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RecordError(f"{path} is damaged: fetch it again from where the run was made") from error
    if version == 3:
        record = _of_version_3(record)
    elif isinstance(version, int) and version != VERSION:
        raise OtherVersion(
            f"{path} has the schema version {str(version)[:9]}, but this code reads {VERSION}: "
            "use the code of its commit"
        )
    if reason := schema.problem(record):
        raise RecordError(f"{path} is not a valid record: {reason}; fetch it again from where the run was made")
    return record


def _of_version_3(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record of version 3, which called the reproducibility level a promise and its mode, as one of today."""
    now = {key: value for key, value in record.items() if key != "promise"} | {"schema_version": VERSION}
    if isinstance(level := record.get("promise"), dict):
        now["reproducibility"] = {"level" if key == "mode" else key: value for key, value in level.items()}
    return now


def read_finished(folder: Path) -> dict[str, Any]:
    """Return the record of a finished run.

    Raises:
        RecordError: the run is not finished, or see `read`.
    """
    record = read(folder)
    if record["status"] != "finished":
        resume = "dvc repro" if record["command"]["config"] == PIPELINE else f"python train.py resume={folder}"
        raise RecordError(f"{folder} is not finished: {resume} resumes it")
    missing = [key for key in sorted(_OF_FINISHED) if record[key] is None]
    if missing or record["sessions"][-1]["ended"] is None:
        raise RecordError(f"{folder / RECORD} is damaged: the run is finished, but lacks {(missing or ['an end'])[0]}")
    return record


def identity(record: dict[str, Any]) -> str:
    """Return what distinguishes a training from any other, even with the same inputs.

    It stays the same when the training is resumed, also in a folder that was moved.
    """
    began = [session["started"] for session in record["sessions"] if not session["from_batch"]]
    parts = [*began[-1:], deciding(record["config"]), *(record[key] for key in ("command", "git", "code"))]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def same_result(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether two runs are finished and have the same weights, metrics, history and step trace, bit for bit."""
    finished = before["status"] == after["status"] == "finished"
    return finished and all(before[key] == after[key] for key in RESULTS)


def what_changed(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """Return the recorded inputs in which two runs differ: code, configuration, data, packages, settings, machine."""
    return changes(inputs(before), inputs(after))


def inputs(record: dict[str, Any]) -> dict[str, Any]:
    """Return what a run depends on, in the form that `changes` compares."""
    return {
        "code": deciding_code(record["code"]),
        "config": deciding(record["config"]),
        "data": {key: value for key, value in record["data"].items() if key != "splits"},  # which follow from the rest
        "inputs": record["inputs"],
        "locks": record["locks"],
        "environment": record["environment"],
        "restored": record["restored"] and {key: record["restored"][key] for key in ("mode", "skip", "sha256")},
    }


def deciding(config: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a run that decide its result; its folder does not."""
    # The run folder has another name each time, and trackers change no result. The record has
    # digests of what was restored and of the raw data elsewhere.
    kept = {key: value for key, value in config.items() if key not in ("paths", "tracking", "restore")}
    if not is_own(config):
        kept["data"] = {key: value for key, value in kept["data"].items() if key != "source"}
    for name, place in config.get("inputs", {}).items():  # the record has their digests
        kept = moved(kept, place, f"<input {name}>")
    return moved(kept, config["paths"]["run"], "<run>")


def moved(settings: Any, before: str, now: str) -> Any:
    """Return settings, in plain types, with another name for a path and for all that is inside of it."""
    if isinstance(settings, dict):
        return {key: moved(item, before, now) for key, item in settings.items()}
    if isinstance(settings, list):
        return [moved(item, before, now) for item in settings]
    inside = isinstance(settings, str) and (settings == before or settings.startswith(f"{before}/"))
    return f"{now}{settings.removeprefix(before)}" if inside else settings
