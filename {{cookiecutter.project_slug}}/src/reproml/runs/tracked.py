"""`tracking.json` in a run folder: the run's name in each tracker, and which trackers have missed something of it.

Git and DVC can bring another training back into `models/` without touching this file. So it has an entry for the
identity of each training, and no other training changes that entry.
"""

import json
from pathlib import Path
from threading import Lock
from typing import Any

from ..errors import RecordError
from ..files import write_json
from ..names import TRACKING
from . import record

_MISSED = "missed"
_lock = Lock()  # each tracker has a thread


def read(folder: Path) -> dict[str, str]:
    """Return the trackers' names of the run, by tracker.

    Raises:
        RecordError: the file is damaged; so do the others.
    """
    return {name: run for name, run in _own(folder).items() if name != _MISSED}


def missed(folder: Path) -> list[str]:
    """Return the trackers that lack something: while a run trains, all of its own."""
    if not any(_MISSED in notes for notes in _read(folder).values()):
        return []  # without reading the record: a list of thousands of runs asks for each
    found: list[str] = _own(folder).get(_MISSED, [])
    return found


def note(folder: Path, tracker: str, run: str) -> None:
    """Note how a tracker calls the run."""
    with _lock:
        _write(folder, {**_own(folder), tracker: run})


def note_missed(folder: Path, tracker: str) -> None:
    """Note that a tracker lacks something."""
    with _lock:
        _write(folder, {**_own(folder), _MISSED: sorted({*missed(folder), tracker})})


def note_sent(folder: Path, tracker: str) -> None:
    """Note that a tracker has everything."""
    if tracker not in missed(folder):
        return
    with _lock:
        found = _own(folder)
        left = [name for name in found.pop(_MISSED, []) if name != tracker]
        _write(folder, {**found, _MISSED: left} if left else found)


def _own(folder: Path) -> dict[str, Any]:
    own: dict[str, Any] = _read(folder).get(_identity(folder), {})
    return own


def _write(folder: Path, own: dict[str, Any]) -> None:
    write_json(folder / TRACKING, {**_read(folder), _identity(folder): own})


def _read(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the notes on each training; notes without a training could be about any."""
    path = folder / TRACKING
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {key: value for key, value in found.items() if isinstance(value, dict) and _are_notes(value)}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError, AttributeError) as error:
        raise RecordError(
            f"{path} is damaged, so the names that trackers have for the run are lost: delete it, and python -m "
            f"reproml sync {folder} --to TRACKER sends everything as a new run"
        ) from error


def _are_notes(value: dict[str, Any]) -> bool:
    names = value.get(_MISSED, [])
    texts = [*(item for key, item in value.items() if key != _MISSED), *(names if isinstance(names, list) else [None])]
    return all(isinstance(item, str) for item in texts)


def _identity(folder: Path) -> str:
    return record.identity(record.read(folder))
