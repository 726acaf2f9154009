"""Regression: predicting a quantity."""

from typing import Annotated, TypedDict

import torch
from pydantic import Field

from reproml import ArrayTask, Evaluation, regression


class Prediction(TypedDict):
    """The answer for one example."""

    predicted: Annotated[float, Field(description="the quantity, in the unit of the data")]


class Regression(ArrayTask):
    """Predicts the quantity that `data.target` names. The network has one output, and learns the standardized target.

    The mean and the deviation of the training targets are saved with the weights, so a target may have any unit.
    """

    learns = "quantity"
    measures = ("loss", "mae", "rmse", "r2")

    def measure(self, outputs: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the loss of the standardized targets, and the absolute errors: outputs (n, 1), targets (n,)."""
        assert self.loss is not None
        loss = self.loss(outputs[:, 0], (targets - self.target_mean) / self.target_std)
        return loss, {"mae": (self.in_its_unit(outputs) - targets).abs().sum()}

    def evaluation(self) -> Evaluation:
        """Return metrics, tables, figures and predictions of the last test."""
        outputs, targets = self.tested()
        target, unit, scale = str(self.interface.target), self.interface.unit, float(self.target_std)
        return regression(self.in_its_unit(outputs), targets, target, unit, scale, self.interface.kind)

    @torch.inference_mode()
    def predict(self, inputs: torch.Tensor) -> list[Prediction]:
        """Return the quantity for each input.

        Args:
            inputs: as stored, shape (n, *input_shape). What is said of one does not depend on the others.
        """
        values = self.in_its_unit(self.infer(inputs))
        return [Prediction(predicted=value) for value in values.tolist()]

    def compared(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return the quantity (n,), for `task.metrics`."""
        return self.in_its_unit(outputs).float()

    def in_its_unit(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return the quantity (n,), float64, that outputs (n, 1) of the network stand for."""
        mean, std = (value.to(outputs.device).double() for value in (self.target_mean, self.target_std))
        return outputs[:, 0].double() * std + mean
