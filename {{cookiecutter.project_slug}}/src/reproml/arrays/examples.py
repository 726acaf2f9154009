"""What `ArrayDataModule.read` returns."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Chunk(NamedTuple):
    """Some examples, in their order. A plain pair of inputs and targets will do as well.

    Example, of two patients with several rows each, for `data.split=group`:

        Chunk(inputs=np.zeros((3, 8), np.float32), targets=np.array([0, 0, 1]), groups=np.array(["a", "a", "b"]))
    """

    inputs: np.ndarray  # (n, *shape)
    targets: np.ndarray  # (n,), the number of a class, or a quantity
    groups: np.ndarray | None = None  # (n,), whole numbers or text: what belongs together, for data.split=group
    splits: np.ndarray | None = None  # (n,), `train`, `validation` or `test`, for data.split=given


Chunks = Iterator[Chunk] | Iterator[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Examples:
    """What was found in raw files. The official test examples, if there are any, come last.

    Where numbers of a table are missing, the task puts the mean of the training examples in their place, and gives the
    network a column more for each feature that lacks some: 1 where it is missing.

    Example, of 100 rows of 30 numbers, without an official test set:

        Examples(100, (30,), "float32", 0, iter([(inputs, targets)]))
    """

    count: int
    shape: tuple[int, ...]  # of one input: (channels, height, width) for images, (features,) for tables
    dtype: str
    test_count: int
    chunks: Chunks
    missing: bool = False  # whether NaN may stand in a table for a number that is missing
    features: tuple[str, ...] | None = None  # the names of a table's columns, which the server shows
