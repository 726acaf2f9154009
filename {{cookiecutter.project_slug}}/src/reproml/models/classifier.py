"""The LightningModule: any network, trained to tell classes apart."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

import torch
from hydra.utils import instantiate
from lightning import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import nn

from ..config.schema import Training
from ..errors import TrainingError
from .optimization import build_loss, build_optimizer, build_scheduler

Batch = tuple[torch.Tensor, torch.Tensor]
BLOCK = 16  # rows; more cost a single example time, fewer cost a whole test


class Tally:
    """Adds up loss and correct answers over an epoch, on the device and without waiting for it.

    A few sums in place of metric objects, which cost more per step than a small network does.
    """

    def __init__(self) -> None:
        self.loss: torch.Tensor | float = 0.0
        self.correct: torch.Tensor | int = 0
        self.examples = 0

    @torch.no_grad()
    def add(self, loss: torch.Tensor, logits: torch.Tensor, targets: torch.Tensor) -> None:
        """Count a batch: its mean loss, logits (n, classes) and targets (n,)."""
        self.loss = self.loss + loss.detach().double() * len(targets)
        self.correct = self.correct + (logits.argmax(1) == targets).sum()
        self.examples += len(targets)

    def sums(self) -> torch.Tensor:
        """Return the sum of the losses, the correct answers and the examples, shape (3,)."""
        on_gpu = isinstance(self.loss, torch.Tensor) and self.loss.is_cuda  # where processes exchange tensors
        sums = [float(self.loss), float(self.correct), self.examples]
        return torch.tensor(sums, dtype=torch.float64, device="cuda" if on_gpu else "cpu")

    def load(self, sums: torch.Tensor) -> None:
        """Go on from earlier `sums` (3,)."""
        self.loss, self.correct, self.examples = sums[0], sums[1].long(), int(sums[2])


class Classifier(LightningModule):
    """Normalizes the inputs, applies the network, and trains it with the loss that the configuration names.

    Args:
        network: maps normalized inputs (n, *input_shape) to logits (n, classes). One with the class attribute
            `standardize = False` gets them as they are stored, as where they are codes of letters and not quantities.
        mean: of the training inputs, broadcastable to one input. It is saved with the weights.
        std: likewise.
        training: optimizer, schedule and loss; None for a model that only predicts.
    """

    def __init__(
        self, network: nn.Module, mean: torch.Tensor, std: torch.Tensor, training: Training | None = None
    ) -> None:
        super().__init__()
        self.network, self.training_config = network, training
        self.loss = build_loss(training) if training else None
        self._standardize = getattr(network, "standardize", True)
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.mean: torch.Tensor
        self.std: torch.Tensor
        self._tally = Tally()
        self.logits: list[torch.Tensor] = []  # of the last test, one tensor (n, classes) per batch
        self.targets: list[torch.Tensor] = []

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Map inputs as stored (n, *input_shape), of any number type, to logits (n, classes)."""
        if self._standardize:
            inputs = (inputs.to(self.mean.dtype) - self.mean) / self.std
        return self.network(inputs)

    def infer(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return logits (n, classes) of inputs (n, *input_shape), whose bits do not depend on the other inputs.

        The number of rows decides which routine multiplies the matrices, and so the last digits. Hence the network sees
        blocks of one size, the last of them filled up.
        """
        logits = []
        for block in inputs.split(BLOCK):
            filler = block.new_zeros(BLOCK - len(block), *block.shape[1:])
            logits.append(self(torch.cat([block, filler]))[: len(block)])
        return torch.cat(logits)

    def _step(self, batch: Batch) -> torch.Tensor:
        inputs, targets = batch
        logits = self(inputs)
        assert self.loss is not None, "this model was built to predict"
        loss = self.loss(logits, targets)
        self._tally.add(loss, logits, targets)
        return loss

    def _finish(self, split: str, sums: torch.Tensor) -> None:
        loss, correct, examples = sums.tolist()
        if not isfinite(loss):
            raise TrainingError(
                f"{split}/loss is {loss} in epoch {self.current_epoch}: lower training.lr or training.gradient_clip"
            )
        self.log_dict({f"{split}/loss": loss / examples, f"{split}/accuracy": correct / examples})

    def on_train_epoch_start(self) -> None:
        self._tally = Tally()

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """Return the mean loss of a batch."""
        return self._step(batch)

    def on_train_epoch_end(self) -> None:
        self._finish("train", self.trainer.strategy.reduce(self._tally.sums(), reduce_op="sum"))

    def on_validation_epoch_start(self) -> None:
        self._training_tally, self._tally = self._tally, Tally()  # validation interrupts the training epoch

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count a validation batch."""
        self._step(batch)

    def on_validation_epoch_end(self) -> None:
        # Every process reads all examples, but each has batch normalization statistics of its own: the first decides.
        self._finish("validation", self.trainer.strategy.broadcast(self._tally.sums()))
        self._tally = self._training_tally

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what the epoch has summed up so far, one row for each process."""
        sums = self.trainer.strategy.all_gather(self._tally.sums())
        checkpoint["tally"] = sums.reshape(-1, 3).cpu()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the sums of the interrupted epoch."""
        self._tally.load(checkpoint["tally"][self.global_rank])

    def on_test_epoch_start(self) -> None:
        self.logits, self.targets = [], []

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep the logits of a test batch."""
        inputs, targets = batch
        self.logits.append(self.infer(inputs).cpu())
        self.targets.append(targets.cpu())

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Build the optimizer and the schedule that the configuration names."""
        assert self.training_config is not None, "this model was built to predict"
        mixed = str(self.trainer.precision).endswith("-mixed")
        optimizer = build_optimizer(self.parameters(), self.training_config, mixed)
        scheduler = build_scheduler(optimizer, self.training_config, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": scheduler} if scheduler else optimizer  # type: ignore[return-value]


def probabilities(logits: torch.Tensor) -> torch.Tensor:
    """Return the probability of each class, shape (n, classes), float64, for logits of that shape."""
    return logits.double().softmax(1)


def build_network(model: dict[str, Any], input_shape: Sequence[int], classes: int) -> nn.Module:
    """Build the configured network for inputs and outputs of the given sizes."""
    return instantiate(model, input_shape=tuple(input_shape), classes=classes)
