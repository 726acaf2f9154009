"""The test as a card shows it: numbers with their confidence intervals, and what is mistaken for what."""

import csv
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import CardError
from ..evaluation.intervals import Interval, f1_intervals, wilson


@dataclass(frozen=True)
class Score:
    """A number between 0 and 1 with its confidence interval.

    None stands for a number where there was nothing to measure, and for an interval that cannot be told.
    """

    value: float | None
    interval: Interval | None

    def __str__(self) -> str:
        if self.value is None:
            return "-"
        return f"{self.value:.4f}" + (f" ({self.interval[0]:.4f} to {self.interval[1]:.4f})" if self.interval else "")


@dataclass(frozen=True)
class ClassResult:
    """What the test says about one class."""

    name: str
    precision: Score
    recall: Score
    f1: Score
    examples: int


@dataclass(frozen=True)
class Results:
    """What the test says about the model."""

    examples: int
    loss: float
    accuracy: Score
    f1: Score
    per_class: list[ClassResult]
    mistakes: list[tuple[str, str, int]]  # actual, predicted, how often; the most frequent first


def read_results(folder: Path, classes: list[str], seed: int) -> Results:
    """Read the test that evaluate.py wrote, and compute the confidence intervals from its single predictions.

    Args:
        folder: with `predictions.csv` and `metrics.json`.
        classes: their names, in order.
        seed: of the bootstrap.

    Raises:
        CardError: the two files are not of the same test.
    """
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["actual"], row["predicted"]) for row in csv.DictReader(file)]
    number = {str(name): index for index, name in enumerate(classes)}
    actual = np.array([number[name] for name, _ in rows])
    predicted = np.array([number[name] for _, name in rows])
    correct = int((actual == predicted).sum())
    if len(rows) != metrics["examples"] or abs(correct / len(rows) - metrics["accuracy"]) > 1e-9:
        raise CardError(
            f"{folder}/predictions.csv and {folder}/metrics.json are of different tests: "
            f"write both anew with python evaluate.py run=models output={folder}"
        )
    macro, single = f1_intervals(actual, predicted, len(classes), seed)
    return Results(
        examples=len(rows),
        loss=metrics["loss"],
        accuracy=Score(correct / len(rows), wilson(correct, len(rows))),
        f1=Score(metrics["f1"], macro),
        per_class=[
            _of_class(name, actual == index, predicted == index, single[index]) for index, name in enumerate(classes)
        ],
        mistakes=_mistakes(rows),
    )


def _of_class(name: str, actual: np.ndarray, predicted: np.ndarray, f1: Interval | None) -> ClassResult:
    hits, examples, named = int((actual & predicted).sum()), int(actual.sum()), int(predicted.sum())
    f1_value = 2 * hits / (examples + named) if examples + named else None
    return ClassResult(name, _share(hits, named), _share(hits, examples), Score(f1_value, f1), examples)


def _share(part: int, whole: int) -> Score:
    return Score(part / whole if whole else None, wilson(part, whole))


def _mistakes(rows: list[tuple[str, str]]) -> list[tuple[str, str, int]]:
    counts = Counter(pair for pair in rows if pair[0] != pair[1])
    # equal counts in the order of their names, whatever the order of the examples
    return sorted(((*pair, count) for pair, count in counts.items()), key=lambda item: (-item[2], item[0], item[1]))
