"""Resume points: checkpoints from which an interrupted run ends with the same bits."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities.model_helpers import is_overridden

from ..errors import ConfigError
from ..lightning_internals import batches_done, can_be_entered_here, forget_finished_epoch, hold_back_sigterm
from ..runs.folder import resume_points
from . import job
from .checkpoint import CHECKSUM, checksum
from .job import Due
from .sums import can_be_saved

log = logging.getLogger(__name__)

_KEPT = 2  # the newest, and one to fall back on
_LOOK_EVERY = 10  # batches; processes have to agree on a save, which costs them a message
# What the first save will take is not known: so many bytes a second, with an optimizer that keeps two numbers a weight
_BYTES_A_SECOND, _NUMBERS = 250_000_000, 3


class ResumePoint(Checkpoint):
    """Saves `resume-<batches>-<checksum>.ckpt` every so many seconds: inside an epoch where it can, or when one begins.

    A point of a large model takes long. Each then waits until all of them together take a small share of the time; with
    several processes, that of the first, which writes.

    When SIGTERM arrives, it saves another where the training stands. A Slurm job that has to end soon is put into the
    queue again after that; job.py knows the signals.

    Args:
        folder: for the files.
        every_seconds: how often it saves; 0: whenever it can.
        max_restarts: how often a Slurm job may be started again.
        max_share: of the time that saving may take, unless `every_seconds` is 0.
    """

    def __init__(self, folder: str, every_seconds: float, max_restarts: int, max_share: float = 0.02) -> None:
        if not every_seconds >= 0:
            raise ConfigError(f"callbacks.resume_point.every_seconds={every_seconds} must be 0 or greater")
        if not 0 < max_share <= 1:
            raise ConfigError(f"callbacks.resume_point.max_share={max_share} must be above 0 and at most 1")
        if max_restarts < 0:
            raise ConfigError(f"callbacks.resume_point.max_restarts={max_restarts} must be 0 or greater")
        self.folder, self.every_seconds, self.max_restarts = Path(folder), every_seconds, max_restarts
        self.max_share = max_share
        self._began = self._saved = time.monotonic()
        self._took = self._spent = 0.0  # seconds, to save the last one (or what the first may take), and all of them
        self._due = Due.NOTHING  # the same in all processes
        self._follows = False  # a hook of the model's
        self.lost: Callable[[], list[str]] = list  # names of attributes that a checkpoint cannot hold at the moment
        self._waits = False  # for the next epoch, since there are some
        self._held_back = False  # SIGTERM, until a point can be saved

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        job.check_restarts(self.max_restarts)
        job.listen_to_sigterm(trainer.world_size)
        self._began = self._saved = time.monotonic()
        size = sum(each.numel() * each.element_size() for each in pl_module.parameters())
        self._took = _NUMBERS * size / _BYTES_A_SECOND
        self._follow(trainer, pl_module)

    def _follow(self, trainer: Trainer, model: LightningModule) -> None:
        """Come after the model's own hook at the end of a batch, which Lightning runs after those of all callbacks."""
        if not self._follows and is_overridden("on_train_batch_end", model):
            hook = model.on_train_batch_end

            @wraps(hook)
            def call(*arguments: Any, **named: Any) -> None:
                hook(*arguments, **named)
                self._after_batch(trainer)

            model.on_train_batch_end = call  # type: ignore[method-assign]
            self._follows = True

    def save_between_epochs(self, trainer: Trainer) -> None:
        """Save, if it is time, before any hook of the next epoch has run: after a resume all of them run again."""
        self._waits = False
        self._agree(trainer)
        if self._due and batches_done(trainer):
            forget_finished_epoch(trainer)
            self._save(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if not self._follows:
            self._after_batch(trainer)

    def _after_batch(self, trainer: Trainer) -> None:
        alone = trainer.world_size == 1
        if (alone and job.told()) or batches_done(trainer) % _LOOK_EVERY == 0:
            self._agree(trainer)
        if alone and (trainer.received_sigterm or self._held_back):
            self._held_back = hold_back_sigterm(trainer)
        stopping = alone and trainer.received_sigterm  # Lightning itself ends the run after this batch
        if (stopping or self._due) and not self._waits and can_be_entered_here(trainer) and can_be_saved(trainer):
            if lost := self.lost():
                self._wait(lost)
            else:
                self._save(trainer)

    def _wait(self, lost: list[str]) -> None:
        self._waits = True
        log.warning(
            "no resume point is saved before the next epoch: a checkpoint cannot hold what is now in %s; keep numbers, "
            "text, tensors, arrays, and lists or dictionaries of them there, and make objects of your own in __init__",
            ", ".join(lost),
        )

    def _agree(self, trainer: Trainer) -> None:
        late = trainer.is_global_zero and self._is_time()
        self._due = max(self._due, job.told(), Due.SAVE if late else Due.NOTHING)
        if trainer.world_size > 1:
            own = torch.tensor(self._due, device=trainer.strategy.root_device)
            self._due = Due(int(trainer.strategy.reduce(own, reduce_op="max")))

    def _is_time(self) -> bool:
        """Whether to save: all points and one that takes as long as the last would have their share of the time."""
        now = time.monotonic()
        if now - self._saved < self.every_seconds:
            return False
        within = self._spent + self._took <= self.max_share * (now + self._took - self._began)
        return within or not self.every_seconds

    def _save(self, trainer: Trainer) -> None:
        began = time.monotonic()
        name = f"resume-{batches_done(trainer):010d}-{CHECKSUM}.ckpt"
        trainer.save_checkpoint(self.folder / name, weights_only=False)
        if trainer.is_global_zero:
            for path in resume_points(self.folder)[_KEPT:]:
                path.unlink()
        if self._due > Due.SAVE:
            job.leave(self._due, trainer, self.max_restarts, str(self.folder.parent))
        self._saved, self._due = time.monotonic(), Due.NOTHING
        self._took = self._saved - began
        self._spent += self._took


def batches_of(path: Path) -> int:
    """Return how many batches were trained on when a resume point was saved."""
    return int(path.stem.split("-")[1])


def latest_valid(folder: Path) -> Path | None:
    """Return the newest resume point whose content has the checksum of its name, or None. Damaged ones are named."""
    for path in resume_points(folder):
        with suppress(OSError):  # it cannot be read
            if checksum(path) == path.stem.rpartition("-")[2]:
                return path
        log.warning("%s is damaged: the previous one is used", path)
    return None
