"""The test of a model, the same during training and afterwards."""

import csv
import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_only
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support
from torch.nn import functional as F

from ..arrays.datamodule import DataModule
from ..files import write_json, write_text
from ..models.classifier import Classifier, probabilities
from .figures import plot_confusion_matrix, plot_learning_curves
from .logged import Logged, test_own

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Results:
    """Logits (n, classes) and targets (n,) of the test examples, in their stored order."""

    logits: torch.Tensor
    targets: torch.Tensor
    classes: Sequence[str]

    @property
    def predicted(self) -> torch.Tensor:
        """The most probable class of each example, shape (n,)."""
        return self.logits.argmax(1)

    def metrics(self) -> dict[str, float | int]:
        """Return loss (mean cross-entropy), accuracy, macro F1 and the number of examples."""
        return {
            "loss": F.cross_entropy(self.logits.double(), self.targets).item(),
            "accuracy": float(accuracy_score(self.targets, self.predicted)),
            "f1": float(
                f1_score(
                    self.targets, self.predicted, average="macro", labels=range(len(self.classes)), zero_division=0
                )
            ),
            "examples": len(self.targets),
        }

    def confusion(self) -> list[list[int]]:
        """Return the confusion matrix: rows are the true classes, columns the predicted ones."""
        return confusion_matrix(self.targets, self.predicted, labels=range(len(self.classes))).tolist()

    def per_example(self) -> list[dict[str, Any]]:
        """Return the true class of each example, the predicted one, and its probability, which is written exactly."""
        highest = probabilities(self.logits).amax(1)
        rows = zip(self.targets.tolist(), self.predicted.tolist(), highest.tolist(), strict=True)
        return [
            {"actual": self.classes[actual], "predicted": self.classes[predicted], "probability": probability}
            for actual, predicted, probability in rows
        ]

    def per_class(self) -> list[dict[str, Any]]:
        """Return precision, recall, F1 and the number of examples of each class."""
        columns = precision_recall_fscore_support(
            self.targets, self.predicted, labels=range(len(self.classes)), zero_division=0
        )
        return [
            {
                "class": name,
                "precision": float(precision),
                "recall": float(recall),
                "f1": float(f1),
                "examples": int(examples),
            }
            for name, precision, recall, f1, examples in zip(self.classes, *columns, strict=True)
        ]


def test(trainer: Trainer, model: LightningModule, data: LightningDataModule) -> Results | Logged:
    """Apply the model to the test examples."""
    if not isinstance(model, Classifier) or not isinstance(data, DataModule):
        return test_own(trainer, model, data)
    trainer.test(model, data, verbose=False)
    return Results(torch.cat(model.logits), torch.cat(model.targets), data.classes)


@rank_zero_only
def write_results(results: Results | Logged, history: Path, folder: Path) -> None:
    """Write metrics; of a classification tables and pictures, too.

    Args:
        results: of the test.
        history: the `metrics.csv` of the training, for the learning curves.
        folder: where `metrics.json`, `per_class.csv`, `confusion_matrix.csv`, `predictions.csv` and `*.png` go.
    """
    write_json(folder / "metrics.json", results.metrics())
    if isinstance(results, Results):
        _write_tables(results, history, folder)
    shown = ", ".join(f"{name} {value:.4f}" for name, value in results.metrics().items() if name != "examples")
    tested = f"test of {len(results.targets)} examples" if isinstance(results, Results) else "test"
    log.info("%s: %s; written to %s", tested, shown or "nothing logged", folder)


def _write_tables(results: Results, history: Path, folder: Path) -> None:
    names = results.classes
    write_text(folder / "per_class.csv", _as_csv(results.per_class()))
    matrix = [
        {"actual": name, **dict(zip(names, row, strict=True))}
        for name, row in zip(names, results.confusion(), strict=True)
    ]
    write_text(folder / "confusion_matrix.csv", _as_csv(matrix))
    write_text(folder / "predictions.csv", _as_csv(results.per_example()))
    plot_confusion_matrix(results.confusion(), names, folder / "confusion_matrix.png")
    plot_learning_curves(history, folder / "learning_curves.png")


def _as_csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
