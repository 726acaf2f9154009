"""Inputs that are read as a stream: whole shards, from a folder or an address, checked as they arrive."""

import hashlib
import io
import json
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..config.schema import Data
from ..errors import DataError
from .arrays import InMemoryArray, Shards
from .prepare import MANIFEST, describes

_CHUNK = 4096  # examples that are copied at a time


class StreamedShards(Shards):
    """Arrow shards, read one after the other by the library `datasets`; the last few stay in memory.

    Args:
        place: a folder, or an address as fsspec knows it.
        manifest: of the prepared data.
        kept: how many shards stay in memory.
    """

    def __init__(self, place: str, manifest: dict[str, Any], kept: int) -> None:
        super().__init__(manifest["shards"]["examples"])
        self.place, self.kept = place, kept
        self.files = [name for name in manifest["files"] if name.endswith(".arrow")]
        self.digests: list[str] = manifest["shards"]["content_sha256"]
        self.examples: int = manifest["examples"]
        self.shape, self.dtype = tuple(manifest["input_shape"]), np.dtype(manifest["input_dtype"])
        self._stream: Any = None
        self._held: OrderedDict[int, np.ndarray] = OrderedDict()  # the one that was used last is at the end

    def shard(self, number: int) -> np.ndarray:
        """Return the inputs of one shard, with shape (rows, *shape).

        Raises:
            DataError: it cannot be read, or is not the one that the manifest names.
        """
        if number not in self._held:
            while len(self._held) >= self.kept:
                self._held.popitem(last=False)
            self._held[number] = self._read(number)
        self._held.move_to_end(number)
        return self._held[number]

    def _read(self, number: int) -> np.ndarray:
        rows = min(self.size, self.examples - number * self.size)
        inputs, start = np.empty((rows, *self.shape), self.dtype), 0
        with _explained(self.place, self.files[number]):
            for table in self._open().shard(len(self.files), number).iter(_CHUNK):
                part = table["input"].combine_chunks().flatten().to_numpy().reshape(-1, *self.shape)
                inputs[start : start + len(part)] = part
                start += len(part)
        if start != rows or hashlib.sha256(inputs.data).hexdigest() != self.digests[number]:
            raise DataError(
                f"{_join(self.place, self.files[number])} is not the file that {MANIFEST} names: prepare the data "
                "again, and copy all of the folder"
            )
        return inputs

    def _open(self) -> Any:
        if self._stream is None:
            # here, because it takes a second
            import datasets

            datasets.disable_progress_bars()
            files = [_join(self.place, name) for name in self.files]
            stream = datasets.load_dataset("arrow", data_files=files, split="train", streaming=True)
            self._stream = stream.select_columns("input").with_format("arrow")
        return self._stream

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_stream": None, "_held": OrderedDict()}


def fetch_manifest(data: Data) -> dict[str, Any]:
    """Return the manifest at the address `data.remote`.

    Raises:
        DataError: it is not there, is damaged, or was made from other settings.
    """
    place = str(data.remote)
    with _explained(place, MANIFEST):
        manifest = json.loads(_content(place, MANIFEST))
        if not describes(manifest, data):
            raise DataError(
                f"data.remote={place} holds data that was prepared with other settings or by other code: prepare it "
                "with those of this run and copy the folder there"
            )
    return manifest


def fetch_array(place: str, name: str, manifest: dict[str, Any]) -> InMemoryArray:
    """Return an array beside the inputs, such as the targets, which are small.

    Raises:
        DataError: it is not there, or is not the one that the manifest names.
    """
    with _explained(place, name):
        content = _content(place, name)
        if hashlib.sha256(content).hexdigest() != manifest["files"][name]["sha256"]:
            raise DataError(f"{_join(place, name)} is not the file that {MANIFEST} names: copy it again")
        return InMemoryArray(np.load(io.BytesIO(content)))


def _content(place: str, name: str) -> bytes:
    import fsspec

    with fsspec.open(_join(place, name), "rb") as file:
        content: bytes = file.read()
    return content


def _join(place: str, name: str) -> str:
    return f"{place.rstrip('/')}/{name}"


@contextmanager
def _explained(place: str, name: str) -> Iterator[None]:
    """Say in one sentence what keeps a file from being read. Every kind of storage has errors of its own."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(
            f"{_join(place, name)} cannot be read ({reason}): give the address of a folder that prepare.py made, "
            "as in data.remote=https://host/folder"
        ) from error
