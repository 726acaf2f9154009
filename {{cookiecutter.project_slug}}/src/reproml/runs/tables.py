"""CSV tables that a run or the project has: read with a check, since a crash, a disk or a person can damage them."""

import csv
from collections.abc import Collection
from pathlib import Path

from ..errors import DataError


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
                raise ValueError(f"line {rows.index(row) + 2} has not as many values as there are columns")
            for name in row:
                if name in numbers or (words is not None and row[name] and name not in words):
                    float(row[name])
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path} is missing or damaged ({error}): {fix}") from error
    return rows
