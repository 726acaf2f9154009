"""Denoising diffusion: images are made by removing noise from noise, step by step."""

import math

import torch
from lightning import LightningModule
from torch import nn
from torch.nn import functional as F

from reproml import Evaluation

from ..data.digit_images import drawn

Batch = list[torch.Tensor]  # images (n, 1, 8, 8)
SHOWN = 64  # images in the grid


class Denoiser(nn.Module):
    """Predicts the noise in an image, given the amount of noise."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.time = nn.Sequential(nn.Linear(1, width), nn.SiLU(), nn.Linear(width, width))
        self.first = nn.Conv2d(1, width, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.GroupNorm(4, width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1)) for _ in range(4)
        )
        self.output = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, images: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        """Map images (n, 1, 8, 8) with noise, and times (n,) between 0 and 1, to the noise (n, 1, 8, 8)."""
        time = self.time(times[:, None])[:, :, None, None]
        hidden = self.first(images)
        for block in self.blocks:
            hidden = hidden + block(hidden + time)
        return self.output(hidden)


class Diffusion(LightningModule):
    """Learns to remove noise.

    Args:
        width: channels of the network.
        steps: number of steps that remove noise.
        lr: learning rate.
    """

    def __init__(self, width: int, steps: int, lr: float) -> None:
        super().__init__()
        self.steps, self.lr = steps, lr
        self.network = Denoiser(width)
        places = torch.arange(steps + 1) / steps
        kept = torch.cos((places + 0.008) / 1.008 * math.pi / 2) ** 2
        self.kept: torch.Tensor  # share of the image's variance at each time, falling
        self.register_buffer("kept", (kept / kept[0])[1:].clamp(min=1e-3), persistent=False)

    def loss(self, images: torch.Tensor) -> torch.Tensor:
        """Return the error of the predicted noise in images (n, 1, 8, 8), at random times."""
        times = torch.randint(self.steps, (len(images),), device=self.device)
        noise = torch.randn_like(images)
        kept = self.kept[times, None, None, None]
        noisy = kept.sqrt() * images + (1 - kept).sqrt() * noise
        return F.mse_loss(self.network(noisy, times / self.steps), noise)

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        loss = self.loss(batch[0])
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.log("val/loss", self.loss(batch[0]))

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self.log("loss", self.loss(batch[0]))

    @torch.no_grad()
    def sample(self, number: int) -> torch.Tensor:
        """Return images (number, 1, 8, 8), the same each time."""
        generator = torch.Generator(self.device).manual_seed(0)
        shape = (number, 1, 8, 8)
        images = torch.randn(shape, generator=generator, device=self.device)
        before = torch.cat([self.kept.new_ones(1), self.kept[:-1]])
        for step in reversed(range(self.steps)):
            times = torch.full((number,), step / self.steps, device=self.device)
            noise = self.network(images, times)
            kept, kept_before = self.kept[step], before[step]
            clean = ((images - (1 - kept).sqrt() * noise) / kept.sqrt()).clamp(-1, 1)
            share = kept / kept_before
            mean = (kept_before.sqrt() * (1 - share) * clean + share.sqrt() * (1 - kept_before) * images) / (1 - kept)
            deviation = ((1 - share) * (1 - kept_before) / (1 - kept)).sqrt()
            images = mean + deviation * torch.randn(shape, generator=generator, device=self.device)
        return images

    def evaluation(self) -> Evaluation:
        """Return the test loss and a grid of images."""
        return Evaluation(
            metrics={"loss": self.trainer.callback_metrics["loss"].item()},
            headline="loss",
            higher_is_better=False,
            kind="unconditional-image-generation",
            figures={"samples": drawn(self.sample(SHOWN).cpu())},
        )

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), self.lr)
