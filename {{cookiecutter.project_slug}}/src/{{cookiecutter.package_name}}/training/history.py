"""The metric history of a run: one row for each epoch."""

import csv
import io
import logging
import time
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from ..files import write_text

log = logging.getLogger(__name__)


class History(Checkpoint):  # a checkpoint callback runs after the model has its metrics of the epoch
    """Keeps one row of metrics per epoch and writes them all to `metrics.csv`.

    The rows travel in the checkpoint. They hold no times, so equal runs write equal files. An epoch without validation
    has no validation metrics in its row; one with several has those of the last.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, float]] = []
        self._validation: dict[str, float] = {}  # of this epoch
        self._started = time.perf_counter()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._started = time.perf_counter()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._validation = _metrics(trainer, "validation/")

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        metrics = _metrics(trainer, "train/") | self._validation
        self._validation = {}
        rate = float(trainer.optimizers[0].param_groups[0]["lr"])
        self.rows.append({"epoch": trainer.current_epoch, "step": trainer.global_step, "lr": rate, **metrics})
        if trainer.is_global_zero:
            write_text(self.path, self._as_csv())
            shown = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
            log.info("epoch %d: %s (%.2f s)", trainer.current_epoch, shown, time.perf_counter() - self._started)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "validation": self._validation}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows, self._validation = state_dict["rows"], state_dict["validation"]

    def _as_csv(self) -> str:
        names = dict.fromkeys(name for row in self.rows for name in row)  # in order of first appearance
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()


def _metrics(trainer: Trainer, prefix: str) -> dict[str, float]:
    return {name: float(value) for name, value in sorted(trainer.callback_metrics.items()) if name.startswith(prefix)}
