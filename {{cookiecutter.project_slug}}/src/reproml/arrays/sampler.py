"""The order of the examples: a function of the seed and the epoch alone."""

import zlib
from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from ..training.randomness import derive
from .windows import Window, WindowedOrder

Keys = tuple[int, np.ndarray]  # the epoch, and the positions of one batch (n,), int64


class BatchSampler(Sampler[Keys]):
    """Yields the epoch and one array of positions per step: this process's share of the global batch.

    Args:
        positions: the examples of the split, shape (n,), of any type of integers.
        batch_size: examples per step over all processes.
        seed: shuffles each epoch in its own way, and leaves out its last, incomplete batch; None keeps the order and
            yields every example.
        rank: number of this process, from 0.
        processes: number of processes that share each batch.
        start: epoch and batch that come first; the batches before it are left out.
        window: shuffles shards, and the examples of so many of them together; None shuffles all examples.
    """

    keyed = True  # training/keyed.py leaves such a loader as it is

    def __init__(
        self,
        positions: np.ndarray,
        batch_size: int,
        seed: int | None = None,
        rank: int = 0,
        processes: int = 1,
        start: tuple[int, int] = (0, 0),
        window: Window | None = None,
    ) -> None:
        self.positions, self.batch_size, self.seed, self.window = positions, batch_size, seed, window
        self.rank, self.processes = rank, processes
        self.start, self.epoch = start, start[0]
        self.digests: dict[int, str] = {}  # batch of the epoch -> CRC-32 of its positions, for the step trace

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next. Lightning calls this before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        whole, rest = divmod(len(self.positions), self.batch_size)
        return whole + (rest > 0 and self.seed is None)

    def __iter__(self) -> Iterator[Keys]:
        order: np.ndarray | WindowedOrder = self.positions
        epoch = self.epoch
        if self.seed is not None and self.window is not None:
            order = WindowedOrder(self.positions, self.window, self.seed, epoch)
        elif self.seed is not None:
            generator = np.random.Generator(np.random.Philox(key=derive(self.seed, "order", epoch)))
            order = generator.permutation(self.positions)
        for batch in range(self.start[1] if epoch == self.start[0] else 0, len(self)):
            first = batch * self.batch_size
            positions = order[first : first + self.batch_size][self.rank :: self.processes].astype(np.int64)
            self.digests[batch] = f"{zlib.crc32(positions.tobytes()):08x}"
            yield epoch, positions
