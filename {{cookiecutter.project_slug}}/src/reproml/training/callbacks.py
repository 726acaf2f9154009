"""Keyed randomness for each step, and the way back into the loop."""

from typing import Any

import torch
import torch.distributed as dist
from lightning import Callback, LightningModule, Trainer

from ..lightning_internals import (
    batches_done,
    begin_epoch_afresh,
    count_what_was_skipped,
    forget_resume,
    set_metrics,
)
from . import job
from .attributes import Attributes
from .checkpoint import LastCheckpoint
from .randomness import seed_everything
from .resume import ResumePoint
from .sums import set_sums, sums
from .switches import set_switches, switches


class StepSeed(Callback):
    """Makes the randomness of a step (dropout, noise) a function of the seed, the step and the process.

    A step of a validation, a test or a prediction is told by its place in the loader alone: every pass is alike, so the
    numbers of two epochs can be compared, and a test can be repeated. What hooks around an epoch draw has a key too.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        seed_everything(self.seed, "step", batches_done(trainer), trainer.global_rank)

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        seed_everything(self.seed, "evaluation", dataloader_idx, batch_idx, trainer.global_rank)

    on_test_batch_start = on_predict_batch_start = on_validation_batch_start

    def _around(self, trainer: Trainer, pl_module: LightningModule) -> None:
        seed_everything(self.seed, "around", batches_done(trainer), trainer.global_rank)

    on_train_start = on_train_epoch_start = on_train_epoch_end = _around
    on_validation_epoch_start = on_validation_epoch_end = on_test_epoch_start = on_test_epoch_end = _around


class Reentry(Callback):
    """Brings a run back into the loop as it left it. It comes before all callbacks that do anything in a loop.

    Lightning skips `on_train_epoch_start` when it resumes in the middle of an epoch. What hooks have switched by then
    is not in the weights: frozen parameters, modules in evaluation mode, the batches per optimizer step. Nor are the
    sums of the epoch, plain attributes, and gradients that a manual optimization has yet to use. So every checkpoint
    holds them, as well as the metrics of the last validation, which callbacks read until the next one. Between
    two epochs the resume point is saved before any such hook, since all of them run again. The last checkpoint is saved
    before any hook at the end of the training, which may replace the weights.
    """

    def __init__(self) -> None:
        self._left: dict[str, Any] | None = None  # what the interrupted run left, until it is set
        self._attributes: Attributes | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._attributes = Attributes(trainer, pl_module)
        for point in _resume_points(trainer):
            point.lost = self._attributes.lost
        begin_epoch_afresh(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._enter(trainer, pl_module)
        count_what_was_skipped(trainer)
        for point in _resume_points(trainer):
            point.save_between_epochs(trainer)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if self._left is not None:
            self._enter(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for callback in trainer.checkpoint_callbacks:
            if isinstance(callback, LastCheckpoint):
                callback.save(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Note that SIGTERM came before: one that reaches the workers too ends them, and only that is seen here."""
        if trainer.received_sigterm:
            job.note_sigterm()

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        own = {
            "sums": sums(trainer, pl_module),
            "gradients": _gradients(pl_module),
            "attributes": self._attributes.changed() if self._attributes is not None else {},
        }
        seen = {name: value.detach().cpu() for name, value in trainer.callback_metrics.items()}
        each = _of_each_process(own, trainer)
        checkpoint["reentry"] = {**switches(trainer, pl_module), "metrics": seen, "processes": each}

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self._left = checkpoint["reentry"]

    def _enter(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set it after the hooks that run before the loop, some of which freeze what was unfrozen long ago."""
        if self._left is None:
            return
        set_switches(trainer, pl_module, self._left)
        set_metrics(trainer, self._left["metrics"])
        own = self._left["processes"][trainer.global_rank]
        set_sums(trainer, pl_module, own["sums"])
        _set_gradients(pl_module, own["gradients"])
        if self._attributes is not None:
            self._attributes.set(own["attributes"], pl_module.device)
        forget_resume(trainer)
        self._left = None


def _resume_points(trainer: Trainer) -> list[ResumePoint]:
    return [callback for callback in trainer.checkpoint_callbacks if isinstance(callback, ResumePoint)]


def _of_each_process(value: Any, trainer: Trainer) -> list[Any]:
    """Return the values of all processes, by rank. All of them call it."""
    values = [value] * trainer.world_size
    if trainer.world_size > 1:
        dist.all_gather_object(values, value)
    return values


def _gradients(model: LightningModule) -> dict[str, torch.Tensor]:
    """Return the gradients in a manual optimization, whose next step may add to them."""
    if model.automatic_optimization:
        return {}
    return {name: each.grad.detach().cpu() for name, each in model.named_parameters() if each.grad is not None}


def _set_gradients(model: LightningModule, gradients: dict[str, torch.Tensor]) -> None:
    for name, parameter in model.named_parameters():
        if name in gradients:
            parameter.grad = gradients[name].to(parameter.device, copy=True)
