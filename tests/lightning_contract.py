"""Prints as JSON where Lightning and torchmetrics are not what `reproml` relies on: of each part, what is wrong.

An environment's own Python runs it. A training of two short epochs is looked at from inside, and resumed from a
checkpoint inside an epoch and from one between two. Parts that are given as arguments are taken away first.
"""

import json
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sources import load_packages

load_packages()
import torch  # noqa: E402
from lightning import Callback, LightningModule, Trainer  # noqa: E402
from lightning.pytorch.loops.progress import _Progress  # noqa: E402
from lightning.pytorch.trainer.connectors.logger_connector.result import _ResultCollection, _Sync  # noqa: E402
from lightning.pytorch.utilities.combined_loader import CombinedLoader  # noqa: E402
from reproml import lightning_internals as internals  # noqa: E402
from reproml.training.sums import set_sums, sums  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402
from torchmetrics import MeanAbsoluteError, MeanSquaredError, MetricCollection  # noqa: E402

BATCHES, MIDDLE = 6, 3  # of an epoch; the one at whose end everything is looked at
# What is used by name, and its type then. `loop` is the loop of an epoch; most other names are the trainer's own.
CALLED: Any = Callable
PARTS: dict[str, Any] = {
    "loop.batch_progress.total.processed": int,
    "loop.batch_progress.total.ready": int,
    "loop.batch_progress.total.started": int,
    "loop.batch_progress.total.completed": int,
    "loop.batch_progress.current.processed": int,
    "loop.batch_progress.current.ready": int,
    "loop.batch_progress.is_last_batch": bool,
    "loop.batch_progress.reset_on_run": CALLED,
    "loop.scheduler_progress": _Progress,
    "loop.automatic_optimization.optim_progress.reset_on_run": CALLED,
    "loop.val_loop.batch_progress.total.reset": CALLED,
    "loop.restarting": bool,
    "loop._is_training_done": bool,
    "loop._should_accumulate": CALLED,
    "loop._build_kwargs": CALLED,
    "module._current_fx_name": str,
    "loop._should_check_val_fx": CALLED,
    "loop._results": _ResultCollection,
    "test_loop._results": _ResultCollection,
    "test_loop._results._forked_name": CALLED,
    "fit_loop.epoch_progress.current.ready": int,
    "fit_loop.restarted_on_epoch_start": bool,
    "fit_loop._restarting": bool,
    "fit_loop._data_fetcher": object,
    "fit_loop._combined_loader": CombinedLoader,
    "_signal_connector.received_sigterm": bool,
    "_active_loop": object,  # of a validation, see batch_in_hand
    "_logger_connector._first_loop_iter": bool,
    "_logger_connector._callback_metrics": dict,
    "module._trainer": Trainer,
    "loaders._mode": str,
    "result.meta.sync": _Sync,
    "result.meta.sync.group": type(None),
    "result.meta.sync.should": bool,
    "metric._defaults": dict,
    "metric._update_count": int,
    "metric._computed": object,
    "metric._forward_cache": torch.Tensor,
    "collection._groups": dict,
    "collection._groups_checked": bool,
    "collection._state_is_copy": bool,
    "collection._compute_groups_create_state_ref": CALLED,
}


TRAINERS = ("fit_loop", "test_loop", "_active_loop", "_logger_connector", "_signal_connector")


class Task(internals.QuickHooks):
    """Learns a line, and logs in each way that a checkpoint holds."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.metric = MeanSquaredError()
        self.collection = MetricCollection([MeanSquaredError(), MeanAbsoluteError()])
        self.in_hand: list[tuple[str, int]] = []
        self.begun = -1  # the last batch, as a hook of its own was told
        self.told: set[tuple[str | None, bool]] = set()  # the hook that runs in a step, and whether it has that batch

    def train_dataloader(self) -> Any:
        inputs = torch.arange(4 * BATCHES).float()[:, None] / BATCHES
        return DataLoader(TensorDataset(inputs, 2 * inputs), batch_size=4)

    def val_dataloader(self) -> Any:
        return DataLoader(TensorDataset(torch.ones(2, 1), torch.ones(2, 1)))

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        trainer = internals.trainer_of(self)
        assert trainer is not None
        self.in_hand.append(internals.batch_in_hand(trainer))
        return batch

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        self.begun = batch_idx

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        inputs, targets = batch
        self.told.add((self._current_fx_name, batch_idx == self.begun))
        outputs = self.layer(inputs)
        loss = torch.nn.functional.mse_loss(outputs, targets)
        self.metric(outputs, targets)
        self.collection(outputs, targets)
        self.log("loss", loss, on_step=True, on_epoch=True)
        self.log("largest", loss, on_step=False, on_epoch=True, reduce_fx="max")
        self.log("metric", self.metric, on_step=False, on_epoch=True)
        self.log_dict(self.collection, on_step=False, on_epoch=True)  # type: ignore[arg-type]
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("validation", self.layer(batch[0]).sum())

    def test_dataloader(self) -> Any:
        return [self.val_dataloader(), self.val_dataloader()]

    def test_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.metric(self.layer(batch[0]), batch[1])
        self.log("number", batch[1].sum())
        self.log("metric", self.metric, on_step=True, on_epoch=True)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.01)


class Look(Callback):
    """Looks at a training from inside, and notes what is not as it should be."""

    def __init__(self, folder: Path, wrong: dict[str, str], without: list[str]) -> None:
        self.folder, self.wrong, self.without = folder, wrong, without
        self.seen: list[tuple[int, int]] = []  # epoch and batch

    def expect(self, part: str, found: Any, wanted: Any) -> None:
        if found != wanted:
            self.wrong[part] = f"{found} and not {wanted}"

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        epoch = trainer.current_epoch
        self.seen.append((epoch, batch_idx))
        where = f"at the end of batch {batch_idx} of epoch {epoch}"
        self.expect(f"batches_done {where}", internals.batches_done(trainer), epoch * BATCHES + batch_idx + 1)
        self.expect(f"place_in_epoch {where}", internals.place_in_epoch(trainer), (epoch, batch_idx + 1))
        # two batches make a step, so after each second one, but not at the end of an epoch
        enterable = internals.can_be_entered_here(trainer)
        self.expect(f"can_be_entered_here {where}", enterable, batch_idx in (1, 3))
        if self.seen[-1] == (1, MIDDLE) and len(self.seen) > BATCHES:
            self.look(trainer, pl_module)
            trainer.save_checkpoint(self.folder / "inside.ckpt")

    def look(self, trainer: Trainer, model: Task) -> None:
        results, loaders = internals.epoch_results(trainer), internals.train_loaders(trainer)
        self.expect("train_loaders", loaders, [trainer.train_dataloader])
        logged = ("loss", "largest", "metric", "MeanSquaredError", "MeanAbsoluteError")
        self.expect("epoch_results", sorted(results), sorted(f"training_step.{name}" for name in logged))
        self.look_at_copies(trainer, model)
        combined = CombinedLoader(loaders, "max_size_cycle")
        self.expect("cycles", internals.cycles(combined), True)
        parts = SimpleNamespace(
            **{name: getattr(trainer, name, None) for name in TRAINERS},
            **{"loop": trainer.fit_loop.epoch_loop, "module": model, "loaders": combined},
            **{"result": results["training_step.loss"], "metric": model.metric, "collection": model.collection},
        )
        for part in self.without:
            owner, _, name = part.rpartition(".")
            each = attrgetter(owner)(parts)
            delattr(each if name in vars(each) else type(each), name)
        for part, kind in PARTS.items():
            try:
                self.expect(part, isinstance(attrgetter(part)(parts), kind), True)
            except AttributeError as error:
                self.wrong[part] = str(error)
        if self.without:
            print(json.dumps(self.wrong), flush=True)
            os._exit(0)  # without its parts, Lightning cannot even end

    def look_at_copies(self, trainer: Trainer, model: Task) -> None:
        """What is saved of a result makes an equal one, whose arguments `self.log` takes for its own."""
        results = internals.epoch_results(trainer)
        before = dict(results)
        values = {key: float(each.compute()) for key, each in before.items()}
        set_sums(trainer, model, sums(trainer, model))
        for key, each in results.items():
            self.expect(f"the copy of {key}", each is before[key], False)
            self.expect(f"the sum of {key}", float(each.compute()), values[key])
            self.expect(f"the arguments of {key}", each.meta, before[key].meta)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        internals.set_metrics(trainer, {"mine": torch.tensor(7.0)})
        self.expect("set_metrics", float(trainer.callback_metrics.get("mine", torch.tensor(0.0))), 7.0)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch == 1 and len(self.seen) == BATCHES:
            internals.forget_finished_epoch(trainer)
            self.expect("forget_finished_epoch", internals.place_in_epoch(trainer), (1, 0))
            trainer.save_checkpoint(self.folder / "between.ckpt")


class Resumed(Look):
    """Looks at how Lightning comes back."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        loop: Any = trainer.fit_loop.epoch_loop
        self.expect("restarting, in a resumed training", loop.restarting, True)
        self.begun = loop.batch_progress.current.ready  # in the epoch
        internals.begin_epoch_afresh(trainer)
        self.expect("restarting, after begin_epoch_afresh", loop.restarting, self.begun > 0)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if not self.seen:
            connector, fit_loop = trainer._logger_connector, trainer.fit_loop
            self.expect("_first_loop_iter, at the first batch", connector._first_loop_iter, True)
            if self.begun:
                self.expect("_restarting, at the first batch of a rest", fit_loop._restarting, True)
            internals.forget_resume(trainer)
            self.expect("forget_resume", (fit_loop._restarting, connector._first_loop_iter), (False, False))


def train(look: Look, checkpoint: Path | None = None) -> Task:
    """Train for two epochs, from a checkpoint if there is one, and test."""
    model = Task()
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=2,
        accumulate_grad_batches=2,
        num_sanity_val_steps=0,
        callbacks=[look],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    internals.leave_out_empty_hooks([look, model])
    look.expect("leave_out_empty_hooks", (look.on_before_backward, callable(look.on_train_batch_end)), (None, True))
    look.expect("its own hook", (model.on_train_batch_end, callable(model.on_train_batch_start)), (None, True))
    internals.read_signature_once(trainer)
    trainer.fit(model, ckpt_path=checkpoint)
    look.expect("QuickHooks and read_signature_once", model.told, {("training_step", True)})
    in_hand = [*model.in_hand]
    trainer.test(model, verbose=False)
    model.in_hand = in_hand
    logged = internals.logged_objects(trainer)
    look.expect(
        "logged_objects", logged, {f"metric_epoch/dataloader_idx_{number}": model.metric for number in range(2)}
    )
    look.expect("the names of logged_objects", logged.keys() <= trainer.callback_metrics.keys(), True)
    return model


def main(without: list[str]) -> None:
    """Look at a training, and at two that are resumed."""
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    wrong: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = Look(folder, wrong, without)
        in_hand = train(whole).in_hand
        wanted = []
        for epoch in range(2):
            wanted += [("train", epoch * BATCHES + batch) for batch in range(BATCHES)]
            wanted += [("RunningStage.VALIDATING", batch) for batch in range(2)]
        whole.expect("batch_in_hand", in_hand, wanted)
        for kind, first in (("inside", MIDDLE + 1), ("between", 0)):
            resumed = Resumed(folder, wrong, [])
            train(resumed, folder / f"{kind}.ckpt")
            rest = [(1, batch) for batch in range(first, BATCHES)]
            resumed.expect(f"the batches of a training resumed {kind} epochs", resumed.seen, rest)
    print(json.dumps(wrong))


if __name__ == "__main__":
    main(sys.argv[1:])
