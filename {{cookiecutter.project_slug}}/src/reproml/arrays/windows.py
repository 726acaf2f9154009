"""The order of an epoch in windows of shards: the disk, or the network, is read almost in sequence."""

from typing import NamedTuple

import numpy as np

from ..training.randomness import derive


class Window(NamedTuple):
    """How many shards are shuffled together, and how many examples each shard holds."""

    shards: int
    examples: int


class WindowedOrder:
    """The positions of a split in the order of one epoch, cut like an array: `order[first:last]`.

    The shards are shuffled first, then the examples of each window of shards. Each window has a key of its own, so an
    epoch is entered in its middle without drawing the windows before.

    Args:
        positions: the examples of the split, ascending, shape (n,).
        window: the size of a window.
        seed: together with the epoch it decides on the order.
        epoch: number of the epoch, from 0.
    """

    def __init__(self, positions: np.ndarray, window: Window, seed: int, epoch: int) -> None:
        self.positions, self.key = positions, (seed, "window", epoch)
        shards = positions[-1] // window.examples + 1
        self._first = np.searchsorted(positions, np.arange(shards + 1) * window.examples)  # of each shard
        order = _generator(seed, "shards", epoch).permutation(shards)
        self._windows = [order[start : start + window.shards] for start in range(0, shards, window.shards)]
        self._ends = np.cumsum([np.diff(self._first)[numbers].sum() for numbers in self._windows])
        self._held: tuple[int, np.ndarray] = (-1, positions[:0])  # the window that was asked for last

    def __getitem__(self, span: slice) -> np.ndarray:
        first, last = span.start, min(span.stop, len(self.positions))
        parts = [self.positions[:0]]
        number = int(np.searchsorted(self._ends, first, side="right"))
        while first < last:
            window = self._window(number)
            begin = self._ends[number] - len(window)
            parts.append(window[first - begin : last - begin])
            first += len(parts[-1])
            number += 1
        return np.concatenate(parts)

    def _window(self, number: int) -> np.ndarray:
        if self._held[0] != number:
            shards = self._windows[number]
            members = np.concatenate([self.positions[self._first[shard] : self._first[shard + 1]] for shard in shards])
            self._held = (number, _generator(*self.key, number).permutation(members))
        return self._held[1]


def _generator(*key: int | str) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=derive(*key)))
