"""`tracking.json` in a run folder: the run's name in each tracker, and which trackers have missed something of it.

Git and DVC can bring another training back into `models/` without touching this file. So it has an entry for the
identity of each training, and no other training changes that entry.
"""

import json
from pathlib import Path
from threading import Lock
from typing import Any

from ..files import write_json
from ..runs import record

FILE = "tracking.json"
_MISSED = "missed"
_lock = Lock()  # each tracker has a thread


def read(folder: Path) -> dict[str, str]:
    """Return the trackers' names of the run, by tracker."""
    return {name: run for name, run in _own(folder).items() if name != _MISSED}


def missed(folder: Path) -> list[str]:
    """Return the trackers that have missed something."""
    return _own(folder).get(_MISSED, [])


def note(folder: Path, tracker: str, run: str) -> None:
    """Note how a tracker calls the run."""
    with _lock:
        _write(folder, {**_own(folder), tracker: run})


def note_missed(folder: Path, tracker: str) -> None:
    """Note that a tracker has missed something."""
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
    write_json(folder / FILE, {**_read(folder), _identity(folder): own})


def _read(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the notes on each training; notes without a training could be about any."""
    path = folder / FILE
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {key: value for key, value in found.items() if isinstance(value, dict)}


def _identity(folder: Path) -> str:
    return record.identity(record.read(folder))
