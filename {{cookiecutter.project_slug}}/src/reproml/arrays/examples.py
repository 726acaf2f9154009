"""What a reader returns."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Chunk(NamedTuple):
    """Some examples, in their order. A plain pair of inputs and targets will do as well."""

    inputs: np.ndarray  # (n, *shape)
    targets: np.ndarray  # (n,), the number of a class
    groups: np.ndarray | None = None  # (n,), whole numbers or text: what belongs together, for data.split=group
    splits: np.ndarray | None = None  # (n,), `train`, `validation` or `test`, for data.split=given


Chunks = Iterator[Chunk] | Iterator[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Examples:
    """What a reader found. The official test examples, if there are any, come last."""

    count: int
    shape: tuple[int, ...]  # of one input: (channels, height, width) for images, (features,) for tables
    dtype: str
    test_count: int
    chunks: Chunks
