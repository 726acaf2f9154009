"""Mean and standard deviation of inputs, in constant memory."""

from collections.abc import Iterator

import numpy as np

from .opened import Inputs

_CHUNK = 1024  # examples in memory at a time


def mean_and_deviation(inputs: Inputs, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both for the inputs at `positions` (n,): per channel (images) or per feature (tables).

    The chunks are cut from `positions`, so the bits do not depend on the files that the inputs lie in. Shapes
    (channels, 1, 1) or (features,), float64.
    """

    def average(parts: Iterator[np.ndarray]) -> np.ndarray:
        total, count = np.zeros(1), 0
        for part in parts:
            axes = (0, *range(2, part.ndim))
            total = total + part.sum(axes, keepdims=True)
            count += part.size // part.shape[1]
        return total / count

    mean = average(_chunks(inputs, positions))
    variance = average((part - mean) ** 2 for part in _chunks(inputs, positions))
    return mean[0], np.sqrt(variance)[0]


def of_a_table(inputs: Inputs, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean and deviation of the numbers that are not missing, and which features lack some, by their places.

    Shapes (features,), (features,) and (features that lack some,). A feature that is always missing has the mean 0.
    """
    counts, total, squares, examples = np.zeros(1), np.zeros(1), np.zeros(1), 0
    for part in _chunks(inputs, positions):
        known = ~np.isnan(part)
        counts, total = counts + known.sum(0), total + np.where(known, part, 0).sum(0)
        examples += len(part)
    mean = total / np.maximum(counts, 1)
    for part in _chunks(inputs, positions):
        squares = squares + np.where(np.isnan(part), 0, (part - mean) ** 2).sum(0)
    return mean, np.sqrt(squares / np.maximum(counts, 1)), np.flatnonzero(counts < examples)


def _chunks(inputs: Inputs, positions: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(positions), _CHUNK):
        yield inputs.rows(positions[start : start + _CHUNK]).astype(np.float64)
