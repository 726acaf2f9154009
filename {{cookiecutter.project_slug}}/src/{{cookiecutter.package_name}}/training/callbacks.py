"""Callbacks of every run: keyed randomness, and the metric history."""

import csv
import io
import logging
import sys
import time
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, TQDMProgressBar

from ..files import write_text
from .randomness import seed_everything

log = logging.getLogger(__name__)


class StepSeed(Callback):
    """Makes the randomness of a step (dropout, noise) a function of the seed, the step and the process."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        # batches counted from the start of the training; unlike `batch_idx` it goes on over the epochs
        step = trainer.fit_loop.epoch_loop.batch_progress.total.processed  # type: ignore[attr-defined]
        seed_everything(self.seed, "step", step, trainer.global_rank)


class History(Checkpoint):  # a checkpoint callback runs after the model has its metrics of the epoch
    """Keeps one row of metrics per epoch and writes them all to `metrics.csv`.

    The rows travel in the checkpoint. They hold no times, so equal runs write equal files.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, float]] = []
        self._started = 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._started = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        metrics = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        rate = float(trainer.optimizers[0].param_groups[0]["lr"])
        self.rows.append({"epoch": trainer.current_epoch, "step": trainer.global_step, "lr": rate, **metrics})
        if trainer.is_global_zero:
            write_text(self.path, self._as_csv())
            shown = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
            log.info("epoch %d: %s (%.1f s)", trainer.current_epoch, shown, time.perf_counter() - self._started)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]

    def _as_csv(self) -> str:
        names = dict.fromkeys(name for row in self.rows for name in row)  # in order of first appearance
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()


class ProgressBar(TQDMProgressBar):
    """Lightning's bar, on a terminal only: in a log file it would be noise."""

    def __init__(self, refresh_rate: int = 20) -> None:
        super().__init__(refresh_rate=refresh_rate if sys.stderr.isatty() else 0)

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        items = super().get_metrics(trainer, pl_module)
        items.pop("v_num", None)
        return items  # type: ignore[return-value]
