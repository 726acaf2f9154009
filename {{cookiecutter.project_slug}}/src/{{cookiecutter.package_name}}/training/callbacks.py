"""Keyed randomness for each step, the way back into the loop, and the progress bar."""

import sys
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import TQDMProgressBar

from .loop import batches_done, begin_epoch_afresh
from .randomness import seed_everything


class StepSeed(Callback):
    """Makes the randomness of a step (dropout, noise) a function of the seed, the step and the process."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        seed_everything(self.seed, "step", batches_done(trainer), trainer.global_rank)


class Reentry(Callback):
    """Has a run that goes on from between two epochs begin the next one as usual."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        begin_epoch_afresh(trainer)


class ProgressBar(TQDMProgressBar):
    """Lightning's bar, on a terminal only: in a log file it would be noise."""

    def __init__(self, refresh_rate: int = 20) -> None:
        super().__init__(refresh_rate=refresh_rate if sys.stderr.isatty() else 0)

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        items = super().get_metrics(trainer, pl_module)
        items.pop("v_num", None)
        return items  # type: ignore[return-value]
