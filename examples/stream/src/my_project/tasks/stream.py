"""Classification of a stream of examples."""

from typing import Annotated, TypedDict

import torch
from lightning import LightningModule
from pydantic import Field
from torch import nn
from torch.nn import functional as F

from reproml import Evaluation, classification

from ..data.shards import scaled

Batch = tuple[torch.Tensor, torch.Tensor]  # inputs (n, 64) and classes (n,)


class Example(TypedDict):
    """A line of a file."""

    pixels: Annotated[list[float], Field(min_length=64, max_length=64, description="from 0 to 16, row by row")]


class Prediction(TypedDict):
    """The answer for a line."""

    predicted: Annotated[str, Field(description="the most probable class")]
    probability: Annotated[float, Field(description="its probability")]


class StreamClassifier(LightningModule):
    """A network with one hidden layer."""

    def __init__(self, inputs: int, classes: list[str], hidden: int, dropout: float, lr: float) -> None:
        super().__init__()
        self.classes, self.lr = classes, lr
        self.network = nn.Sequential(
            nn.Linear(inputs, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, len(classes))
        )

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Map inputs (n, inputs) to logits (n, classes)."""
        return self.network(inputs)

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        inputs, targets = batch
        loss = F.cross_entropy(self(inputs), targets)
        self.log("train/loss", loss, on_step=False, on_epoch=True, batch_size=len(inputs))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        inputs, targets = batch
        self.log("val/loss", F.cross_entropy(self(inputs), targets))

    def on_test_start(self) -> None:
        self.tested: list[Batch] = []

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        inputs, targets = batch
        self.tested.append((self(inputs).cpu(), targets.cpu()))

    def evaluation(self) -> Evaluation:
        """Return accuracy, confusions and mistakes of the test."""
        logits, targets = map(torch.cat, zip(*self.tested, strict=True))
        return classification(logits, targets, self.classes)

    @torch.inference_mode()
    def predict(self, inputs: list[Example]) -> list[Prediction]:
        """Return the class of each example."""
        pixels = scaled([example["pixels"] for example in inputs])
        shares, places = self(pixels.to(self.device)).softmax(1).max(1)
        return [
            Prediction(predicted=self.classes[place], probability=share)
            for place, share in zip(places.tolist(), shares.tolist(), strict=True)
        ]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), self.lr)
