"""Classification: predicting a class."""

from typing import Annotated, TypedDict

import torch
from pydantic import Field

from reproml import ArrayTask, Evaluation, classification


class Prediction(TypedDict):
    """The answer for one example."""

    predicted: Annotated[str, Field(description="the most probable class")]
    probability: Annotated[float, Field(description="its probability")]
    probabilities: Annotated[dict[str, float], Field(description="of every class")]


class Classification(ArrayTask):
    """Gives each example one of the classes of the data. The network has an output for each class, its logit."""

    learns = "classes"
    measures = ("loss", "accuracy", "f1")

    def measure(self, outputs: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the loss of a batch, and how many answers are correct: outputs (n, classes), targets (n,)."""
        assert self.loss is not None
        return self.loss(outputs, targets), {"accuracy": (outputs.argmax(1) == targets).sum()}

    def evaluation(self) -> Evaluation:
        """Return metrics, tables, figures and predictions of the last test."""
        logits, targets = self.tested()
        return classification(logits, targets, self._names, self.interface.kind)

    @torch.inference_mode()
    def predict(self, inputs: torch.Tensor) -> list[Prediction]:
        """Return the most probable class of each input, and the probability of every class.

        Args:
            inputs: as stored, shape (n, *input_shape). What is said of one does not depend on the others.
        """
        logits = self.infer(inputs).cpu()
        rows = logits.double().softmax(1).tolist()
        return [
            Prediction(
                predicted=self._names[named],
                probability=row[named],
                probabilities=dict(zip(self._names, row, strict=True)),
            )
            for named, row in zip(logits.argmax(1).tolist(), rows, strict=True)
        ]

    @property
    def _names(self) -> tuple[str, ...]:
        assert self.interface.classes is not None, "its data name the classes, as is checked before a training"
        return self.interface.classes
