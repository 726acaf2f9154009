"""`tracking.json` in a run folder: how each tracker calls the run, and which trackers have missed something of it."""

import json
from pathlib import Path
from threading import Lock
from typing import Any

from ..files import write_json

FILE = "tracking.json"
_MISSED = "missed"
_lock = Lock()  # each tracker has a thread


def read(folder: Path) -> dict[str, str]:
    """Return the trackers' names of the run, by tracker."""
    return {name: run for name, run in _read(folder).items() if name != _MISSED}


def missed(folder: Path) -> list[str]:
    """Return the trackers that have missed something."""
    return _read(folder).get(_MISSED, [])


def note(folder: Path, tracker: str, run: str) -> None:
    """Note how a tracker calls the run."""
    with _lock:
        write_json(folder / FILE, {**_read(folder), tracker: run})


def note_missed(folder: Path, tracker: str) -> None:
    """Note that a tracker has missed something."""
    with _lock:
        write_json(folder / FILE, {**_read(folder), _MISSED: sorted({*missed(folder), tracker})})


def note_sent(folder: Path, tracker: str) -> None:
    """Note that a tracker has everything."""
    if tracker not in missed(folder):
        return
    with _lock:
        found = _read(folder)
        left = [name for name in found.pop(_MISSED, []) if name != tracker]
        write_json(folder / FILE, {**found, _MISSED: left} if left else found)


def _read(folder: Path) -> dict[str, Any]:
    path = folder / FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
