"""The loss of single steps, for trackers; metrics.csv has the epochs."""

from collections.abc import Mapping
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

LOSS = "train/loss_step"


def loss_of(outputs: Any) -> torch.Tensor | None:
    """Return the loss among what `training_step` returned, where there is one: not in manual optimization."""
    return outputs.get("loss") if isinstance(outputs, Mapping) else outputs


class StepLoss(Callback):
    """Logs the loss after every `trainer.log_every_n_steps` steps of the optimizer, and nothing in between."""

    def __init__(self) -> None:
        self._logged = 0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step = trainer.global_step
        if step == self._logged or step % trainer.log_every_n_steps or not trainer.loggers:  # type: ignore[attr-defined]
            return
        self._logged = step
        if (loss := loss_of(outputs)) is None or LOSS in trainer.callback_metrics:  # the task logs it itself
            return
        for logger in trainer.loggers:
            logger.log_metrics({LOSS: float(loss)}, step=step - 1)
