"""The figures of a test, and those that other rooms draw."""

import csv
import io
from collections.abc import Sequence
from math import ceil
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure  # not pyplot: no display, no global state
from matplotlib.ticker import MaxNLocator

from .history import flattens, measures, points

_PER_ROW = 3  # pictures beside each other


def confusion_figure(counts: np.ndarray, classes: Sequence[str]) -> Figure:
    """Draw a confusion matrix (classes, classes): rows are the true classes, the shade is the share of the row."""
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    size = 2.5 + 0.5 * len(classes)
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("actual class")
    axes.set_title("Test examples by class")
    for (row, column), count in np.ndenumerate(counts):
        axes.text(
            column, row, str(count), ha="center", va="center", color="white" if shares[row, column] > 0.5 else "black"
        )
    return figure


def against_figure(predicted: np.ndarray, actual: np.ndarray, title: str) -> Figure:
    """Draw the predictions (n,) of a quantity over what was measured (n,). On the line both are equal."""
    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    axes = figure.subplots()
    extent = [min(predicted.min(), actual.min()), max(predicted.max(), actual.max())]
    axes.plot(extent, extent, color="lightgray", zorder=0)
    axes.scatter(actual, predicted, s=8, alpha=0.5)
    axes.set_xlabel(f"actual {title}")
    axes.set_ylabel(f"predicted {title}")
    axes.set_title("Predicted against actual")
    axes.grid(alpha=0.3)
    return figure


def residuals_figure(predicted: np.ndarray, actual: np.ndarray, title: str) -> Figure:
    """Draw the errors (n,), predicted minus actual, over the predictions, and how often each occurs."""
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    over, often = figure.subplots(1, 2, sharey=True, width_ratios=(2, 1))
    errors = predicted - actual
    over.axhline(0, color="lightgray", zorder=0)
    over.scatter(predicted, errors, s=8, alpha=0.5)
    over.set_xlabel(f"predicted {title}")
    over.set_ylabel(f"error of {title}")
    often.hist(errors, bins=20, orientation="horizontal")
    often.set_xlabel("examples")
    over.set_title("Errors, predicted minus actual")
    often.set_title("How often")
    for axes in (over, often):
        axes.grid(alpha=0.3)
    return figure


def learning_curves(history: Path) -> Figure | None:
    """Draw each metric that training or validation have logged over the epochs, which count from 0 as in metrics.csv.

    Args:
        history: the `metrics.csv` of a training.
    """
    with history.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    shown: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for metric, columns in measures(rows[0] if rows else ()).items():
        for split, column in columns.items():
            if curve := points(rows, column):
                shown.setdefault(metric, {})[split] = curve
    if not shown:
        return None
    across = min(len(shown), _PER_ROW)
    down = ceil(len(shown) / across)
    figure = Figure(figsize=(4.5 * across, 3.5 * down), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False).flat
    for metric, axes in zip(sorted(shown, key=lambda name: name != "loss"), grid, strict=False):
        for split, curve in shown[metric].items():
            axes.plot(*zip(*curve, strict=True), marker=".", label=split)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if flattens([[value for _, value in curve] for curve in shown[metric].values()]):
            axes.set_yscale("log")
        axes.set_title(metric)
        axes.set_ylabel(metric)
        axes.grid(alpha=0.3)
        axes.legend()
    for axes in grid:  # what is left of the last row
        axes.remove()
    return figure


def as_png(figure: Figure) -> bytes:
    """Return a figure as PNG, the same bytes each time."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=150, metadata={"Software": None})
    return picture.getvalue()
