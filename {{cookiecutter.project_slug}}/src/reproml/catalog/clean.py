"""Which runs can be removed, by rule, and what must stay; and removing them."""

import os
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

from ..errors import ConfigError
from ..names import MODELS, RECORD
from ..runs import tracked
from ..runs.folder import OUTPUTS, RunFolder
from .entries import DAMAGED, INTERRUPTED, RUNNING, Entry

_AGE = re.compile(r"(\d{1,5})([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 7 * 24}
_OF_A_SWEEP = {"multirun.yaml", ".tracking.lock", "optimization_results.yaml"}  # which say nothing without its runs
_REMOVED = ".removed-"  # how the folder of a run is called while it is removed


@dataclass(frozen=True)
class Rule:
    """Which runs to remove: those of a kind, if one is named, and of these all but the newest, or the old ones.

    Args:
        keep_last: how many of the newest runs in outputs/ stay, of any kind; None: no such rule.
        older_than: only runs that began so long ago; None: of any age.
        failed: runs that were interrupted or that failed.
        debug: runs with debug=...
    """

    keep_last: int | None = None
    older_than: timedelta | None = None
    failed: bool = False
    debug: bool = False


@dataclass(frozen=True)
class Removal:
    """A run that would be removed.

    Args:
        run: what is known of it.
        size: of its files on the disk, in bytes.
        unsent: the trackers that lack something of it.
    """

    run: Entry
    size: int
    unsent: list[str]


def age(text: str) -> timedelta:
    """Return a duration that is written as `12h`, `30d` or `8w`.

    Raises:
        ConfigError: it is written in another way.
    """
    if not (found := _AGE.fullmatch(text)):
        raise ConfigError(f"--older-than {text} is not an age: write hours, days or weeks, as in 12h, 30d or 8w")
    return timedelta(hours=int(found[1]) * _HOURS[found[2]])


def chosen(runs: Sequence[Entry], rule: Rule) -> tuple[list[Removal], dict[str, str]]:
    """Return the runs that a rule removes, and those that it would remove but that have to stay, each with the reason.

    Never removed are the pipeline's run, one that a process works on, one that another run which stays was built on,
    trials, which belong to their study, and folders behind a link.

    Args:
        runs: all of them, trials too, the newest first.
        rule: which to remove.

    Raises:
        ConfigError: outputs/ is a link.
    """
    if OUTPUTS.is_symlink():
        raise ConfigError(
            f"{OUTPUTS} is a link to {OUTPUTS.resolve()}, and clean does not follow links: remove those runs there"
        )
    own = [each for each in runs if each.folder != MODELS and not each.is_trial]
    meant = [each for number, each in enumerate(own) if _is_meant(each, number, rule)]
    kept: dict[str, str] = {each.name: "a process is using it" for each in meant if each.status == RUNNING}
    going = {each.folder.resolve(): each for each in meant if each.name not in kept}
    staying = [each for each in runs if each.folder.resolve() not in going]
    while staying:  # what a run that stays was built on stays too, and what that was built on
        each = staying.pop()
        if each.restored and (parent := going.pop(Path(each.restored).resolve(), None)):
            kept[parent.name] = f"{each.name} was built on it"
            staying.append(parent)
    return [Removal(each, _size(each.folder), _unsent(each)) for each in going.values()], kept


def remove(run: Entry) -> bool:
    """Remove the folder of a run, and the folders around it that this leaves empty. False: a process is using it now.

    It gets another name first, so that a kill leaves it whole or as something that is not a run.
    """
    folder = run.folder
    aside = folder.with_name(f"{_REMOVED}{uuid4().hex[:8]}")
    try:
        with FileLock(RunFolder(folder).lock, timeout=0):
            folder.rename(aside)
    except Timeout:
        return False
    shutil.rmtree(aside)
    for place in folder.parents:
        if place == OUTPUTS or not place.is_relative_to(OUTPUTS):
            break
        with os.scandir(place) as found:  # up to the first run, of maybe thousands
            is_left_empty = all(each.name in _OF_A_SWEEP for each in found)
        if is_left_empty:
            shutil.rmtree(place)
    return True


def remove_left() -> None:
    """Remove what a killed `clean` has left."""
    for place, folders, files in os.walk(OUTPUTS):
        if RECORD in files:  # it stands beside runs, not in them
            folders.clear()
        for name in [name for name in folders if name.startswith(_REMOVED)]:
            folders.remove(name)
            if not Path(place, name).is_symlink():
                shutil.rmtree(Path(place, name), ignore_errors=True)


def readable(size: int) -> str:
    """Return a number of bytes as people read it, as in `3.4 GB`."""
    value = float(size)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def _is_meant(run: Entry, number: int, rule: Rule) -> bool:
    if rule.keep_last is not None and number < rule.keep_last:
        return False
    if rule.older_than is not None and not _is_older(run, rule.older_than):
        return False
    if not rule.failed and not rule.debug:
        return run.status != DAMAGED  # whatever that is, it is looked at by a person first
    return (rule.failed and run.status in (INTERRUPTED, RUNNING)) or (rule.debug and run.is_debug)


def _is_older(run: Entry, than: timedelta) -> bool:
    try:
        return datetime.now(UTC) - datetime.fromisoformat(run.started) > than
    except (ValueError, TypeError):  # nobody knows when it began
        return False


def _size(folder: Path) -> int:
    """Return what a folder takes on the disk: a file with several names counts once, and a link as itself."""
    seen: dict[tuple[int, int], int] = {}
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                found = os.lstat(os.path.join(place, name))  # noqa: PTH118 (thousands of files)
                seen[found.st_dev, found.st_ino] = found.st_blocks * 512
    return sum(seen.values())


def _unsent(run: Entry) -> list[str]:
    try:
        return tracked.missed(run.folder)
    except Exception:  # a damaged record, or notes: nothing can be said
        return []
