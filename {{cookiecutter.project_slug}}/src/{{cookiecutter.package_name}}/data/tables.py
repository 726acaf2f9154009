"""Tables of text, as CSV files have them: columns of numbers, some missing, and columns of categories."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from reproml import DataError, open_raw

MISSING = ("", "NA", "N/A", "NaN", "nan", "?")  # texts that stand for a missing value


def read_columns(path: Path, names: Sequence[str] | None = None, delimiter: str = ",") -> dict[str, list[str]]:
    """Return the columns of a table by their names, as text.

    Args:
        path: of the file, compressed or not.
        names: of the columns, where the first line does not hold them.
        delimiter: between the values of a line.

    Raises:
        DataError: a line has another number of values.
    """
    with io.TextIOWrapper(open_raw(path), "utf-8", newline="") as stream:  # type: ignore[arg-type]
        lines = [line for line in csv.reader(stream, delimiter=delimiter) if line]
    header = [name.strip() for name in (lines.pop(0) if names is None else names)]
    for number, line in enumerate(lines, 1):
        if len(line) != len(header):
            raise DataError(f"{path} has {len(line)} values in row {number}, not {len(header)}: correct that row")
    return {name: [line[place].strip() for line in lines] for place, name in enumerate(header)}


def numbers(column: Sequence[str], name: str) -> np.ndarray:
    """Return a column as numbers (n, 1), NaN where one is missing.

    Raises:
        DataError: a value is not a number.
    """
    try:
        return np.array([[np.nan if value in MISSING else float(value)] for value in column])
    except ValueError as error:
        raise DataError(f"the column {name} holds no numbers ({error}): read it with one_hot") from error


def one_hot(column: Sequence[str], categories: Sequence[str], name: str) -> np.ndarray:
    """Return a column of 0 and 1 for each category (n, categories); 0 in all of them where the value is missing.

    Raises:
        DataError: a value is not one of the categories.
    """
    if unknown := sorted(set(column) - set(categories) - set(MISSING)):
        raise DataError(f"the column {name} holds {unknown[0]!r}, which is not in {list(categories)}: add it")
    return np.array([[float(value == category) for category in categories] for value in column])
