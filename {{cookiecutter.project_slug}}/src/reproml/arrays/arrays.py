"""Arrays that stay on the disk: written chunk by chunk, mapped into memory for reading, in one file or in shards."""

import mmap
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from ..errors import DataError


def write_header(file: IO[bytes], dtype: np.dtype, shape: Iterable[int]) -> None:
    """Write the head of a `.npy` file; the rows follow as bytes, in any number of chunks."""
    npy.write_array_header_2_0(
        file, {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": tuple(shape)}
    )


class MappedArray:
    """A memory-mapped `.npy` file, opened on first use.

    The system reads the parts that are asked for and takes their memory back when it is short. A copy in a worker
    process maps the file again instead of copying its content.

    Args:
        path: of the file.
        read_ahead: whether neighbours of the rows that are asked for will be wanted soon.
    """

    def __init__(self, path: Path, read_ahead: bool = False) -> None:
        self.path, self.read_ahead = path, read_ahead
        self._array: np.ndarray | None = None
        self._map: mmap.mmap | None = None
        self._size = 0  # of the file, when it was mapped

    def open(self) -> np.ndarray:
        """Return the whole array, mapped and not read.

        Raises:
            DataError: the file is missing or damaged, or its size has changed since: to read what was cut off would end
                the process at once.
        """
        if self._array is None or self._map is None:
            self._array, self._map = self._mapped()
            self._size = self._map.size()
        elif self._map.size() != self._size:
            raise DataError(
                f"{self.path} was overwritten while a run read it: make sure that nothing writes into "
                f"{self.path.parent}, and start the run again"
            )
        return self._array

    def _mapped(self) -> tuple[np.ndarray, mmap.mmap]:
        try:
            array = np.load(self.path, mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:  # it is shorter than its head says, say
            raise DataError(
                f"{self.path} is damaged or missing ({error}): run the command again to prepare it again"
            ) from error
        if not self.read_ahead and hasattr(mmap, "MADV_RANDOM"):  # not on Windows
            # batches are drawn in random order: reading ahead would read the file many times over
            array._mmap.madvise(mmap.MADV_RANDOM)
        return np.asarray(array), array._mmap  # a memmap would look for its file in each array that is made of it

    def rows(self, positions: np.ndarray) -> np.ndarray:
        """Return a copy of the rows at `positions` (n,), with shape (n, ...)."""
        return self.open().take(positions, axis=0)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_array": None, "_map": None}


class InMemoryArray:
    """An array in memory that is read like a mapped one."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def open(self) -> np.ndarray:
        """Return the whole array."""
        return self._array

    def rows(self, positions: np.ndarray) -> np.ndarray:
        """Return a copy of the rows at `positions` (n,), with shape (n, ...)."""
        return self._array[positions]


class Shards(ABC):
    """One long array whose rows lie in several shards, `size` in each; the last shard may hold fewer."""

    def __init__(self, size: int) -> None:
        self.size = size

    @abstractmethod
    def shard(self, number: int) -> np.ndarray:
        """Return the rows of one shard, with shape (rows, ...)."""

    def rows(self, positions: np.ndarray) -> np.ndarray:
        """Return a copy of the rows at `positions` (n,) of the whole, with shape (n, ...)."""
        numbers, inside = np.divmod(positions, self.size)
        gathered: np.ndarray | None = None
        for number in dict.fromkeys(numbers.tolist() or [0]):  # in the order in which the batch comes to them
            mine = numbers == number
            part = self.shard(number)[inside[mine]]
            if gathered is None:
                gathered = np.empty((len(positions), *part.shape[1:]), part.dtype)
            gathered[mine] = part
        assert gathered is not None
        return gathered


class MappedShards(Shards):
    """Shards that are `.npy` files, each mapped when the first of its rows is asked for."""

    def __init__(self, paths: Sequence[Path], size: int, read_ahead: bool = False) -> None:
        super().__init__(size)
        self.arrays = [MappedArray(path, read_ahead) for path in paths]

    def shard(self, number: int) -> np.ndarray:
        return self.arrays[number].open()
