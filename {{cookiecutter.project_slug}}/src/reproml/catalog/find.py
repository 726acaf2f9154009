"""Short names of runs, for every command that asks for one: `last`, `best`, or how the name of its folder begins."""

import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..errors import ConfigError
from ..launch import in_job_step, launcher, rank, started_by_lightning
from ..names import RECORD
from ..runs.command import quoted
from ..runs.folder import last_written_first, refuse_long, run_folders
from .entries import Entry, began, begun_last, entries, is_trial, short

LAST, BEST = "last", "best"
RUN_KEYS = ("resume", "restore.run", "run")  # of the configuration, whose value is a run
_SHORT_NAME = re.compile(r"[\w.:-][\w.:/-]*")  # what Hydra's grammar gives another meaning is not a name of a run
_SHOWN = 4  # candidates in a sentence


def find_run(text: str) -> Path:
    """Return the folder of the run that a text names. A folder that is there is taken as it is.

    Args:
        text: `last`, the run that began last; `best`, the one with the best headline metric of its test; a folder; or
            the beginning of its name, date, time or id, as in `12-00`, `2026-01-31/12` and `1a2b3c`.

    Raises:
        ConfigError: no run has that name, no run can have it, or several have.
    """
    refuse_long(text)
    if text in (LAST, BEST) and not Path(text, RECORD).exists():
        if launcher() or in_job_step():
            raise ConfigError(
                f"{text} can be another run for each process of a job, and when the job starts again: name the folder"
            )
        folder, why = _last() if text == LAST else _best()
    elif not _SHORT_NAME.fullmatch(text) or _is_there(text):
        return Path(text)
    else:
        folder, why = _beginning_with(text), ""
    if folder != Path(text) and not rank() and not started_by_lightning():
        print(f"{text} is {folder}{why}", file=sys.stderr)
    return folder


def with_named_runs(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a command, with the folder instead of each short name of a run, in Hydra's grammar.

    Raises:
        ConfigError: as in `find_run`.
    """
    return [_with_folder(argument) for argument in arguments]


def _with_folder(argument: str) -> str:
    key, equals, value = argument.partition("=")
    if not equals or key.lstrip("+") not in RUN_KEYS or value in ("", "null", "auto"):
        return argument
    if _is_there(value):
        return f"{key}={quoted(value)}"  # whatever its name means to Hydra
    if not _SHORT_NAME.fullmatch(value):
        return argument
    return f"{key}={quoted(find_run(value))}"


def _is_there(folder: str) -> bool:
    with suppress(OSError):  # no name that the system takes
        return Path(folder).exists()
    return False


def _last() -> tuple[Path, str]:
    """Return the run that began last. Trials of a search are not runs that anybody has started by hand."""
    newest = begun_last((folder for folder in run_folders() if not is_trial(folder)), 1)
    if not newest or not began(newest[0]):  # its record cannot be read
        raise ConfigError(f"{LAST} names no run, because outputs/ has none yet: python train.py makes one")
    return newest[0], ""


def _best() -> tuple[Path, str]:
    """Return the run with the best headline; debug runs and trials do not count.

    Raises:
        ConfigError: no run has one, or the runs are of different data or have different headlines.
    """
    groups: dict[tuple[str, str], list[Entry]] = {}
    for each in entries():
        if each.result is not None and not each.is_debug:
            groups.setdefault((each.data, str(each.headline)), []).append(each)
    if not groups:
        raise ConfigError(f"{BEST} names no run, because no run in outputs/ has finished with a headline metric yet")
    winners = {group: best_of(runs) for group, runs in groups.items()}
    if len(winners) > 1:
        shown = "; ".join(f"{each.folder} ({data}: {_result(each)})" for (data, _), each in winners.items())
        raise ConfigError(f"{BEST} compares only runs of the same data and headline metric: name one of {shown}")
    [[(data, headline), winner]] = winners.items()
    of = len(groups[data, headline])
    return winner.folder, f": {_result(winner)}, the best of {of} finished run{'s' * (of > 1)} of data={data}"


def best_of(runs: Sequence[Entry]) -> Entry:
    """Return the run with the best headline, of runs that have the same one."""
    return max(runs, key=lambda each: (each.result or 0) * (1 if each.higher_is_better else -1))


def _result(entry: Entry) -> str:
    return f"{entry.headline} {entry.result:.4f}"


def _beginning_with(text: str) -> Path:
    folders = list(run_folders())
    names = {folder: _names(folder) for folder in folders}
    exact = [folder for folder in folders if text in names[folder]]
    matches = exact or [folder for folder in folders if any(name.startswith(text) for name in names[folder])]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise ConfigError(f"{text} names {len(matches)} runs, {_listed(matches)}: give more of the name")
    if "/" in text or not folders:
        return Path(text)  # the command itself says what is wrong with that folder
    raise ConfigError(
        f"{text} names no run: give last, best, models, a folder, or the beginning of its name (the newest: "
        f"{_listed([folder for _, folder in last_written_first(folders)])})"
    )


def _names(folder: Path) -> set[str]:
    """Return what can be used to name a run: its path in outputs/ from any folder on, and the id in its name."""
    parts = Path(short(folder)).parts
    tails = {"/".join(parts[start:]) for start in range(len(parts))}
    return {str(folder), *tails, *(tail.rpartition("-")[2] for tail in tails if "-" in tail)}


def _listed(folders: Sequence[Path]) -> str:
    shown = ", ".join(short(folder) for folder in folders[:_SHOWN])
    return f"{shown} and {len(folders) - _SHOWN} more" if len(folders) > _SHOWN else shown
