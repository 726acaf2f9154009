"""Stops a training whose loss is not a number any more: training further would be wasted."""

from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from ..errors import ConfigError, TrainingError
from ..lightning_internals import batches_done
from .steps import loss_of

_NEVER = 2**62  # a step that no training reaches


class FiniteLoss(Callback):
    """Stops at the first loss that is not finite, before any checkpoint holds what came of it.

    It looks at many steps at once, since reading a loss makes a GPU wait. A module that returns no loss, as a manual
    optimization may, is not looked at.

    Args:
        every_n_steps: how often it looks. It also looks before each checkpoint, before each validation, and at the end
            of an epoch.
    """

    def __init__(self, every_n_steps: int) -> None:
        if every_n_steps < 1:
            raise ConfigError(f"callbacks.finite_loss.every_n_steps={every_n_steps} must be 1 or greater")
        self.every_n_steps = every_n_steps
        self._waiting: list[tuple[int, torch.Tensor]] = []  # step and loss

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step = batches_done(trainer)
        loss = loss_of(outputs)
        if isinstance(loss, torch.Tensor):
            self._waiting.append((step, loss.detach() if loss.ndim == 0 else loss.detach().sum()))
        if step % self.every_n_steps == 0:
            self._look(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._look(trainer)

    on_train_epoch_end = on_validation_start

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self._look(trainer)

    def _look(self, trainer: Trainer) -> None:
        """Look at the waiting losses. All processes call it at the same step.

        Raises:
            TrainingError: one of them is not finite, in any process.
        """
        found = _NEVER
        if self._waiting:
            steps, losses = zip(*self._waiting, strict=True)
            finite = torch.stack(losses).isfinite().tolist()
            found = next((step for step, fine in zip(steps, finite, strict=True) if not fine), _NEVER)
            self._waiting.clear()
        if trainer.world_size > 1:
            own = torch.tensor(found, device=trainer.strategy.root_device)
            found = int(trainer.strategy.reduce(own, reduce_op="min"))
        if found != _NEVER:
            raise TrainingError(
                f"the loss of step {found} (epoch {trainer.current_epoch}) is not finite: lower training.lr (or the "
                "rate of your own task), set training.gradient_clip, or look for such numbers in the data; "
                "~callbacks.finite_loss removes this check"
            )
