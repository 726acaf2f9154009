"""What this project has to know of Lightning's training loop: its counters, and where it can be entered again.

These are private parts of Lightning. Its version is pinned exactly, and the tests of interruptions guard what is here.
"""

from collections.abc import Mapping
from typing import Any

import torch
from lightning import Trainer


def batches_done(trainer: Trainer) -> int:
    """Return how many training batches were processed since the start of the training, over all epochs.

    Of Lightning's counters this is the one that is right again after a resume.
    """
    return trainer.fit_loop.epoch_loop.batch_progress.total.processed  # type: ignore[attr-defined]


def can_be_entered_here(trainer: Trainer) -> bool:
    """Whether a checkpoint saved at the end of this batch leads back without repeating or leaving out anything.

    Not on the last batch of an epoch, nor before a validation that is due, nor between batches whose gradients are
    added up, nor while metrics are averaged over the epoch (`self.log(..., on_epoch=True)`): Lightning saves neither.
    """
    loop: Any = trainer.fit_loop.epoch_loop
    return not (
        loop.batch_progress.is_last_batch
        or loop._num_ready_batches_reached()
        or loop._should_accumulate()
        or loop._should_check_val_fx(trainer.fit_loop._data_fetcher)
        or any(metric.meta.on_epoch and not metric.has_reset for metric in loop._results.values())
    )


def forget_finished_epoch(trainer: Trainer) -> None:
    """Set the counters of the epoch to 0, as Lightning does itself when the next one begins.

    A checkpoint saved between two epochs would otherwise have the next one taken for done.
    """
    loop: Any = trainer.fit_loop.epoch_loop
    for progress in (loop.batch_progress, loop.scheduler_progress, loop.automatic_optimization.optim_progress):
        progress.reset_on_run()
    loop.val_loop.batch_progress.total.reset()


def begin_epoch_afresh(trainer: Trainer) -> None:
    """Tell the loop, when it was restored between two epochs, that it does not restart inside one."""
    fit_loop: Any = trainer.fit_loop
    loop = fit_loop.epoch_loop
    if loop.restarting and loop.batch_progress.current.ready == 0:
        loop.restarting = False
        if fit_loop.restarted_on_epoch_start:  # Lightning leaves out this one
            fit_loop.epoch_progress.current.ready += 1


def metrics(trainer: Trainer) -> dict[str, torch.Tensor]:
    """Return what callbacks see as the metrics so far."""
    return {name: value.detach().cpu() for name, value in trainer.callback_metrics.items()}


def loss_of(outputs: Any) -> torch.Tensor | None:
    """Return the loss among what `training_step` returned, where there is one: not in manual optimization."""
    return outputs.get("loss") if isinstance(outputs, Mapping) else outputs


def just_logged(trainer: Trainer) -> dict[str, torch.Tensor]:
    """Return what the loop that has just come to its end has logged, and no other."""
    return trainer._logger_connector.metrics["callback"]


def set_metrics(trainer: Trainer, values: dict[str, torch.Tensor]) -> None:
    """Make callbacks see these metrics until others are logged."""
    connector = trainer._logger_connector
    connector._callback_metrics.update({name: value.to(trainer.strategy.root_device) for name, value in values.items()})
