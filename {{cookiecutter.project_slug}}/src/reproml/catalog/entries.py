"""What a list of runs says of each, read from its small files alone: record, headline and verification."""

import json
import math
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from heapq import heappush, heappushpop
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..errors import RecordError
from ..names import EVALUATION, MODELS, RECORD, REPORTS_OF_PIPELINE, TEST, VERIFICATION
from ..runs.folder import OUTPUTS, RunFolder, last_written_first, run_folders
from ..runs.record import identity

FINISHED, RUNNING, INTERRUPTED, DAMAGED = "finished", "running", "interrupted", "damaged"


@dataclass(frozen=True)
class Entry:
    """A run, as a list shows it.

    Args:
        folder: of the run.
        status: `finished`, `running` (a process is using it), `interrupted`, or `damaged` (its record cannot be read).
        started: when its training began, in UTC, as ISO 8601.
        seconds: of all its sessions that have ended.
        data: the name of its data.
        model: what was trained: the class of the network, or of a task of the user's own.
        headline: the metric by which its test is compared, where there is one.
        higher_is_better: whether a higher headline is.
        metrics: of its test.
        commit: of its code; empty where git knew none.
        dirty: whether files differed from it.
        verified: `yes`, `no` (not tried), or `differs`.
        settings: what its command changed, as in `training.lr=0.01`.
        restored: the folder of the run that it was built on.
        config: its configuration, by group.
    """

    folder: Path
    status: str
    started: str = ""
    seconds: float = 0.0
    data: str = ""
    model: str = ""
    headline: str | None = None
    higher_is_better: bool = True
    metrics: dict[str, float] = field(default_factory=dict)
    commit: str = ""
    dirty: bool = False
    verified: str = "no"
    settings: tuple[str, ...] = ()
    restored: str | None = None
    config: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """How it is called in a list: its folder in outputs/, or its path."""
        return short(self.folder)

    @property
    def is_trial(self) -> bool:
        """Whether a study of `tune` made it."""
        return is_trial(self.folder)

    @property
    def is_debug(self) -> bool:
        """Whether it was run to try the code, with debug=..."""
        return any(setting.partition("=")[0].lstrip("+") == "debug" for setting in self.settings)

    @property
    def result(self) -> float | None:
        """The headline of its test, where it is finished and has one."""
        return self.metrics.get(self.headline) if self.headline and self.status == FINISHED else None


def short(folder: Path) -> str:
    """Return the name of a run in a list: its folder in outputs/, or its path."""
    return str(folder.relative_to(OUTPUTS) if folder.is_relative_to(OUTPUTS) else folder)


def is_trial(folder: Path) -> bool:
    """Whether a folder is that of a trial, in the folder of a study of `tune`."""
    return folder.parent.name == "trials" and (folder.parent.parent / "journal.log").exists()


def entries(trials: bool = False) -> list[Entry]:
    """Return the runs in outputs/ and the pipeline's, the one that began last first.

    Args:
        trials: whether those of studies are listed, too.
    """
    return _read_all(_listed(trials))


def newest_entries(most: int, trials: bool = False) -> tuple[list[Entry], int]:
    """Return the first of `entries`, and how many there are. The records of the others are not read.

    Args:
        most: how many.
        trials: whether those of studies are listed, too.
    """
    folders = _listed(trials)
    return _read_all(folders if len(folders) <= most else begun_last(folders, most)), len(folders)


def begun_last(folders: Iterable[Path], most: int) -> list[Path]:
    """Return the runs whose trainings began last, the last first, no more than `most`."""
    found: list[tuple[str, str, Path]] = []  # a heap: the first of them began before the others
    for written, folder in last_written_first(folders):
        # a record is written after the training began, so what was written before those began, began before them
        if len(found) == most and written < _seconds(found[0][0]) - 1:
            break
        each = (began(folder), short(folder), folder)
        if len(found) < most:
            heappush(found, each)
        else:
            heappushpop(found, each)
    return [folder for _, _, folder in sorted(found, reverse=True)]


def _listed(trials: bool) -> list[Path]:
    folders = [*run_folders(), *run_folders(MODELS)]
    return folders if trials else [folder for folder in folders if not is_trial(folder)]


def _read_all(folders: Iterable[Path]) -> list[Entry]:
    return sorted(map(read_entry, folders), key=lambda each: (each.started, each.name), reverse=True)


def _seconds(when: str) -> float:
    """Return a time in a record, which anybody may have written; one that is none was before all others."""
    try:
        return datetime.fromisoformat(when).timestamp()
    except (ValueError, OverflowError):
        return -math.inf


def read_entry(folder: Path) -> Entry:
    """Return what a list says of a run. A record that makes no sense gives an entry that says so."""
    try:
        record = _read(folder / RECORD)
        config, git = record["config"], record["git"]
        sessions = record["sessions"]
        return Entry(
            folder=folder,
            status=FINISHED if record["status"] == FINISHED else _unfinished(folder),
            started=_plain(_began(sessions)),
            seconds=sum(float(session["seconds"] or 0) for session in sessions),
            data=_plain(record["data"]["name"]),
            model=_plain((config.get("model") or config["task"])["_target_"].rpartition(".")[2]),
            **_test(folder),
            metrics={_plain(name): float(value) for name, value in (record["metrics"] or {}).items()},
            commit=_plain(git["commit"]) if git else "",
            dirty=bool(git and git["dirty"]),
            verified=_verified(folder, record),
            settings=tuple(map(_plain, record["command"]["overrides"])),
            restored=record["restored"] and str(record["restored"]["run"]),
            config=config,
        )
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return Entry(folder, DAMAGED, began(folder))


def began(folder: Path) -> str:
    """Return when the training of a run began; empty: its record cannot be read."""
    try:
        return _plain(_began(_read(folder / RECORD)["sessions"]))
    except (OSError, ValueError, KeyError, IndexError, TypeError, RecursionError):
        return ""


def is_held(folder: Path) -> bool:
    """Whether a process works on a run."""
    if not RunFolder(folder).lock.exists():
        return False
    try:
        with FileLock(RunFolder(folder).lock, timeout=0):
            return False
    except (Timeout, OSError):
        return True


def _unfinished(folder: Path) -> str:
    return RUNNING if is_held(folder) else INTERRUPTED


def _began(sessions: list[dict[str, Any]]) -> str:
    return str([each["started"] for each in sessions if not each["from_batch"]][-1])


def _test(folder: Path) -> dict[str, Any]:
    """Return the headline of a run's test, and whether higher is better; nothing where its test is not here."""
    places = [folder / TEST, *([REPORTS_OF_PIPELINE] if folder == MODELS else [])]
    for place in places:
        with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            written = _read(place / EVALUATION)
            if isinstance(written["headline"], str):
                return {"headline": _plain(written["headline"]), "higher_is_better": bool(written["higher_is_better"])}
    return {}


def _verified(folder: Path, record: dict[str, Any]) -> str:
    """Return what the last verification of this very run said."""
    if not (folder / VERIFICATION).exists():
        return "no"
    with suppress(OSError, ValueError, KeyError, TypeError, RecursionError, RecordError):
        found = _read(folder / VERIFICATION)
        same = found["weights_sha256"] == record["weights_sha256"]
        if same and found.get("run", identity(record)) == identity(record):
            return {0: "yes", 1: "differs"}.get(found["code"], "no")
    return "no"


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def _plain(text: object) -> str:
    """Return a text of a record, which anybody may have written, without what moves a cursor."""
    found = str(text)
    return found if found.isprintable() else "".join(each if each.isprintable() else "?" for each in found)
