"""Classification of a stream of examples."""

import torch
from lightning import LightningModule
from torch import nn
from torch.nn import functional as F

from reproml import Evaluation, classification

Batch = tuple[torch.Tensor, torch.Tensor]  # inputs (n, 64) and classes (n,)


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

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), self.lr)
