"""The step trace of a run: enough digests to find the first step at which two runs differ.

`trace.jsonl` holds one line of JSON for each step, `[step, epoch, order, loss]`, where `order` is the CRC-32 of the
examples' positions in the batch (of the first process, as is the loss). After the first steps, and then after every so
many, a line `{"step": ..., "weights": {name: [digest, sample]}}` follows; the sample holds a few values, as the
hexadecimal digits of float32.

It is read without PyTorch, which takes seconds to load and which a report has no other need of.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError

FLOAT = np.dtype(">f4")  # the order in which people write the digits, on every machine


@dataclass
class Steps:
    """What a step trace holds: order and loss of each step, and by step a digest and a sample of each tensor."""

    order: dict[int, str | None] = field(default_factory=dict)
    loss: dict[int, float | None] = field(default_factory=dict)
    epoch: dict[int, int] = field(default_factory=dict)
    weights: dict[int, dict[str, tuple[str, list[float]]]] = field(default_factory=dict)


def read_trace(path: Path) -> Steps:
    """Return the content of a step trace.

    Raises:
        DataError: the file is missing or damaged.
    """
    steps = Steps()
    try:
        for entry in _entries(path.read_text(encoding="utf-8")):
            if isinstance(entry, dict):
                steps.weights[entry["step"]] = {
                    name: (digest, np.frombuffer(bytes.fromhex(sample), FLOAT).tolist())
                    for name, (digest, sample) in entry["weights"].items()
                }
            else:
                step, epoch, order, loss = entry
                if not (isinstance(step, int) and isinstance(epoch, int) and isinstance(order, str | None)):
                    raise ValueError(f"{str(entry)[:60]} is not a step")
                steps.epoch[step], steps.order[step] = epoch, order
                steps.loss[step] = None if loss is None else float(loss)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{path} is missing or damaged ({error}): the run cannot be compared step by step") from error
    return steps


def _entries(text: str) -> Iterator[Any]:
    """Yield what the lines hold. A kill can leave half a line as the last one, which is left out."""
    lines = text.splitlines(keepends=True)
    return (json.loads(line) for line in lines if line.endswith("\n"))


def kept_trace(path: Path, checkpoint: dict[str, Any]) -> bytes:
    """Return the beginning of a step trace that belongs to a checkpoint; what came after it is trained again.

    Args:
        path: of the step trace.
        checkpoint: which notes how long the step trace was, and its digest; nothing, where its run had none.

    Raises:
        DataError: that beginning was cut or altered, or is not there.
    """
    if (noted := checkpoint.get("step_trace")) is None:
        return b""
    try:
        with path.open("rb") as stream:
            kept = stream.read(noted["bytes"])
        if hashlib.sha256(kept).hexdigest() == noted["sha256"]:
            return kept
        reason = "was cut or altered"
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
    raise DataError(
        f"{path} {reason} since the training was interrupted, so it would not be the step trace of this run: "
        "restore the run's own file, or start another run from its weights: restore=warmstart "
        f"restore.run={path.parent}"
    )
