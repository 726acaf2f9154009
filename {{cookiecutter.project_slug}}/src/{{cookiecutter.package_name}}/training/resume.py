"""Resume points: checkpoints inside an epoch from which an interrupted run ends with the same bits.

A point is saved only where Lightning's loop can be entered again without repeating or leaving out anything: after an
optimizer step, not on the last batch of an epoch, and not on a batch after which a validation is due.
"""

import logging
import time
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from ..errors import ConfigError
from .callbacks import batches_done
from .checkpoint import CHECKSUM, checksum

log = logging.getLogger(__name__)

_KEPT = 2  # the newest, and one to fall back on
_LOOK_EVERY = 10  # batches; processes have to agree on a save, which costs them a message


class ResumePoint(Checkpoint):
    """Saves `resume-<batches>-<checksum>.ckpt` every so many seconds of training, and when SIGTERM arrives."""

    def __init__(self, folder: str, every_seconds: float) -> None:
        if not every_seconds >= 0:
            raise ConfigError(f"callbacks.resume_point.every_seconds={every_seconds} must be 0 or greater")
        self.folder, self.every_seconds = Path(folder), every_seconds
        self._saved = time.monotonic()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._saved = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        stopping = trainer.received_sigterm and trainer.world_size == 1
        if not (stopping or (batch_idx + 1) % _LOOK_EVERY == 0) or not _can_be_entered_again(trainer):
            return
        due = time.monotonic() - self._saved >= self.every_seconds
        if stopping or trainer.strategy.reduce_boolean_decision(due, all=False):
            name = f"resume-{batches_done(trainer):010d}-{CHECKSUM}.ckpt"
            trainer.save_checkpoint(self.folder / name, weights_only=False)
            self._saved = time.monotonic()
            if trainer.is_global_zero:
                for path in resume_points(self.folder)[_KEPT:]:
                    path.unlink()


def _can_be_entered_again(trainer: Trainer) -> bool:
    loop = trainer.fit_loop.epoch_loop
    return not (
        loop.batch_progress.is_last_batch
        or loop._num_ready_batches_reached()
        or loop._should_accumulate()
        or loop._should_check_val_fx(trainer.fit_loop._data_fetcher)  # type: ignore[arg-type]
    )


def resume_points(folder: Path) -> list[Path]:
    """Return the resume points in a folder, the newest first."""
    return sorted(folder.glob("resume-*.ckpt"), reverse=True)


def batches_of(path: Path) -> int:
    """Return how many batches were trained on when a resume point was saved."""
    return int(path.stem.split("-")[1])


def newest_whole(folder: Path) -> Path | None:
    """Return the newest resume point whose content has the checksum of its name, or None. Damaged ones are named."""
    for path in resume_points(folder):
        if checksum(path.read_bytes()) == path.stem.rpartition("-")[2]:
            return path
        log.warning("%s is damaged: the one before it is used", path)
    return None


def clear(folder: Path) -> None:
    """Remove resume points, and parts of files that a kill left behind."""
    for path in [*resume_points(folder), *folder.glob(".*.part")]:
        path.unlink()
