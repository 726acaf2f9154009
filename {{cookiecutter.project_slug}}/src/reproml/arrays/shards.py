"""The files that the prepared inputs are written to: one `.npy` file, or shards of equal numbers of examples."""

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from math import prod
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from ..config.schema import Data
from .arrays import write_header
from .examples import Examples

Write = Callable[[np.ndarray, np.ndarray], Any]  # inputs (n, *shape) and targets (n,) -> written


class ShardWriter:
    """Takes chunks of any size and writes the inputs, file after file, in constant memory.

    `.npy` shards hold the inputs alone; Arrow shards hold the columns `input` (flat) and `target`.

    Args:
        folder: where the files appear.
        examples: how many there are, and the shape and type of one.
        data: how many bytes a shard may have, and its format.
    """

    def __init__(self, folder: Path, examples: Examples, data: Data) -> None:
        self.folder, self.examples, self.storage, self.targets = folder, examples, data.storage, data.targets
        self.size = examples.count  # of a shard, in examples
        if data.shard_bytes is not None:
            example_bytes = prod(examples.shape) * np.dtype(examples.dtype).itemsize
            self.size = max(1, min(examples.count, data.shard_bytes // example_bytes))
        self._written, self._open = 0, ExitStack()
        self._write: Write | None = None  # into the shard that is being filled
        self._digests: list[hashlib._Hash] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def description(self) -> dict[str, Any]:
        """Return what the manifest says of the shards; a stream is checked by what it yields."""
        digests = [digest.hexdigest() for digest in self._digests]
        return {"examples": self.size, **({"content_sha256": digests} if digests else {})}

    def write(self, inputs: np.ndarray, targets: np.ndarray) -> None:
        """Append inputs (n, *shape) and their targets (n,)."""
        while len(inputs):
            if self._write is None:
                self._write = self._begin()
            room = self.size - self._written % self.size
            self._write(inputs[:room], targets[:room])
            self._written += len(inputs[:room])
            inputs, targets = inputs[room:], targets[room:]
            if self._written % self.size == 0 or self._written == self.examples.count:
                self._open.close()
                self._write = None

    def _begin(self) -> Write:
        number, rows = self._written // self.size, min(self.size, self.examples.count - self._written)
        if self.storage == "arrow":
            return self._begin_arrow(self.folder / f"inputs-{number:05d}.arrow")
        name = "inputs.npy" if self.size == self.examples.count else f"inputs-{number:05d}.npy"
        file = self._open.enter_context((self.folder / name).open("wb"))
        write_header(file, np.dtype(self.examples.dtype), (rows, *self.examples.shape))
        return lambda inputs, targets: file.write(inputs.tobytes())

    def _begin_arrow(self, path: Path) -> Write:
        import pyarrow as pa

        length = prod(self.examples.shape)
        kind = pa.list_(pa.from_numpy_dtype(np.dtype(self.examples.dtype)), length)
        schema = pa.schema({"input": kind, "target": pa.from_numpy_dtype(np.dtype(self.targets.dtype))})
        file = self._open.enter_context(pa.OSFile(str(path), "wb"))
        stream = self._open.enter_context(pa.ipc.new_stream(file, schema))
        digest = hashlib.sha256()
        self._digests.append(digest)

        def write(inputs: np.ndarray, targets: np.ndarray) -> None:
            digest.update(inputs.data)
            flat = pa.FixedSizeListArray.from_arrays(pa.array(inputs.reshape(-1)), length)
            stream.write_batch(pa.record_batch([flat, pa.array(targets)], schema=schema))

        return write
