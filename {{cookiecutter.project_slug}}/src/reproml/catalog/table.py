"""Runs as a table for a terminal, as JSON and as CSV."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from shutil import get_terminal_size
from typing import Any

from ..errors import unknown_key
from ..runs.tables import as_csv
from ..secrets import mask
from ..tables import GAP, aligned, number
from .entries import FINISHED, Entry


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Args:
        name: its heading, and what --sort calls it.
        text: what it shows of a run.
        key: by which runs are sorted; None where a run has no value.
        needed: 0 is always shown; of the others, those with the largest number give way where there is no room.
        right: whether it is aligned to the right, as numbers are.
    """

    name: str
    text: Callable[[Entry], str]
    key: Callable[[Entry], Any]
    needed: int = 0
    right: bool = False


def _setting(entry: Entry, key: str) -> Any:
    found: Any = entry.config
    for part in key.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _shown_result(entry: Entry) -> str:
    return "-" if entry.result is None else f"{entry.headline} {number(entry.result)}"


def _shown_commit(entry: Entry) -> str:
    """Return a short commit, with a `+` where files differed from it."""
    return entry.commit[:7] + "+" * entry.dirty if entry.commit else "-"


def _signed_result(entry: Entry) -> float | None:
    """Return the headline such that the best is first."""
    return None if entry.result is None else entry.result * (-1 if entry.higher_is_better else 1)


def duration(seconds: float) -> str:
    """Return seconds as minutes, or hours, as in `2:05`."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


COLUMNS = (
    Column("run", lambda each: each.name, lambda each: each.name),
    Column("started", lambda each: each.started[:16].replace("T", " "), lambda each: each.started or None, 5),
    Column("status", lambda each: each.status, lambda each: each.status),
    Column("time", lambda each: duration(each.seconds), lambda each: each.seconds, 4, right=True),
    Column("data", lambda each: each.data, lambda each: each.data, 2),
    Column("model", lambda each: each.model, lambda each: each.model, 3),
    Column("result", _shown_result, _signed_result),
    Column("commit", _shown_commit, lambda each: each.commit or None, 1),
    Column("verified", lambda each: each.verified, lambda each: each.verified),
    Column("settings", lambda each: " ".join(each.settings), lambda each: each.settings, 6),
)
SWEEP_COLUMNS = [column for column in COLUMNS if column.name in ("run", "status", "time", "result", "settings")]
_BY_TIME = "started"


def is_newest_first(key: str | None, reverse: bool) -> bool:
    """Whether an order, as `in_order` takes it, begins with the newest run."""
    return key in (None, _BY_TIME) and not reverse


def in_order(runs: Sequence[Entry], key: str | None, reverse: bool = False) -> tuple[list[Entry], list[Column]]:
    """Return runs in an order, and the columns that show it.

    Args:
        runs: to sort.
        key: a column, a metric of the test, or a setting such as `training.lr`; None: the newest first. Runs that lack
            it come last. The best headline is first, and so is the highest value of a metric of which higher is better.
        reverse: reverses the order, except for the runs that lack it.

    Raises:
        ConfigError: no run has such a metric or setting.
    """
    if key in (None, _BY_TIME):
        return sorted(runs, key=lambda each: each.started, reverse=not reverse), list(COLUMNS)
    own = next((column for column in COLUMNS if column.name == key), None)
    column = own or _of_a_value(runs, key)
    found = [(column.key(each), each) for each in runs]
    have = [pair for pair in found if pair[0] is not None]
    try:
        have.sort(key=lambda pair: pair[0], reverse=reverse)
    except TypeError:  # a setting with values of several types
        have.sort(key=lambda pair: str(pair[0]), reverse=reverse)
    ordered = [each for _, each in have] + [each for value, each in found if value is None]
    return ordered, list(COLUMNS) if own else [*COLUMNS[:-1], column, COLUMNS[-1]]


def _of_a_value(runs: Sequence[Entry], key: str) -> Column:
    """Return the column of a metric, or of a setting."""
    with_it = [each for each in runs if key in each.metrics]
    if with_it:
        sign = -1 if any(each.headline == key and each.higher_is_better for each in with_it) else 1
        return Column(
            key,
            lambda each: number(each.metrics.get(key)),
            lambda each: sign * each.metrics[key] if key in each.metrics else None,
            right=True,
        )
    if all(_setting(each, key) is None for each in runs):
        known = {name for each in runs for name in each.metrics}
        raise unknown_key(
            key, {*(column.name for column in COLUMNS), *known}, "a column, a metric or a setting of a run"
        )
    return Column(key, lambda each: _shown(_setting(each, key)), lambda each: _setting(each, key), right=True)


def as_text(runs: Sequence[Entry], columns: Sequence[Column], width: int | None = None) -> list[str]:
    """Return the lines of a table, at most as wide as the terminal: columns that matter less give way.

    Args:
        runs: its rows.
        columns: in their order. One in which all runs say the same nothing is left out.
        width: in characters; None: that of the terminal, and no limit where the output is not a terminal.
    """
    if width is None:
        width = get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    cells = {column.name: [column.name, *map(column.text, runs)] for column in columns}
    wide = {name: max(map(len, texts)) for name, texts in cells.items()}
    kept = [
        column
        for column in columns
        if not column.needed or any(text not in ("", "-") for text in cells[column.name][1:])
    ]
    while sum(wide[column.name] + len(GAP) for column in kept) - len(GAP) > width and any(one.needed for one in kept):
        kept.remove(max(kept, key=lambda column: column.needed))
    rows = [[cells[column.name][row] for column in kept] for row in range(len(runs) + 1)]
    return aligned(rows, {place for place, column in enumerate(kept) if column.right})


def print_table(runs: Sequence[Entry], columns: Sequence[Column]) -> None:
    """Print a table: on a terminal with a bold heading, unless NO_COLOR is set, and without secrets."""
    from rich.console import Console  # the recipes import this module, and print no table

    heading, *rows = as_text(runs, columns)
    console = Console(highlight=False, emoji=False, markup=False)
    console.print(mask(heading), style="bold", soft_wrap=True)
    print(mask("\n".join(rows)))


def as_json(runs: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return what is known of each run, in plain types."""
    return [
        {
            "run": str(each.folder),
            "status": each.status,
            "started": each.started or None,
            "seconds": each.seconds,
            "data": each.data,
            "model": each.model,
            "headline": each.headline if each.status == FINISHED else None,
            "metrics": each.metrics,
            "commit": each.commit or None,
            "dirty": each.dirty,
            "verified": each.verified,
            "settings": list(each.settings),
            "restored": each.restored,
        }
        for each in runs
    ]


def as_table(runs: Sequence[Entry]) -> str:
    """Return the same as CSV, with a column for each metric."""
    rows = []
    for each in as_json(runs):
        metrics = each.pop("metrics")
        rows.append(
            {**each, "settings": " ".join(each["settings"]), **{f"test/{name}": metrics[name] for name in metrics}}
        )
    return as_csv(rows)
