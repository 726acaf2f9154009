"""Arrays that stay on the disk: written chunk by chunk, mapped into memory for reading."""

import mmap
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy


def write_header(file: IO[bytes], dtype: np.dtype, shape: Iterable[int]) -> None:
    """Write the head of a `.npy` file; the rows follow as bytes, in any number of chunks."""
    npy.write_array_header_2_0(
        file, {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": tuple(shape)}
    )


class MappedArray:
    """A memory-mapped `.npy` file, opened on first use.

    The system reads the parts that are asked for and takes their memory back when it is short. A copy in a worker
    process maps the file again instead of copying its content.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._array: np.memmap | None = None

    def open(self) -> np.memmap:
        """Return the whole array, mapped and not read."""
        if self._array is None:
            self._array = np.load(self.path, mmap_mode="r")
            if hasattr(mmap, "MADV_RANDOM"):  # not on Windows
                # batches are drawn in random order: reading ahead would read the file many times over
                self._array._mmap.madvise(mmap.MADV_RANDOM)  # type: ignore[attr-defined, union-attr]
        return self._array

    def rows(self, positions: np.ndarray) -> np.ndarray:
        """Return a copy of the rows at `positions` (n,), with shape (n, ...)."""
        return self.open()[positions]

    def __getstate__(self) -> dict[str, Path]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Path]) -> None:
        self.path, self._array = state["path"], None
