"""Callbacks of a rehearsal: what each step began with, resume points everywhere, and what kills would leave."""

import os
import random
import shutil
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import Callback, LightningDataModule, LightningModule, Trainer

from ...lightning_internals import batches_done
from ...names import CHECKPOINTS
from ...training.resume import ResumePoint, batches_of, latest_valid
from .content import digest
from .state import held


@dataclass
class Seen:
    """What was seen of a training, by the number of the step, from 1.

    It is an object, and no plain attribute of a callback, so it stays out of checkpoints.
    """

    batches: dict[int, str] = field(default_factory=dict)  # digest of what a step learns from
    epochs: dict[int, int] = field(default_factory=dict)
    held: dict[int, dict[str, str]] = field(default_factory=dict)  # see state.py, before the step
    drawn: dict[int, dict[str, str]] = field(default_factory=dict)  # digests of the global generators after it
    validated: dict[str, str] = field(default_factory=dict)  # the same as `batches`, by place


class Witness(Callback):
    """Sees every batch, and what is held and drawn around each step.

    Args:
        data: the data of the training.
    """

    def __init__(self, data: LightningDataModule) -> None:
        self.data, self.seen = data, Seen()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        step = batches_done(trainer) + 1
        self.seen.batches[step], self.seen.epochs[step] = digest(batch), trainer.current_epoch
        self.seen.held[step] = held(trainer, pl_module, self.data)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.seen.drawn[batches_done(trainer)] = _generators()

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        place = f"after step {batches_done(trainer)}, loader {dataloader_idx}, batch {batch_idx}"
        self.seen.validated[place] = digest(batch)


class EveryBatch(ResumePoint):
    """Saves a resume point after every batch that can have one."""

    def _after_batch(self, trainer: Trainer) -> None:
        self._agree(trainer)
        super()._after_batch(trainer)


@dataclass
class Moments:
    """The run folder as a kill would have left it, copied at several moments.

    Args:
        folder: where the copies go.
    """

    folder: Path
    named: dict[str, str] = field(default_factory=dict)  # name of the copy -> what a person calls the moment

    def copy(self, run: Path, name: str, moment: str) -> None:
        """Copy the run folder, if it holds a resume point; a later copy of the same name replaces it."""
        point = latest_valid(run / CHECKPOINTS)
        if point is None:
            return
        shutil.rmtree(self.folder / name, ignore_errors=True)
        shutil.copytree(run, self.folder / name, copy_function=_copied)
        self.named.pop(name, None)  # they stand in their order
        self.named[name] = f"interrupted {moment}, resumed after {batches_of(point)} batches"


class Interruptions(Callback):
    """Copies the run folder inside two epochs, between them, and during a validation.

    Args:
        run: the folder of the run.
        moments: where the copies go.
    """

    def __init__(self, run: Path, moments: Moments) -> None:
        self.run, self.moments = Path(run), moments
        self._done: dict[str, set[int]] = defaultdict(set)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if (epoch := trainer.current_epoch) == 1:
            self.moments.copy(self.run, "between", f"between epochs {epoch - 1} and {epoch}")

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        epoch, half = trainer.current_epoch, trainer.num_training_batches / 2
        if epoch <= 1 and batch_idx >= half and epoch not in self._done["inside"]:
            self._done["inside"].add(epoch)
            self.moments.copy(self.run, f"inside-{epoch}", f"inside epoch {epoch}")

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if (epoch := trainer.current_epoch) <= 1:
            self.moments.copy(self.run, "validation", f"during the validation of epoch {epoch}")


def _copied(source: str, target: str) -> None:
    """Link a checkpoint, which is only ever replaced as a whole, and copy all else."""
    if source.endswith(".ckpt"):
        try:
            os.link(source, target)
            return
        except OSError:  # not on this disk
            pass
    shutil.copy2(source, target)


def _generators() -> dict[str, str]:
    """Return digests of the global generators, which show how often each was drawn from since the step was seeded."""
    on_gpu = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return {
        "PyTorch": digest([torch.get_rng_state(), *on_gpu]),
        "NumPy": digest(np.random.get_state(legacy=False)),
        "Python": digest(random.getstate()),
    }
