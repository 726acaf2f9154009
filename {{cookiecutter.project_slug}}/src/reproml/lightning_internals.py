"""All that this project uses of Lightning's private and undocumented parts, and nothing else in it does.

Lightning's version is pinned exactly. Each function says what it relies on. The template's tests check that on a small
training, so an update of Lightning that changes a part fails there, by the name of the part.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import torch
from lightning import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.trainer.connectors.logger_connector.result import _Metadata, _ResultMetric, _Sync
from lightning.pytorch.utilities.combined_loader import CombinedLoader
from lightning.pytorch.utilities.signature_utils import is_param_in_hook_signature

# What `self.log` was called with, as far as it is plain.
_PLAIN = ("fx", "name", "prog_bar", "logger", "on_step", "on_epoch", "enable_graph", "add_dataloader_idx",
          "dataloader_idx", "metric_attribute")  # fmt: skip
_EVERY_STEP = ("on_train_batch_start", "on_before_zero_grad", "on_before_backward", "on_after_backward",
               "on_before_optimizer_step", "on_train_batch_end")  # fmt: skip


def batches_done(trainer: Trainer) -> int:
    """Return how many training batches were processed since the start of the training, over all epochs.

    Of Lightning's counters, `total.processed` is the one that is right again after a resume. It counts a batch before
    the hooks at its end run.
    """
    return trainer.fit_loop.epoch_loop.batch_progress.total.processed  # type: ignore[attr-defined]


def place_in_epoch(trainer: Trainer) -> tuple[int, int]:
    """Return the epoch, and how many of its batches were processed: `current.processed` is set back for each epoch."""
    return trainer.current_epoch, trainer.fit_loop.epoch_loop.batch_progress.current.processed  # type: ignore[attr-defined]


def batch_in_hand(trainer: Trainer) -> tuple[str, int]:
    """Return what the batch before its step is for, and its number: of all in a training, else in this pass.

    The loop that runs is `_active_loop`; its `current.ready` does not yet count the batch that is being transferred.
    """
    if trainer.training:
        return "train", batches_done(trainer)
    return str(trainer.state.stage), trainer._active_loop.batch_progress.current.ready  # type: ignore[union-attr]


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


def hold_back_sigterm(trainer: Trainer) -> bool:
    """Have Lightning end a run that SIGTERM has reached after the batches whose gradients it adds up, and say whether.

    It would end it between two of them, where no checkpoint can be saved. It looks at `received_sigterm`.
    """
    held_back = trainer.fit_loop.epoch_loop._should_accumulate()
    trainer._signal_connector.received_sigterm = not held_back
    return held_back


def _watches_steps(scheduler: Any) -> bool:
    return scheduler.reduce_on_plateau and scheduler.interval == "step"


def forget_finished_epoch(trainer: Trainer) -> None:
    """Set the counters of the epoch to 0 by `reset_on_run`, as Lightning does itself when the next one begins.

    A checkpoint saved between two epochs would otherwise have the next one taken for done.
    """
    loop: Any = trainer.fit_loop.epoch_loop
    for progress in (loop.batch_progress, loop.scheduler_progress, loop.automatic_optimization.optim_progress):
        progress.reset_on_run()
    loop.val_loop.batch_progress.total.reset()


def begin_epoch_afresh(trainer: Trainer) -> None:
    """Tell the loop, when it was restored between two epochs, that it does not restart inside one.

    Both loops are `restarting` then, and the first has decided `restarted_on_epoch_start` from its counters.
    """
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


def forget_resume(trainer: Trainer) -> None:
    """Have Lightning take the epoch from here on for one that was never interrupted.

    With `_first_loop_iter` it would reset all sums of the epoch at the first batch after a resume, and with
    `_restarting` leave out the update of plateau schedulers at the end of that epoch.
    """
    trainer.fit_loop._restarting = False
    if trainer._logger_connector._first_loop_iter:  # inside an epoch: a batch has begun
        trainer._logger_connector._first_loop_iter = False


def leave_out_empty_hooks(owners: Iterable[LightningModule | Callback]) -> None:
    """Spare a step the hooks that a module and callbacks do not have: there are six, which each inherits empty.

    Lightning leaves out what is not `callable`, before it makes a name for the profiler and calls.
    """
    for owner in owners:
        base = LightningModule if isinstance(owner, LightningModule) else Callback
        for name in _EVERY_STEP:
            if name not in vars(owner) and getattr(type(owner), name) is getattr(base, name):
                setattr(owner, name, None)


def read_signature_once(trainer: Trainer) -> None:
    """Have Lightning look once, and not at each step, whether `training_step` takes the number of the batch.

    `_build_kwargs` makes the arguments of a step, and inspects its signature for that.
    """

    @lru_cache(maxsize=1)
    def takes_number(step: Any) -> bool:
        return is_param_in_hook_signature(step, "batch_idx", min_args=2)

    def arguments(found: dict[str, Any], batch: Any, batch_idx: int) -> dict[str, Any]:
        found["batch"] = batch
        if takes_number(trainer.lightning_module.training_step):
            found["batch_idx"] = batch_idx
        return found

    trainer.fit_loop.epoch_loop._build_kwargs = arguments  # type: ignore[method-assign, assignment]


class QuickHooks(LightningModule):
    """A module that is told quickly which of its hooks runs.

    Lightning sets `_current_fx_name` before and after each hook, some forty times a step, and PyTorch would look each
    time whether that is a parameter, a buffer or a submodule.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)


def set_metrics(trainer: Trainer, values: dict[str, torch.Tensor]) -> None:
    """Make callbacks see these metrics until others are logged: `callback_metrics` adds to `_callback_metrics`."""
    connector = trainer._logger_connector
    connector._callback_metrics.update({name: value.to(trainer.strategy.root_device) for name, value in values.items()})


def epoch_results(trainer: Trainer) -> dict[str, _ResultMetric]:
    """Return what Lightning sums up of `self.log` in this epoch of the training, by hook and name.

    It is its own dictionary: what is put there, Lightning takes for logged. Each result is a metric of torchmetrics.
    """
    return trainer.fit_loop.epoch_loop._results


def logged_objects(trainer: Trainer) -> dict[str, Any]:
    """Return the metrics of torchmetrics that the last test has logged as objects, by the name of what they gave.

    The results of a test stay until the next one; `_forked_name` is how Lightning calls one for callbacks.
    """
    results = trainer.test_loop._results
    return {results._forked_name(each, False)[1]: each.value for each in results.values() if not each.is_tensor}


def shared_by_a_group(result: _ResultMetric) -> bool:
    """Whether a result is that of some of the processes, which `self.log(sync_dist_group=...)` has named."""
    return result.meta.sync.group is not None


def described(result: _ResultMetric) -> dict[str, Any]:
    """Return what tells a result from others, in plain types: how it was logged, and not what it has summed up."""
    meta = result.meta
    entry = {name: getattr(meta, name) for name in _PLAIN}
    entry |= {"reduce": meta.reduce_fx.__name__, "sync": meta.sync.should, "zero_only": meta.sync.rank_zero_only}
    return entry | {"op": meta.sync.op, "has_reset": result.has_reset, "is_tensor": result.is_tensor}


def result_of(entry: dict[str, Any], trainer: Trainer, model: LightningModule) -> _ResultMetric:
    """Return a new result from what `described` returned.

    `self.log` compares its arguments with those that it finds under the same name, `sync` among them, and refuses
    others. Of a metric object, the result holds the object itself as its `value`.
    """
    meta = _Metadata(**{name: entry[name] for name in _PLAIN}, reduce_fx=getattr(torch, entry["reduce"]))
    meta.sync = _Sync(
        fn=trainer.strategy.reduce, _should=entry["sync"], rank_zero_only=entry["zero_only"], _op=entry["op"]
    )
    result = _ResultMetric(meta, entry["is_tensor"])
    if not entry["is_tensor"]:
        result.value = model.get_submodule(entry["metric_attribute"])
    result.has_reset = entry["has_reset"]
    return result


def train_loaders(trainer: Trainer) -> list[Any]:
    """Return the training loaders, one after the other: `_combined_loader` is None before Lightning asks for them."""
    combined = trainer.fit_loop._combined_loader
    return [] if combined is None else combined.flattened


def cycles(loaders: CombinedLoader) -> bool:
    """Whether shorter loaders begin again until the longest one is done: its mode, which only `_mode` tells."""
    return loaders._mode == "max_size_cycle"


def trainer_of(source: LightningModule | LightningDataModule) -> Trainer | None:
    """Return the trainer that a module works for. Without one, `LightningModule.trainer` raises; `_trainer` is None."""
    return source._trainer if isinstance(source, LightningModule) else source.trainer
