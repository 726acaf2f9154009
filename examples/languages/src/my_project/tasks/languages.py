"""The languages that a word belongs to: several can be right, and most are not."""

from collections.abc import Sequence
from typing import Annotated, TypedDict

import torch
from lightning import Callback, LightningModule
from lightning.pytorch.callbacks import EMAWeightAveraging
from pydantic import Field
from torch import nn
from torch.nn import functional as F
from torchmetrics.classification import MultilabelAUROC

from reproml import Evaluation

from ..data.languages import LETTERS, encoded

Batch = tuple[torch.Tensor, torch.Tensor]  # codes of letters (n, 16) and whether it is in a list (n, languages)


class Prediction(TypedDict):
    """The answer for a word."""

    probabilities: Annotated[dict[str, float], Field(description="of each language")]


class Languages(LightningModule):
    """Reads the letters of a word in both directions. Its test and its final weights use a moving average.

    Args:
        languages: their names.
        width: size of the vectors that represent letters, and of the hidden state.
        lr: learning rate.
        decay: how much of the moving average is kept in each step.
    """

    def __init__(self, languages: Sequence[str], width: int, lr: float, decay: float) -> None:
        super().__init__()
        self.languages, self.lr, self.decay = list(languages), lr, decay
        self.letters = nn.Embedding(LETTERS, width, padding_idx=0)
        self.memory = nn.GRU(width, width, batch_first=True, bidirectional=True)
        self.output = nn.Linear(2 * width, len(self.languages))
        self.rarity: torch.Tensor
        self.register_buffer("rarity", torch.ones(len(self.languages)))
        self.val_auroc = MultilabelAUROC(len(self.languages))
        self.auroc = MultilabelAUROC(len(self.languages), average="none")

    def configure_callbacks(self) -> list[Callback]:
        return [EMAWeightAveraging(decay=self.decay)]

    def on_fit_start(self) -> None:
        words = self.trainer.datamodule.train  # type: ignore[attr-defined]
        targets = torch.stack([target for _, target in words])
        self.rarity.copy_((1 - targets).sum(0) / targets.sum(0).clamp(min=1))

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Map codes of letters (n, 16) to logits (n, languages)."""
        hidden, _ = self.memory(self.letters(codes))
        return self.output(hidden.amax(1))

    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean loss. A rare language weighs as much as a frequent one."""
        return F.binary_cross_entropy_with_logits(logits, targets, pos_weight=self.rarity)

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        codes, targets = batch
        loss = self.loss(self(codes), targets)
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        codes, targets = batch
        logits = self(codes)
        self.val_auroc(logits, targets.long())
        self.log("val/loss", self.loss(logits, targets))
        self.log("val/auroc", self.val_auroc)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        codes, targets = batch
        logits = self(codes)
        self.auroc.update(logits, targets.long())
        self.log("loss", self.loss(logits, targets))

    def evaluation(self) -> Evaluation:
        """Return the area under the ROC curve, for each language and on average."""
        values = self.auroc.compute()
        self.auroc.reset()
        per_language = zip(self.languages, values.tolist(), strict=True)
        return Evaluation(
            metrics={"auroc": values.mean().item()},
            headline="auroc",
            kind="text-classification",
            tables={"per_language": [{"language": name, "auroc": value} for name, value in per_language]},
        )

    @torch.inference_mode()
    def predict(self, inputs: list[str]) -> list[Prediction]:
        """Return for each word how probable each language is."""
        codes = encoded([word.lower() for word in inputs])
        rows = self(codes.to(self.device)).sigmoid().tolist()
        return [Prediction(probabilities=dict(zip(self.languages, row, strict=True))) for row in rows]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), self.lr)
