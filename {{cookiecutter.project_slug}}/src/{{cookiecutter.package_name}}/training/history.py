"""The metric history of a run: one row for each epoch."""

import csv
import io
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from ..files import write_text
from .loop import just_logged

log = logging.getLogger(__name__)


class History(Checkpoint):  # a checkpoint callback runs after the model has its metrics of the epoch
    """Keeps one row of metrics per epoch and writes them all to `metrics.csv`.

    It keeps whatever the task logs, by the names that it logs it with. The rows travel in the checkpoint. They hold no
    times, so equal runs write equal files. An epoch without validation has no validation metrics in its row; one with
    several has those of the last.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, float]] = []
        self._validation: dict[str, float] = {}  # of this epoch
        self._validated: set[str] = set()  # the names that validations have logged
        self._started = time.perf_counter()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._started = time.perf_counter()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._validation = _as_numbers(just_logged(trainer))
        self._validated |= self._validation.keys()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        logged = _as_numbers(trainer.callback_metrics)
        # what is left of an earlier epoch's validation is not of this one
        metrics = {name: value for name, value in logged.items() if name not in self._validated} | self._validation
        self._validation = {}
        rate = float(trainer.optimizers[0].param_groups[0]["lr"])
        self.rows.append({"epoch": trainer.current_epoch, "step": trainer.global_step, "lr": rate, **metrics})
        if trainer.is_global_zero:
            write_text(self.path, self._as_csv())
            shown = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
            log.info("epoch %d: %s (%.2f s)", trainer.current_epoch, shown, time.perf_counter() - self._started)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "validation": self._validation, "validated": sorted(self._validated)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows, self._validation = state_dict["rows"], state_dict["validation"]
        self._validated = set(state_dict.get("validated", ()))  # an earlier version kept none

    def _as_csv(self) -> str:
        names = dict.fromkeys(name for row in self.rows for name in row)  # in order of first appearance
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()


def _as_numbers(metrics: Mapping[str, torch.Tensor]) -> dict[str, float]:
    return {name: float(value) for name, value in sorted(metrics.items())}
