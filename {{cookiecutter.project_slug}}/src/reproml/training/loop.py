"""What this project has to know of Lightning's training loop: its counters, and where it can be entered again.

These are private parts of Lightning. Its version is pinned exactly, and the tests of interruptions guard what is here.
"""

from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from lightning import Trainer


def batches_done(trainer: Trainer) -> int:
    """Return how many training batches were processed since the start of the training, over all epochs.

    Of Lightning's counters this is the one that is right again after a resume.
    """
    return trainer.fit_loop.epoch_loop.batch_progress.total.processed  # type: ignore[attr-defined]


def can_be_entered_here(trainer: Trainer) -> bool:
    """Whether a checkpoint saved at the end of this batch leads back without repeating or leaving out anything.

    Not on the last batch of an epoch or of the training, nor before a validation that is due, nor between batches whose
    gradients are added up, nor before a plateau scheduler that counts steps: Lightning saves nothing of these.
    """
    loop: Any = trainer.fit_loop.epoch_loop
    return not (
        loop.batch_progress.is_last_batch
        or loop._is_training_done
        or trainer.should_stop
        or loop._should_accumulate()
        or loop._should_check_val_fx(trainer.fit_loop._data_fetcher)
        or (trainer.lightning_module.automatic_optimization and any(map(_watches_steps, trainer.lr_scheduler_configs)))
    )


def _watches_steps(scheduler: Any) -> bool:
    return scheduler.reduce_on_plateau and scheduler.interval == "step"


def place_in_epoch(trainer: Trainer) -> tuple[int, int]:
    """Return the epoch, and how many of its batches were processed."""
    return trainer.current_epoch, trainer.fit_loop.epoch_loop.batch_progress.current.processed  # type: ignore[attr-defined]


def batch_in_hand(trainer: Trainer) -> tuple[str, int]:
    """Return what the batch before its step is for, and its number: of all in a training, else in this pass."""
    if trainer.training:
        return "train", batches_done(trainer)
    return str(trainer.state.stage), trainer._active_loop.batch_progress.current.ready  # type: ignore[union-attr]


def train_loaders(trainer: Trainer) -> list[Any]:
    """Return the training loaders, one after the other."""
    combined = trainer.fit_loop._combined_loader
    return [] if combined is None else combined.flattened


def order_digests(trainer: Trainer) -> dict[int, str]:
    """Return the digests of the indices in each batch so far, by its number. Whoever uses one takes it out.

    Several loaders have several orders, and give none.
    """
    loader = trainer.train_dataloader
    samplers: list[Any] = [getattr(loader, name, None) for name in ("batch_sampler", "sampler")]
    return next((sampler.digests for sampler in samplers if hasattr(sampler, "digests")), {})


def epoch_results(trainer: Trainer) -> dict[str, Any]:
    """Return what Lightning sums up of `self.log` in this epoch of the training, by hook and name."""
    return trainer.fit_loop.epoch_loop._results


def forget_resume(trainer: Trainer) -> None:
    """Have Lightning take the epoch from here on for one that was never interrupted.

    It would reset all sums of the epoch at the first batch after a resume, and leave out the update of plateau
    schedulers at the end of that epoch.
    """
    trainer.fit_loop._restarting = False
    if trainer._logger_connector._first_loop_iter:  # inside an epoch: a batch has begun
        trainer._logger_connector._first_loop_iter = False


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


def count_what_was_skipped(trainer: Trainer) -> None:
    """Count the batch at which `on_train_batch_start` returned -1 as done, when the next epoch begins.

    Such a batch is ready but never started, and a resume inside any later epoch, which Lightning recognizes by the
    totals, would repeat a batch.
    """
    total = trainer.fit_loop.epoch_loop.batch_progress.total
    total.started = total.completed = total.ready  # type: ignore[attr-defined]


def metrics(trainer: Trainer) -> dict[str, torch.Tensor]:
    """Return what callbacks see as the metrics so far."""
    return {name: value.detach().cpu() for name, value in trainer.callback_metrics.items()}


def loss_of(outputs: Any) -> torch.Tensor | None:
    """Return the loss among what `training_step` returned, where there is one: not in manual optimization."""
    return outputs.get("loss") if isinstance(outputs, Mapping) else outputs


def set_metrics(trainer: Trainer, values: dict[str, torch.Tensor]) -> None:
    """Make callbacks see these metrics until others are logged."""
    connector = trainer._logger_connector
    connector._callback_metrics.update({name: value.to(trainer.strategy.root_device) for name, value in values.items()})


def of_each_process(value: Any, trainer: Trainer) -> list[Any]:
    """Return the values of all processes, by rank. All of them call it."""
    values = [value] * trainer.world_size
    if trainer.world_size > 1:
        dist.all_gather_object(values, value)
    return values
