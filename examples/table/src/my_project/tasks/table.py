"""Learning from the columns of a table: a quantity or a class."""

from typing import Annotated, TypedDict

import torch
from lightning import LightningModule
from pydantic import Field
from torch import nn
from torch.nn import functional as F

from reproml import Evaluation, classification, regression

from ..data.table import inputs as columns

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # numbers (n, numbers), codes (n, categories), targets (n,)
OF_A_DATE = 2  # numbers that data/table.py makes of a date
Row = Annotated[dict[str, str], Field(description="cells by the names of their columns; a missing one is a gap")]


class Prediction(TypedDict):
    """The answer for a row."""

    predicted: Annotated[float | str, Field(description="the quantity, or the most probable class")]


class Preprocessing(nn.Module):
    """Fills gaps, standardizes numbers, and gives each category its own input.

    What it learns from the training rows are buffers, so it is saved with the weights.

    Args:
        numbers: how many columns have numbers.
        categories: how many columns have categories.
        levels: how many categories in a column get their own input; rarer and new ones are 0 in all inputs.
    """

    def __init__(self, numbers: int, categories: int, levels: int) -> None:
        super().__init__()
        self.median: torch.Tensor
        self.mean: torch.Tensor
        self.std: torch.Tensor
        self.levels: torch.Tensor
        for name in ("median", "mean", "std"):
            self.register_buffer(name, torch.zeros(numbers))
        self.register_buffer("levels", torch.full((categories, levels), -1))
        self.width = 2 * numbers + categories * levels

    def fit(self, numbers: torch.Tensor, codes: torch.Tensor) -> None:
        """Learn medians, means, deviations and the most frequent categories."""
        self.median.copy_(numbers.nanmedian(0).values)
        filled = self.filled(numbers)
        self.mean.copy_(filled.mean(0))
        self.std.copy_(filled.std(0).clamp(min=1e-6))
        for levels, column in zip(self.levels, codes.T, strict=True):
            found, counts = column.unique(return_counts=True)
            frequent = found[counts.argsort(descending=True, stable=True)[: len(levels)]]
            levels[: len(frequent)] = frequent

    def filled(self, numbers: torch.Tensor) -> torch.Tensor:
        """Return numbers (n, numbers) with the median in each gap."""
        return torch.where(numbers.isnan(), self.median, numbers)

    def forward(self, numbers: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Map numbers (n, numbers) and codes (n, categories) to inputs of a network (n, width)."""
        standardized = (self.filled(numbers) - self.mean) / self.std
        one_hot = codes.unsqueeze(2) == self.levels
        return torch.cat([standardized, numbers.isnan().float(), one_hot.flatten(1).float()], 1)


class TableTask(LightningModule):
    """A network with one hidden layer that predicts a quantity or a class.

    Args:
        date: the name of the column with the date.
        numbers: the names of the columns with numbers.
        categories: the names of the columns with categories.
        target: the name of the column that is predicted.
        classes: names of its classes; None: it holds a quantity, which the network learns standardized.
        hidden: width of the hidden layer.
        dropout: of the hidden layer.
        lr: learning rate.
        levels: as in `Preprocessing`.
    """

    def __init__(
        self,
        date: str,
        numbers: list[str],
        categories: list[str],
        target: str,
        classes: list[str] | None,
        hidden: int,
        dropout: float,
        lr: float,
        levels: int = 8,
    ) -> None:
        super().__init__()
        self.date, self.numbers, self.categories = date, numbers, categories
        self.target, self.classes, self.lr = target, classes, lr
        self.preprocessing = Preprocessing(len(numbers) + OF_A_DATE, len(categories), levels)
        self.network = nn.Sequential(
            nn.Linear(self.preprocessing.width, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, 1 if classes is None else len(classes)),
        )
        self.center: torch.Tensor
        self.scale: torch.Tensor
        self.register_buffer("center", torch.tensor(0.0))
        self.register_buffer("scale", torch.tensor(1.0))

    def on_fit_start(self) -> None:
        rows = self.trainer.datamodule.train  # type: ignore[attr-defined]
        numbers, codes, targets = (column.to(self.device) for column in rows.tensors)
        self.preprocessing.fit(numbers, codes)
        if self.classes is None:
            self.center.copy_(targets.mean())
            self.scale.copy_(targets.std())

    def forward(self, numbers: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Map numbers (n, numbers) and codes (n, categories) to quantities (n,) or logits (n, classes)."""
        outputs = self.network(self.preprocessing(numbers, codes))
        return outputs.squeeze(1) * self.scale + self.center if self.classes is None else outputs

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean loss of outputs, as `forward` returns them."""
        if self.classes is None:
            return F.mse_loss(outputs / self.scale, targets / self.scale)
        return F.cross_entropy(outputs, targets)

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        numbers, codes, targets = batch
        loss = self.loss(self(numbers, codes), targets)
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        numbers, codes, targets = batch
        self.log("val/loss", self.loss(self(numbers, codes), targets))

    def on_test_start(self) -> None:
        self.tested: list[tuple[torch.Tensor, torch.Tensor]] = []

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        numbers, codes, targets = batch
        self.tested.append((self(numbers, codes).cpu(), targets.cpu()))

    def evaluation(self) -> Evaluation:
        """Return how far off the test was, or which classes were confused."""
        outputs, targets = map(torch.cat, zip(*self.tested, strict=True))
        if self.classes is None:
            return regression(outputs, targets, self.target, scale=self.scale.item())
        return classification(outputs, targets, self.classes)

    @torch.inference_mode()
    def predict(self, inputs: list[Row]) -> list[Prediction]:
        """Return the quantity or the class of each row."""
        numbers, codes = columns(inputs, self.date, self.numbers, self.categories)
        outputs = self(numbers.to(self.device), codes.to(self.device))
        if self.classes is None:
            return [Prediction(predicted=value) for value in outputs.tolist()]
        return [Prediction(predicted=self.classes[place]) for place in outputs.argmax(1).tolist()]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), self.lr)
