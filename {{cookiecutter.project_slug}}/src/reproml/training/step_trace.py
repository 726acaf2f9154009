"""Writes the step trace of a training, which runs/trace.py describes and reads."""

import hashlib
import json
import os
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer

from ..errors import ConfigError
from ..files import write_bytes
from ..lightning_internals import batches_done
from ..names import TRACE
from ..runs.digest import tensor_digest
from ..runs.trace import FLOAT, kept_trace
from .steps import loss_of

_SAMPLE = 8
_EVERY, _NUMBERS = 100, 10_000_000  # steps, for a model of up to so many numbers
_FIRST_STEPS = 10  # most causes show at once, and there the first layer that differs says most


class StepTrace(Callback):
    """Writes the step trace.

    Args:
        folder: of the run.
        every_n_steps: how often the weights are digested; order and loss are noted at each step. None: every 100 steps,
            and of a model with more than ten million numbers as much more rarely as it is larger.
    """

    def __init__(self, folder: str, every_n_steps: int | None = None) -> None:
        if every_n_steps is not None and every_n_steps < 1:
            raise ConfigError(f"callbacks.step_trace.every_n_steps={every_n_steps} must be 1 or greater")
        self.path, self.every_n_steps = Path(folder) / TRACE, every_n_steps
        self._resumed: dict[str, Any] | None = None  # what a checkpoint notes
        self._size, self._digest = 0, hashlib.sha256()  # of what is in the file
        self._waiting: list[tuple[int, int, str | None, torch.Tensor | None]] = []
        self._file: IO[bytes] | None = None
        self._every = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        kept = b"" if self._resumed is None else kept_trace(self.path, self._resumed)
        write_bytes(self.path, kept)
        self._size, self._digest = len(kept), hashlib.sha256(kept)
        self._every = self.every_n_steps or _by_size(pl_module)
        self._file = self.path.open("ab")
        if self._resumed is None:
            self._note_weights(0, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._file is None:
            return
        step = batches_done(trainer)
        digests = _order_digests(trainer)
        self._waiting.append((step, trainer.current_epoch, digests.pop(batch_idx, None), loss_of(outputs)))
        if step <= _FIRST_STEPS or step % self._every == 0:
            self._note_steps()
            self._note_weights(step, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._file is not None:
            self._bring_to_disk()
            self._file.close()
            self._file = None

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self._bring_to_disk()  # a run that resumes from this checkpoint needs the lines up to here
        if trainer.is_global_zero:
            checkpoint["step_trace"] = {"bytes": self._size, "sha256": self._digest.hexdigest()}

    def _bring_to_disk(self) -> None:
        if self._file is not None:
            self._note_steps()
            self._file.flush()
            os.fsync(self._file.fileno())

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self._resumed = {"step_trace": checkpoint.get("step_trace")}

    def _note_steps(self) -> None:
        """Write the waiting steps. Reading a loss makes a GPU wait, so it is done for many at once."""
        for step, epoch, order, loss in self._waiting:
            value = None if loss is None or not loss.isfinite() else float(loss)
            self._write([step, epoch, order, value])
        self._waiting.clear()

    def _note_weights(self, step: int, model: LightningModule) -> None:
        weights = {
            name: [tensor_digest(tensor)[:16], sample(tensor).tobytes().hex()]
            for name, tensor in model.state_dict().items()
        }
        self._write({"step": step, "weights": weights})

    def _write(self, entry: Any) -> None:
        assert self._file is not None
        line = f"{json.dumps(entry)}\n".encode()
        self._file.write(line)
        self._size += len(line)
        self._digest.update(line)


def _by_size(model: LightningModule) -> int:
    """Return how often to digest the weights: the size alone decides, so traces of the same model can be compared."""
    numbers = sum(tensor.numel() for tensor in model.state_dict().values())
    return _EVERY * max(1, round(numbers / _NUMBERS))


def _order_digests(trainer: Trainer) -> dict[int, str]:
    """Return the digests of the indices in each batch so far, by its number. Using one removes it.

    Several loaders have several orders, and give none.
    """
    loader = trainer.train_dataloader
    samplers: list[Any] = [getattr(loader, name, None) for name in ("batch_sampler", "sampler")]
    return next((sampler.digests for sampler in samplers if hasattr(sampler, "digests")), {})


def sample(tensor: torch.Tensor) -> np.ndarray:
    """Return up to eight values of a tensor, spread evenly over it, as float32."""
    flat = tensor.detach().reshape(-1)
    count = min(_SAMPLE, flat.numel())
    positions = torch.arange(count, device=flat.device) * (flat.numel() - 1) // max(1, count - 1)
    return flat[positions].float().cpu().numpy().astype(FLOAT)
