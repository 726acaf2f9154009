"""CSV tables of a run or the project, and figures, read with a check: a crash, a disk or a person can damage them."""

import csv
import io
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..files import file_digest
from ..names import EVALUATION
from ..tables import is_end


def read_rows(
    path: Path, fix: str, words: Collection[str] | None = (), numbers: Collection[str] = ()
) -> list[dict[str, str]]:
    """Return the rows of a table. All columns but those of `words` hold a number, or nothing, in each row.

    Args:
        path: of the file.
        fix: what brings a damaged one back.
        words: columns that it must have, with any text in them; None: any column may hold any text.
        numbers: columns that it must have, with a number in each row.

    Raises:
        DataError: it is missing or damaged.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            rows = list(reader)
        if missing := [name for name in (*(words or ()), *numbers) if name not in (reader.fieldnames or ())]:
            raise ValueError(f"it has no column {missing[0]}")
        for row in rows:
            if None in row or None in row.values():
                raise ValueError(f"line {rows.index(row) + 2} has fewer or more values than there are columns")
            for name in row:
                if name in numbers or (words is not None and row[name] and name not in words):
                    float(row[name])
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path} is missing or damaged ({error}): {fix}") from error
    return rows


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a table as text. A column that some rows lack is empty there; columns are in the order of appearance."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def table_digests(place: Path) -> dict[str, str]:
    """Return the SHA-256 of the tables in the folder of a test, by their place in it."""
    return _digests(place, "*.csv")


def figure_digests(place: Path) -> dict[str, str]:
    """Return the SHA-256 of the figures in the folder of a test, by their place in it."""
    return _digests(place, "*.png")


def _digests(place: Path, names: str) -> dict[str, str]:
    return {path.relative_to(place).as_posix(): file_digest(path) for path in sorted(place.rglob(names))}


def altered_table(place: Path, record: dict[str, Any]) -> str | None:
    """Return the first table in a folder that is not the one in the record.

    Those with confidence intervals are passed over: evaluate.py computes them, and the record has those without.
    """
    recorded = record["tables"] or {}
    there = (name for name in recorded if (place / name).exists() and not _has_intervals(place / name))
    return next((name for name in there if file_digest(place / name) != recorded[name]), None)


def altered_figure(place: Path, record: dict[str, Any]) -> str | None:
    """Return the first figure in a folder that is not the one in the record.

    Those beside metrics with intervals are passed over: evaluate.py has drawn them, maybe with another matplotlib.
    """
    try:
        found = json.loads((place / EVALUATION).read_text(encoding="utf-8"))
        if any(metric["interval"] for metric in found["metrics"].values()):
            return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None  # the reader of that file reports it
    recorded = record["figures"] or {}
    there = (name for name in recorded if (place / name).exists())
    return next((name for name in there if file_digest(place / name) != recorded[name]), None)


def _has_intervals(table: Path) -> bool:
    with table.open(encoding="utf-8", errors="replace", newline="") as stream:
        columns = next(csv.reader(stream), [])
    return any(is_end(name, columns) for name in columns)
