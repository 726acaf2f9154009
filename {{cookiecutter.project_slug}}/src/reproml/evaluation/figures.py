"""Pictures of the results."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure  # not pyplot: no display, no global state
from matplotlib.ticker import MaxNLocator

from ..files import write_bytes


def plot_confusion_matrix(matrix: Sequence[Sequence[int]], classes: Sequence[str], path: Path) -> None:
    """Draw a confusion matrix: rows are the true classes, the shade is the share of the row."""
    counts = np.asarray(matrix)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    size = 2.5 + 0.5 * len(classes)
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("actual")
    for (row, column), count in np.ndenumerate(counts):
        axes.text(
            column, row, str(count), ha="center", va="center", color="white" if shares[row, column] > 0.5 else "black"
        )
    _save(figure, path)


def plot_learning_curves(history: Path, path: Path) -> None:
    """Draw loss and accuracy over the epochs, for training and validation. Epochs count from 0, as in metrics.csv."""
    with history.open() as stream:
        rows = list(csv.DictReader(stream))
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    for axes, metric in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for split in ("train", "validation"):
            points = [
                (int(row["epoch"]), float(row[f"{split}/{metric}"])) for row in rows if row.get(f"{split}/{metric}")
            ]
            if points:
                axes.plot(*zip(*points, strict=True), marker=".", label=split)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_title(metric)
        axes.grid(alpha=0.3)
        axes.legend()
    _save(figure, path)


def plot_drift(history: Path, path: Path) -> None:
    """Draw the accuracy of the canonical training over time; the shape of a point says how it compared."""
    with history.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.plot([float(row["accuracy"]) for row in rows], color="lightgray", zorder=0)
    for verdict, marker in (("same bits", "o"), ("within tolerance", "s"), ("drifted", "X")):
        points = [(number, float(row["accuracy"])) for number, row in enumerate(rows) if row["verdict"] == verdict]
        if points:
            axes.scatter(*zip(*points, strict=True), marker=marker, label=verdict)
    every = len(rows) // 12 + 1  # so that dates do not overlap
    axes.set_xticks(range(0, len(rows), every), [row["date"][:10] for row in rows][::every], rotation=45, ha="right")
    axes.set_title("accuracy of the canonical training")
    axes.grid(alpha=0.3)
    axes.legend()
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=150, metadata={"Software": None})  # the same bytes each time
    write_bytes(path, picture.getvalue())
