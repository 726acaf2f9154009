"""The evaluation of a model that distinguishes classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support
from torch.nn import functional as F

from .evaluation import Evaluation, Interval, Intervals
from .figures import confusion_figure
from .intervals import f1_intervals, wilson


def classification(
    logits: torch.Tensor, targets: torch.Tensor, classes: Sequence[str], kind: str | None = "tabular-classification"
) -> Evaluation:
    """Return loss, accuracy and macro F1, the tables of classes, of confusions and of mistakes, and all predictions.

    Args:
        logits: of the test examples, shape (n, classes).
        targets: the number of the true class of each, shape (n,).
        classes: their names, in order.
        kind: as in `Evaluation`; of images `image-classification`.

    Example:

        classification(torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1]), ["no", "yes"]).metrics["accuracy"]
    """
    predicted = logits.argmax(1)
    numbers = range(len(classes))
    matrix = confusion_matrix(targets, predicted, labels=numbers)
    losses = F.cross_entropy(logits.double(), targets, reduction="none")
    return Evaluation(
        metrics={
            "loss": F.cross_entropy(logits.double(), targets).item(),
            "accuracy": float(accuracy_score(targets, predicted)),
            "f1": float(f1_score(targets, predicted, average="macro", labels=numbers, zero_division=0)),
        },
        headline="accuracy",
        kind=kind,
        examples=len(targets),
        tables={
            "per_class": _per_class(targets, predicted, classes),
            "confusion_matrix": [
                {"actual": name, **dict(zip(classes, row, strict=True))}
                for name, row in zip(classes, matrix.tolist(), strict=True)
            ],
            "mistakes": _mistakes(matrix, classes),
        },
        figures={"confusion_matrix": confusion_figure(matrix, classes)},
        predictions=_predictions(logits, targets, predicted, classes),
        per_example={"loss": losses},
        intervals=lambda seed: _intervals(targets.numpy(), predicted.numpy(), classes, seed),
        directions={"accuracy": True, "f1": True},
    )


def _per_class(targets: torch.Tensor, predicted: torch.Tensor, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return precision, recall, F1 and the number of examples of each class."""
    columns = precision_recall_fscore_support(targets, predicted, labels=range(len(classes)), zero_division=0)
    return [
        {
            "class": name,
            "precision": float(precision),
            "recall": float(recall),
            "f1": float(f1),
            "examples": int(examples),
        }
        for name, precision, recall, f1, examples in zip(classes, *columns, strict=True)
    ]


def _mistakes(matrix: np.ndarray, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return which class is taken for which, the most frequent first."""
    rows = [
        {"actual": classes[row], "predicted": classes[column], "examples": int(count)}
        for (row, column), count in np.ndenumerate(matrix)
        if row != column and count
    ]
    # equal counts in the order of their names
    return sorted(rows, key=lambda item: (-item["examples"], item["actual"], item["predicted"]))


def _predictions(
    logits: torch.Tensor, targets: torch.Tensor, predicted: torch.Tensor, classes: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the true class of each example, the predicted one, and its probability, which is written exactly."""
    highest = logits.double().softmax(1).amax(1)
    rows = zip(targets.tolist(), predicted.tolist(), highest.tolist(), strict=True)
    return [
        {"actual": classes[actual], "predicted": classes[named], "probability": probability}
        for actual, named, probability in rows
    ]


def _intervals(actual: np.ndarray, predicted: np.ndarray, classes: Sequence[str], seed: int) -> Intervals:
    """Return Wilson's intervals of accuracy, precision and recall, and those of F1 by bootstrap."""
    macro, single = f1_intervals(actual, predicted, len(classes), seed)
    rows = []
    for number, name in enumerate(classes):
        is_actual, is_named = actual == number, predicted == number
        hits, examples, named = int((is_actual & is_named).sum()), int(is_actual.sum()), int(is_named.sum())
        rows.append(
            {
                "class": name,
                **_with_interval("precision", hits / named if named else None, wilson(hits, named)),
                **_with_interval("recall", hits / examples if examples else None, wilson(hits, examples)),
                **_with_interval("f1", 2 * hits / (examples + named) if examples + named else None, single[number]),
                "examples": examples,
            }
        )
    accuracy = wilson(int((actual == predicted).sum()), len(actual))
    return Intervals({"accuracy": accuracy, "f1": macro}, {"per_class": rows})


def _with_interval(name: str, value: float | None, interval: Interval | None) -> dict[str, float | None]:
    low, high = interval or (None, None)
    return {name: value, f"{name}_low": low, f"{name}_high": high}
