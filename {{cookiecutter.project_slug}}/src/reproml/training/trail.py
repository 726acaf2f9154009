"""The trail of a training: enough digests to find the first step at which two runs differ.

`trail.jsonl` holds one line of JSON for each step, `[step, epoch, order, loss]`, where `order` is the CRC-32 of the
examples' positions in the batch (of the first process, as is the loss). After the first steps, and then after every so
many, a line `{"step": ..., "weights": {name: [digest, sample]}}` follows; the sample holds a few values, as the
hexadecimal digits of float32.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer

from ..errors import ConfigError, DataError
from ..files import write_text
from ..names import TRAIL
from ..runs.digest import tensor_digest
from .loop import batches_done, loss_of, order_digests

_SAMPLE = 8
_FLOAT = np.dtype(">f4")  # the order in which people write the digits, on every machine
_FIRST_STEPS = 10  # most causes show at once, and there the first layer that differs says most


class Trail(Callback):
    """Writes the trail.

    Args:
        folder: of the run.
        every_n_steps: how often the weights are digested; order and loss are noted at each step.
    """

    def __init__(self, folder: str, every_n_steps: int) -> None:
        if every_n_steps < 1:
            raise ConfigError(f"callbacks.trail.every_n_steps={every_n_steps} must be 1 or greater")
        self.path, self.every_n_steps = Path(folder) / TRAIL, every_n_steps
        self._resumed_at = 0
        self._waiting: list[tuple[int, int, str | None, torch.Tensor | None]] = []
        self._file: IO[str] | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        kept = _lines_until(self.path, self._resumed_at) if self._resumed_at else []
        write_text(self.path, "".join(kept))
        self._file = self.path.open("a", encoding="utf-8", newline="\n")
        if not self._resumed_at:
            self._note_weights(0, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._file is None:
            return
        step = batches_done(trainer)
        digests = order_digests(trainer)
        self._waiting.append((step, trainer.current_epoch, digests.pop(batch_idx, None), loss_of(outputs)))
        if step <= _FIRST_STEPS or step % self.every_n_steps == 0:
            self._note_steps()
            self._note_weights(step, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._file is not None:
            self._bring_to_disk()
            self._file.close()
            self._file = None

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self._bring_to_disk()  # a run that goes on from this checkpoint counts on the lines up to here

    def _bring_to_disk(self) -> None:
        if self._file is not None:
            self._note_steps()
            self._file.flush()
            os.fsync(self._file.fileno())

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self._resumed_at = checkpoint["batches"]

    def _note_steps(self) -> None:
        """Write the waiting steps. Reading a loss makes a GPU wait, so it is done for many at once."""
        for step, epoch, order, loss in self._waiting:
            value = None if loss is None or not loss.isfinite() else float(loss)
            print(json.dumps([step, epoch, order, value]), file=self._file)
        self._waiting.clear()

    def _note_weights(self, step: int, model: LightningModule) -> None:
        weights = {
            name: [tensor_digest(tensor)[:16], sample(tensor).tobytes().hex()]
            for name, tensor in model.state_dict().items()
        }
        print(json.dumps({"step": step, "weights": weights}), file=self._file)


@dataclass
class Steps:
    """A trail that was read: by step, the order and the loss of each, and the digest and a sample of each tensor."""

    order: dict[int, str | None] = field(default_factory=dict)
    loss: dict[int, float | None] = field(default_factory=dict)
    epoch: dict[int, int] = field(default_factory=dict)
    weights: dict[int, dict[str, tuple[str, list[float]]]] = field(default_factory=dict)


def read_trail(path: Path) -> Steps:
    """Return the content of a trail.

    Raises:
        DataError: the file is missing or damaged.
    """
    steps = Steps()
    try:
        for entry in _entries(path.read_text(encoding="utf-8")):
            if isinstance(entry, dict):
                steps.weights[entry["step"]] = {
                    name: (digest, np.frombuffer(bytes.fromhex(sample), _FLOAT).tolist())
                    for name, (digest, sample) in entry["weights"].items()
                }
            else:
                step = entry[0]
                steps.epoch[step], steps.order[step], steps.loss[step] = entry[1:]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is missing or damaged ({error}): the run cannot be compared step by step") from error
    return steps


def _entries(text: str) -> Iterator[Any]:
    """Yield what the lines hold. A kill can leave half a line as the last one, which is left out."""
    lines = text.splitlines(keepends=True)
    return (json.loads(line) for line in lines if line.endswith("\n"))


def _lines_until(path: Path, last: int) -> list[str]:
    """Return the lines up to a step; what a kill left behind it is dropped."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    steps = (entry["step"] if isinstance(entry, dict) else entry[0] for entry in _entries(text))
    return [line for line, step in zip(text.splitlines(keepends=True), steps, strict=False) if step <= last]


def sample(tensor: torch.Tensor) -> np.ndarray:
    """Return up to eight values of a tensor, spread evenly over it, as float32."""
    flat = tensor.detach().reshape(-1)
    count = min(_SAMPLE, flat.numel())
    positions = torch.arange(count, device=flat.device) * (flat.numel() - 1) // max(1, count - 1)
    return flat[positions].float().cpu().numpy().astype(_FLOAT)
