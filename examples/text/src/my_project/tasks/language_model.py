"""Which byte comes next: a small transformer."""

import math
from typing import Annotated, Any, TypedDict

import torch
from lightning import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from pydantic import Field
from torch import nn
from torch.nn import functional as F
from torchmetrics.text import Perplexity

from reproml import Evaluation

BYTES = 256
Prompt = Annotated[str, Field(min_length=1, description="the beginning of a text")]


class Continued(TypedDict):
    """The answer for a prompt."""

    text: Annotated[str, Field(description="the prompt and how the model continues it")]


class LanguageModel(LightningModule):
    """A transformer that only looks back.

    Args:
        length: most bytes that it looks back on.
        width: size of the vectors that represent a byte.
        layers: number of attention layers.
        heads: attention heads in each layer.
        dropout: in each layer.
        lr: the highest learning rate. It rises for `warmup_steps` and falls along a cosine until the end.
        warmup_steps: see `lr`.
        weight_decay: for matrices; biases and norms have none.
        prompt: the beginning of the sample that the test writes.
        sample_length: how many bytes the sample has.
    """

    def __init__(
        self,
        length: int,
        width: int,
        layers: int,
        heads: int,
        dropout: float,
        lr: float,
        warmup_steps: int,
        weight_decay: float,
        prompt: str,
        sample_length: int,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.bytes = nn.Embedding(BYTES, width)
        self.places = nn.Embedding(length, width)
        for embedding in (self.bytes, self.places):
            nn.init.normal_(embedding.weight, std=0.02)
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, dropout, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, BYTES, bias=False)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(length), persistent=False)
        self.perplexity = Perplexity()

    def forward(self, text: torch.Tensor) -> torch.Tensor:
        """Map bytes (n, length) to logits of the next one (n, length, 256)."""
        length = text.shape[1]
        hidden = self.bytes(text) + self.places.weight[:length]
        mask = self.get_buffer("mask")[:length, :length]
        return self.output(self.norm(self.layers(hidden, mask=mask, is_causal=True)))

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        loss = F.cross_entropy(self(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
        self.log("train/loss", loss, on_step=True, on_epoch=False)
        return loss

    def validation_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        self.perplexity(self(batch[:, :-1]), batch[:, 1:])
        self.log("val/perplexity", self.perplexity)

    def test_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        self.perplexity(self(batch[:, :-1]), batch[:, 1:])
        self.log("perplexity", self.perplexity)

    @torch.inference_mode()
    def sample(self, prompt: str, length: int) -> str:
        """Return a text that begins with a prompt, the same each time."""
        generator = torch.Generator(self.device).manual_seed(0)
        text = torch.tensor([list(prompt.encode())], device=self.device)
        for _ in range(length):
            logits = self(text[:, -self.hparams["length"] :])[0, -1]
            text = torch.cat([text, torch.multinomial(logits.softmax(0), 1, generator=generator)[None]], 1)
        return bytes(text[0].tolist()).decode(errors="replace")

    def predict(self, inputs: list[Prompt]) -> list[Continued]:
        """Return how each text goes on."""
        return [Continued(text=self.sample(prompt, self.hparams["sample_length"])) for prompt in inputs]

    def evaluation(self) -> Evaluation:
        """Return the test perplexity and a sample."""
        sample = self.sample(self.hparams["prompt"], self.hparams["sample_length"])
        return Evaluation(
            metrics={"perplexity": self.trainer.callback_metrics["perplexity"].item()},
            headline="perplexity",
            higher_is_better=False,
            kind="text-generation",
            tables={"sample": [{"text": sample}]},
        )

    def configure_optimizers(self) -> OptimizerLRScheduler:
        weights = [weight for weight in self.parameters() if weight.ndim > 1]
        others = [weight for weight in self.parameters() if weight.ndim <= 1]
        groups: list[dict[str, Any]] = [{"params": weights}, {"params": others, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, self.hparams["lr"], weight_decay=self.hparams["weight_decay"])
        warmup, total = self.hparams["warmup_steps"], self.trainer.estimated_stepping_batches

        def factor(step: int) -> float:
            if step < warmup:
                return (step + 1) / warmup
            return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
