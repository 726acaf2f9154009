"""What metrics.csv measures, to draw it."""

import re
from collections.abc import Iterable, Sequence
from math import isfinite

_OF_A_SPLIT = re.compile(r"(train|validation|valid|val)[/_](.+)")
_NO_METRIC = ("epoch", "step", "lr")
_FLATTENED = 10  # a curve that falls to this part of its start shows nothing of its end on a plain axis


def measures(columns: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return what the columns of metrics.csv measure, each with its columns by what their curves are called.

    `train/loss` and `val_loss` are two curves of one picture; a metric without such a beginning has one of its own.
    """
    found: dict[str, dict[str, str]] = {}
    for column in columns:
        if parts := _OF_A_SPLIT.fullmatch(column):
            found.setdefault(parts[2], {})["train" if parts[1] == "train" else "validation"] = column
        elif column.partition("/")[0] not in _NO_METRIC:
            found.setdefault(column, {})[column] = column
    return found


def points(history: Iterable[dict[str, str]], column: str) -> list[tuple[float, float]]:
    """Return the finite values of a column of metrics.csv, with their epochs counted from 0."""
    found = [(float(row["epoch"]), float(row[column])) for row in history if row.get(column)]
    return [point for point in found if isfinite(point[1])]


def flattens(curves: Iterable[Sequence[float]]) -> bool:
    """Whether curves of positive values fall so far that only a logarithmic axis shows their ends."""
    found = [curve for curve in curves if curve]
    if not found or min(min(curve) for curve in found) <= 0:
        return False
    return any(curve[0] >= _FLATTENED * curve[-1] for curve in found)
