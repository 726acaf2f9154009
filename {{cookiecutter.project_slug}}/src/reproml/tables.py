"""Results as people read them: numbers of four digits, and each beside its interval."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

_LOW, _HIGH = "_low", "_high"  # ends of the names of columns: of the interval of the column without them
_SHORT = 6  # characters; no digits of a number are left out before
_NOTHING = "-"
GAP = "  "  # between columns
_DECIMALS = ((10, 4), (100, 2), (1000, 1))  # below this size -> so many


@dataclass(frozen=True)
class Cell:
    """A text of a table, with the interval of the number that it is, where it has one."""

    text: str
    interval: str = ""

    def __str__(self) -> str:
        return f"{self.text} ({self.interval})" if self.interval else self.text


@dataclass(frozen=True)
class TextTable:
    """A table as its file has it.

    Args:
        name: what its file is called.
        title: what it shows.
        columns: their names; the first one names the row.
        rows: a text for each column.
    """

    name: str
    title: str
    columns: list[str]
    rows: list[list[str]]

    @classmethod
    def of(cls, name: str, title: str, rows: Sequence[Mapping[str, str]]) -> "TextTable":
        """Return the table of some rows, by column, all with the same columns."""
        return cls(name, title, list(rows[0]), [list(row.values()) for row in rows])

    @property
    def square(self) -> bool:
        """Whether it counts pairs: a row and a column for each name, and whole numbers in them."""
        names = [row[0] for row in self.rows]
        return names == self.columns[1:] and all(text.isdecimal() for row in self.rows for text in row[1:])

    @property
    def shares(self) -> list[list[float]]:
        """What each number of a square table is of the sum of its row."""
        counts = [[int(text) for text in row[1:]] for row in self.rows]
        return [[count / max(sum(row), 1) for count in row] for row in counts]

    @property
    def header(self) -> list[str]:
        """The names of the columns that a reader sees: those of an interval stand in the column that it is of."""
        return [name for name in self.columns if not is_end(name, self.columns)]

    @property
    def numeric(self) -> list[bool]:
        """Whether each column that a reader sees holds numbers; the first names the row, also by a number."""
        places = [self.columns.index(name) for name in self.header]
        return [place > 0 and all(_is_number(row[place]) for row in self.rows) for place in places]

    def cells(self, most: int) -> list[list[Cell]]:
        """Return at most so many rows, for the columns that a reader sees."""
        return [[self._cell(row, name) for name in self.header] for row in self.rows[:most]]

    def _cell(self, row: list[str], name: str) -> Cell:
        place = self.columns.index(name)
        ends = [row[self.columns.index(name + end)] for end in (_LOW, _HIGH) if name + end in self.columns]
        interval = " to ".join(map(number, ends)) if len(ends) == 2 and all(ends) else ""
        named = not place and len(row[0]) <= _SHORT  # a name that looks like a number stays as it is
        return Cell(row[0] if named else number(row[place]), interval)


def aligned(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Return the lines of a table, its columns under each other.

    Args:
        rows: texts, one for each column; the first row is the heading.
        right: the places of the columns that are aligned to the right, as numbers are.
    """
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        GAP.join(
            text.rjust(width) if place in right else text.ljust(width)
            for place, (text, width) in enumerate(zip(row, wide, strict=True))
        ).rstrip()
        for row in rows
    ]


def is_end(name: str, columns: Collection[str]) -> bool:
    """Whether a column holds an end of the interval of another one."""
    stem = name.removesuffix(_LOW).removesuffix(_HIGH)
    return stem != name and {stem, stem + _LOW, stem + _HIGH} <= set(columns)


def with_interval(value: float, interval: Sequence[float] | None) -> Cell:
    """Return a number for a reader, with its interval where there is one."""
    return Cell(number(value), " to ".join(map(number, interval)) if interval else "")


def number(value: object) -> str:
    """Return a number for a reader: a whole one as it is, another with four digits; any other value as text."""
    text = str(value)
    if text in ("", "None"):
        return _NOTHING
    if text.lstrip("+-").isdecimal() or not _is_number(text) or not isfinite(float(text)):
        return text
    found = float(text)
    if 0 < abs(found) < 0.001:
        return f"{found:.4g}"
    return f"{found:.{next((places for limit, places in _DECIMALS if abs(found) < limit), 0)}f}"


def in_order(names: Iterable[str], first: str | None) -> list[str]:
    """Return names with one of them put first, where it is among them."""
    return sorted(names, key=lambda name: name != first)


def _is_number(text: str) -> bool:
    try:
        float(text or "0")
    except ValueError:
        return False
    return True
