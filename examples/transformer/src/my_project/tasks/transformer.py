"""Fine-tuning a pretrained transformer."""

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any, TypedDict

import torch
from lightning import LightningModule
from pydantic import Field
from torch import nn
from torch.nn import functional as F
from torchmetrics.classification import MulticlassAccuracy
from transformers import AutoModel, AutoTokenizer

from reproml import Evaluation, classification

Batch = tuple[torch.Tensor, torch.Tensor]  # tokens (n, length) and the numbers of the labels (n,)


class Prediction(TypedDict):
    """The answer for a text."""

    predicted: Annotated[str, Field(description="the most probable label")]
    probability: Annotated[float, Field(description="its probability")]


class Transformer(LightningModule):
    """A pretrained transformer, and a new last layer that reads the mean over the tokens of a text.

    Args:
        pretrained: folder of the model, from `save_pretrained` or downloaded from the Hub.
        labels: their names.
        longest: most tokens of a text in `predict`; the rest is cut off.
        lr: learning rate.
        weight_decay: of matrices; biases and norms have none.
        frozen_epochs: epochs at the beginning in which only the last layer learns.
    """

    def __init__(
        self, pretrained: str, labels: Sequence[str], longest: int, lr: float, weight_decay: float, frozen_epochs: int
    ) -> None:
        super().__init__()
        self.labels, self.lr, self.weight_decay = list(labels), lr, weight_decay
        self.pretrained, self.longest, self.frozen_epochs = pretrained, longest, frozen_epochs
        self.backbone = AutoModel.from_pretrained(pretrained, local_files_only=True)
        self.backbone.train()  # it comes in evaluation mode, and Lightning would leave it in it, without dropout
        self.output = nn.Linear(self.backbone.config.hidden_size, len(self.labels))
        self.accuracy = MulticlassAccuracy(len(self.labels), average="micro")

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Map tokens (n, length) to logits (n, labels)."""
        real = tokens != self.backbone.config.pad_token_id
        states = self.backbone(input_ids=tokens, attention_mask=real.long()).last_hidden_state
        mean = (states * real[..., None]).sum(1) / real.sum(1, keepdim=True)
        return self.output(mean)

    def on_train_epoch_start(self) -> None:
        self.backbone.requires_grad_(self.current_epoch >= self.frozen_epochs)

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        tokens, targets = batch
        loss = F.cross_entropy(self(tokens), targets)
        self.log("train/loss", loss, on_step=False, on_epoch=True, batch_size=len(tokens))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        tokens, targets = batch
        logits = self(tokens)
        self.accuracy(logits, targets)
        self.log("val/loss", F.cross_entropy(logits, targets), batch_size=len(tokens))
        self.log("val/accuracy", self.accuracy, batch_size=len(tokens))

    def on_test_start(self) -> None:
        self.tested: list[Batch] = []

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        tokens, targets = batch
        self.tested.append((self(tokens).cpu(), targets.cpu()))

    def evaluation(self) -> Evaluation:
        """Return the accuracy, confusions and mistakes of the test."""
        logits, targets = map(torch.cat, zip(*self.tested, strict=True))
        return classification(logits, targets, self.labels, kind="text-classification")

    @cached_property
    def tokenizer(self) -> Any:
        """What makes tokens of a text."""
        return AutoTokenizer.from_pretrained(self.pretrained, local_files_only=True)

    @torch.inference_mode()
    def predict(self, inputs: list[str]) -> list[Prediction]:
        """Return the label of each text."""
        batch = self.tokenizer(inputs, padding=True, truncation=True, max_length=self.longest, return_tensors="pt")
        shares, places = self(batch["input_ids"].to(self.device)).softmax(1).max(1)
        return [
            Prediction(predicted=self.labels[place], probability=share)
            for place, share in zip(places.tolist(), shares.tolist(), strict=True)
        ]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        weights = [weight for weight in self.parameters() if weight.ndim > 1]
        others = [weight for weight in self.parameters() if weight.ndim <= 1]
        groups: list[dict[str, Any]] = [{"params": weights}, {"params": others, "weight_decay": 0.0}]
        return torch.optim.AdamW(groups, self.lr, weight_decay=self.weight_decay)
