"""A generator that imitates images, and a critic that distinguishes them from real ones."""

from pathlib import Path

import torch
from lightning import LightningModule
from matplotlib.figure import Figure
from torch import nn
from torch.nn import functional as F

from reproml import Evaluation

from ..data.digit_images import drawn

Batch = list[torch.Tensor]  # images (n, 1, 8, 8)
SHOWN = 64  # images in a grid


class GAN(LightningModule):
    """Two networks, each with its own optimizer.

    Args:
        noise: how many random numbers make an image.
        width: channels of both networks.
        lr: learning rate of both.
        samples: folder for a grid of images after each epoch.
    """

    def __init__(self, noise: int, width: int, lr: float, samples: str) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.noise, self.lr, self.samples = noise, lr, Path(samples)
        self.generator = nn.Sequential(
            nn.Linear(noise, 4 * width * 4),
            nn.Unflatten(1, (4 * width, 2, 2)),
            nn.BatchNorm2d(4 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(4 * width, 2 * width, 4, stride=2, padding=1),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, 1, 4, stride=2, padding=1),
            nn.Tanh(),
        )
        self.critic = nn.Sequential(
            nn.Conv2d(1, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(2 * width * 4, 1),
        )
        self.shown: torch.Tensor
        self.register_buffer("shown", torch.randn(SHOWN, noise))

    def forward(self, noise: torch.Tensor) -> torch.Tensor:
        """Map random numbers (n, noise) to images (n, 1, 8, 8)."""
        return self.generator(noise)

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        [real] = batch
        for_generator, for_critic = self.optimizers()  # type: ignore[attr-defined]
        made = self(torch.randn(len(real), self.noise, device=self.device))

        self.toggle_optimizer(for_critic)
        critic_loss = F.softplus(-self.critic(real)).mean() + F.softplus(self.critic(made.detach())).mean()
        for_critic.zero_grad()
        self.manual_backward(critic_loss)
        for_critic.step()
        self.untoggle_optimizer(for_critic)

        self.toggle_optimizer(for_generator)
        generator_loss = F.softplus(-self.critic(made)).mean()
        for_generator.zero_grad()
        self.manual_backward(generator_loss)
        for_generator.step()
        self.untoggle_optimizer(for_generator)

        losses = {"train/generator_loss": generator_loss, "train/critic_loss": critic_loss}
        self.log_dict(losses, on_step=False, on_epoch=True)

    def on_train_epoch_end(self) -> None:
        if self.trainer.is_global_zero:
            self.samples.mkdir(parents=True, exist_ok=True)
            self._grid().savefig(self.samples / f"epoch-{self.current_epoch:03}.png")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        [real] = batch
        made = self(torch.randn(len(real), self.noise, device=self.device))
        self.log("real_held_for_real", (self.critic(real) > 0).float().mean())
        self.log("made_held_for_real", (self.critic(made) > 0).float().mean())

    def evaluation(self) -> Evaluation:
        """Return a grid of images."""
        return Evaluation({}, kind="unconditional-image-generation", figures={"samples": self._grid()})

    @torch.no_grad()
    def _grid(self) -> Figure:
        """Draw images from the same random numbers each time."""
        training = self.generator.training
        images = self.generator.eval()(self.shown).cpu()
        self.generator.train(training)
        return drawn(images)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [torch.optim.Adam(part.parameters(), self.lr, (0.5, 0.999)) for part in (self.generator, self.critic)]
