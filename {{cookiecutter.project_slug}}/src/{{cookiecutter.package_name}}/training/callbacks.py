"""Keyed randomness for each step, the way back into the loop, and the progress bar."""

import sys
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import TQDMProgressBar

from .checkpoint import LastCheckpoint
from .loop import batches_done, begin_epoch_afresh, forget_resume, metrics, set_metrics
from .randomness import seed_everything
from .resume import ResumePoint
from .switches import set_switches, switches


class StepSeed(Callback):
    """Makes the randomness of a step (dropout, noise) a function of the seed, the step and the process."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        seed_everything(self.seed, "step", batches_done(trainer), trainer.global_rank)


class Reentry(Callback):
    """Brings a run back into the loop as it left it. It is the first of all callbacks.

    Lightning skips `on_train_epoch_start` when it resumes in the middle of an epoch. What hooks have switched by then
    is not in the weights: frozen parameters, modules in evaluation mode, the batches per optimizer step. So every
    checkpoint holds it, as well as the metrics of the last validation, which callbacks read until the next one. Between
    two epochs the resume point is saved before any such hook, since all of them run again. The last checkpoint is saved
    before any hook at the end of the training, which may replace the weights.
    """

    def __init__(self) -> None:
        self._left: dict[str, Any] | None = None  # what the interrupted run left, until it is set

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        begin_epoch_afresh(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._enter(trainer, pl_module)
        for callback in trainer.checkpoint_callbacks:
            if isinstance(callback, ResumePoint):
                callback.save_between_epochs(trainer)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if self._left is not None:
            self._enter(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for callback in trainer.checkpoint_callbacks:
            if isinstance(callback, LastCheckpoint):
                callback.save(trainer)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["reentry"] = {**switches(trainer, pl_module), "metrics": metrics(trainer)}

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self._left = checkpoint.get("reentry")  # an earlier version saved none

    def _enter(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set it after the hooks that run before the loop, some of which freeze what was unfrozen long ago."""
        if self._left is not None:
            set_switches(trainer, pl_module, self._left)
            set_metrics(trainer, self._left["metrics"])
            forget_resume(trainer)
            self._left = None


class ProgressBar(TQDMProgressBar):
    """Lightning's bar, on a terminal only: in a log file it would be noise."""

    def __init__(self, refresh_rate: int = 20) -> None:
        super().__init__(refresh_rate=refresh_rate if sys.stderr.isatty() else 0)

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        items = super().get_metrics(trainer, pl_module)
        items.pop("v_num", None)
        return items  # type: ignore[return-value]
