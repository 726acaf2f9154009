"""The comparisons with the baseline so far: a table, and a picture of it."""

from pathlib import Path
from typing import Any

from ..files import write_bytes, write_text
from ..runs.tables import as_csv, read_rows

SAME, WITHIN, DRIFTED = "same bits", "within tolerance", "drifted"
_MARKERS = {SAME: "o", WITHIN: "s", DRIFTED: "X"}
_WORDS = ("date", "commit", "verdict", "weights_sha256")  # columns that are not metrics
_DATES = 12  # at most so many on the axis


def add(table: Path, row: dict[str, Any]) -> None:
    """Add a row to a CSV file. A column that the file lacks is added, and is empty in the rows before."""
    write_text(table, as_csv([*read(table), row]))


def draw(table: Path, metric: str, picture: Path) -> None:
    """Draw a metric over the comparisons; the shape of a point says how it compared.

    Args:
        table: the CSV file.
        metric: its column. Rows without it, as from before the task was another one, are left out.
        picture: where the PNG goes.
    """
    from matplotlib.figure import Figure  # not pyplot: no display, no global state

    from ..evaluation.figures import as_png

    rows = [row for row in read(table) if row.get(metric)]
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.plot([float(row[metric]) for row in rows], color="lightgray", zorder=0)
    for verdict, marker in _MARKERS.items():
        points = [(number, float(row[metric])) for number, row in enumerate(rows) if row["verdict"] == verdict]
        if points:
            axes.scatter(*zip(*points, strict=True), marker=marker, label=verdict)
    every = len(rows) // _DATES + 1  # so that dates do not overlap
    axes.set_xticks(range(0, len(rows), every), [row["date"][:10] for row in rows][::every], rotation=45, ha="right")
    axes.set_title(f"{metric} of the canonical training")
    axes.grid(alpha=0.3)
    axes.legend()
    write_bytes(picture, as_png(figure))


def read(table: Path) -> list[dict[str, str]]:
    """Return the comparisons so far.

    Raises:
        DataError: the file is damaged.
    """
    fix = f"git checkout {table}, or delete it to start a new one"
    return read_rows(table, fix, words=_WORDS) if table.exists() else []
