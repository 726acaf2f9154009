"""Arrays that stay on the disk and are read row by row."""

import mmap
from pathlib import Path

import numpy as np


class MappedArray:
    """A memory-mapped `.npy` file. Only the rows that are asked for are read, and the memory they take is handed back.

    It is opened on first use, so that a copy in a worker process maps the file again instead of copying its content.
    """

    # Mapped pages count as this process's memory until they are released. The system's file cache keeps them anyway,
    # so releasing them from time to time bounds the memory at almost no cost.
    _RELEASE_AFTER = 256 << 20  # bytes

    def __init__(self, path: Path) -> None:
        self.path = path
        self._array: np.memmap | None = None
        self._read = 0

    def open(self) -> np.memmap:
        """Return the whole array, mapped and not read."""
        if self._array is None:
            self._array = np.load(self.path, mmap_mode="r")
        return self._array  # type: ignore[return-value]

    def rows(self, positions: np.ndarray) -> np.ndarray:
        """Return a copy of the rows at `positions` (n,), with shape (n, ...)."""
        rows = self.open()[positions]
        self._read += max(rows.nbytes, len(positions) * mmap.PAGESIZE)  # a row touches at least one page
        if self._read > self._RELEASE_AFTER:
            self._release()
        return rows

    def _release(self) -> None:
        if hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
            self.open()._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]
        self._read = 0

    def __getstate__(self) -> dict[str, Path]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Path]) -> None:
        self.__init__(state["path"])  # type: ignore[misc]
