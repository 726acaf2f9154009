"""The metric history of a run: one row for each epoch."""

import logging
import time
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from ..files import write_text
from ..runs.tables import as_csv
from .console import epoch_line

log = logging.getLogger(__name__)


class History(Checkpoint):  # a checkpoint callback runs after the model has its metrics of the epoch
    """Keeps one row of metrics per epoch and writes them all to `metrics.csv`: everything that the epoch logged.

    Of a metric that is logged at single steps only, the row has the last value. An epoch without validation has no
    validation metrics in its row; one with several has those of the last. Epoch, step and learning rates are the row's
    own, whatever a task logs by these names. The rows travel in the checkpoint, with what an unfinished epoch has
    logged so far. They hold no times, so equal runs write equal files.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, float]] = []
        self._training: dict[str, float] = {}  # of this epoch
        self._validation: dict[str, float] = {}
        self._seen: dict[str, Any] = {}
        self._started = time.perf_counter()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._started = time.perf_counter()
        self._new(trainer)  # what is there now, an earlier epoch has logged
        self._training = {}

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._training |= self._new(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._validation = self._new(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        logged = self._training | self._new(trainer)
        own = {"epoch": trainer.current_epoch, "step": trainer.global_step, **_rates(trainer)}
        metrics = {name: logged[name] for name in sorted(logged)} | self._validation
        metrics = {name: value for name, value in metrics.items() if name not in own}  # `step` chooses a tracker's axis
        training = {name: value for name, value in metrics.items() if name not in self._validation}
        validation = {name: value for name, value in metrics.items() if name in self._validation}
        self._training, self._validation = {}, {}
        self.rows.append(own | metrics)
        if trainer.is_global_zero:
            write_text(self.path, as_csv(self.rows))
            seconds = time.perf_counter() - self._started
            log.info("%s", epoch_line(trainer.current_epoch, training, validation, seconds))

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self._training |= self._new(trainer)
        checkpoint["history"] = {"rows": self.rows, "training": self._training, "validation": self._validation}

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        held = checkpoint["history"]
        self.rows, self._training, self._validation = held["rows"], held["training"], held["validation"]

    def _new(self, trainer: Trainer) -> dict[str, float]:
        """Return what was logged since this was called last.

        Lightning keeps what earlier epochs have logged. Where a metric is logged again, it puts a new tensor.
        """
        # what a callback sends to the loggers by itself can hold times, such as ThroughputMonitor's
        logged = trainer.callback_metrics
        before, self._seen = self._seen, {name: it for name, it in trainer.logged_metrics.items() if name in logged}
        return {name: float(value) for name, value in sorted(self._seen.items()) if value is not before.get(name)}


def _rates(trainer: Trainer) -> dict[str, float]:
    """Return the learning rates: `lr`, and where there are more, those of each optimizer and group by their numbers."""
    found = {}
    for number, optimizer in enumerate(trainer.optimizers):
        for position, group in enumerate(optimizer.param_groups):
            places = [f"optimizer{number}"] * bool(number) + [f"group{position}"] * bool(position)
            found["/".join(["lr", *places])] = float(group["lr"])
    return found
