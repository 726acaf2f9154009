"""What `read` says of each example for the splits: its group, and its split. Each is a column beside the targets."""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np

from ..errors import DataError
from .arrays import MappedArray, write_header
from .examples import Chunk
from .strategies import NAMES

GROUPS, SPLITS = "groups.npy", "splits.npy"  # int64, numbered as they first appear; uint8, the place in NAMES
TOLD = (GROUPS, SPLITS)


def read_told(folder: Path) -> list[np.ndarray | None]:
    """Return the groups and the splits of prepared data, each of shape (n,), or None where it gives none."""
    return [MappedArray(folder / name).open() if (folder / name).exists() else None for name in TOLD]


class ToldWriter:
    """Takes what the chunks say and writes it, in the memory that the names of the groups take.

    Args:
        folder: where the files appear, if there is anything to say.
        examples: how many there are.
        reader: the class that reads them, for messages.
    """

    def __init__(self, folder: Path, examples: int, reader: str) -> None:
        self.folder, self.examples, self.reader = folder, examples, reader
        self.counts: np.ndarray | None = None  # of examples per split, shape (3,); None: it gives no splits
        self._numbers: dict[int | str, int] = {}  # of the groups
        self._files: dict[str, IO[bytes]] = {}
        self._open, self._first = ExitStack(), True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    @property
    def groups(self) -> int:
        """How many groups there are; 0: it gives none."""
        return len(self._numbers)

    def write(self, chunk: Chunk) -> None:
        """Append what a chunk says of its examples.

        Raises:
            DataError: it says something of some examples only, or what is neither a group nor a split.
        """
        size = len(chunk.targets)
        for name, told, dtype in ((GROUPS, chunk.groups, np.int64), (SPLITS, chunk.splits, np.uint8)):
            if self._first and told is not None:
                self._files[name] = self._open.enter_context((self.folder / name).open("wb"))
                write_header(self._files[name], np.dtype(dtype), (self.examples,))
            if (told is not None) != (name in self._files) or (told is not None and np.shape(told) != (size,)):
                raise DataError(
                    f"{self.reader} does not yield {Path(name).stem} of shape (n,) for all examples: yield one for "
                    "each, in every chunk or in none"
                )
        self._first = False
        if chunk.groups is not None:
            self._files[GROUPS].write(self._numbered(np.asarray(chunk.groups)).tobytes())
        if chunk.splits is not None:
            places = self._places(np.asarray(chunk.splits))
            self.counts = np.bincount(places, minlength=len(NAMES)) + (0 if self.counts is None else self.counts)
            self._files[SPLITS].write(places.tobytes())

    def _numbered(self, groups: np.ndarray) -> np.ndarray:
        """Return the number of each group, whatever the size of the chunks."""
        if groups.dtype.kind == "O" and all(isinstance(group, str) for group in groups):  # as pandas has it
            groups = groups.astype(str)
        if groups.dtype.kind not in "biuU":
            raise DataError(
                f"{self.reader} yields groups of the type {groups.dtype}: yield whole numbers or text, none missing"
            )
        names, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
        numbers = np.empty(len(names), np.int64)
        for place in np.argsort(first):
            numbers[place] = self._numbers.setdefault(names[place].item(), len(self._numbers))
        return numbers[inverse]

    def _places(self, splits: np.ndarray) -> np.ndarray:
        names, inverse = np.unique(splits.astype(str), return_inverse=True)
        if unknown := [name for name in names.tolist() if name not in NAMES]:
            raise DataError(
                f"{self.reader} assigns examples to {unknown[0]!r}: the splits are called {', '.join(NAMES)}, and each "
                "example is in one"
            )
        return np.array([NAMES.index(name) for name in names.tolist()], np.uint8)[inverse]
