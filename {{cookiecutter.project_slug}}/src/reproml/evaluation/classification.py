"""The evaluation of a model that distinguishes classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
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
    matrix = _confusions(targets.numpy(), predicted.numpy(), len(classes))
    per_class = _per_class(matrix, classes)
    losses = F.cross_entropy(logits.double(), targets, reduction="none")
    return Evaluation(
        metrics={
            "loss": F.cross_entropy(logits.double(), targets).item(),
            "accuracy": float(matrix.trace() / matrix.sum()),
            "f1": float(np.mean([row["f1"] for row in per_class])),
        },
        headline="accuracy",
        kind=kind,
        examples=len(targets),
        tables={
            "per_class": per_class,
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


def _confusions(actual: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return how often each class (row) was taken for each (column).

    scikit-learn counts the same, but importing it, with pandas, is a fifth of the time of a short run.
    """
    shape = (classes, classes)
    return np.bincount(np.ravel_multi_index((actual, predicted), shape), minlength=classes**2).reshape(shape)


def _per_class(matrix: np.ndarray, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return precision, recall, F1 and the number of examples of each class; a share of nothing is 0."""
    hits, examples, named = matrix.diagonal().tolist(), matrix.sum(1).tolist(), matrix.sum(0).tolist()
    return [
        {
            "class": name,
            "precision": hit / max(1, times),
            "recall": hit / max(1, there),
            "f1": 2 * hit / max(1, there + times),
            "examples": there,
        }
        for name, hit, there, times in zip(classes, hits, examples, named, strict=True)
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
