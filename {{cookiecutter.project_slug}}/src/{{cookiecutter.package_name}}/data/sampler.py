"""The order of the examples: a function of the seed and the epoch, whatever happened before."""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from ..training.randomness import derive


class BatchSampler(Sampler[np.ndarray]):
    """Yields one array of positions per step: this process's share of the global batch.

    Args:
        positions: the examples of the split, shape (n,).
        batch_size: examples per step over all processes.
        seed: shuffles each epoch in its own way, and leaves out its last, incomplete batch; None keeps the order and
            yields every example.
        rank: number of this process, from 0.
        processes: number of processes that share each batch.
    """

    def __init__(
        self, positions: np.ndarray, batch_size: int, seed: int | None = None, rank: int = 0, processes: int = 1
    ) -> None:
        self.positions, self.batch_size, self.seed = positions, batch_size, seed
        self.rank, self.processes = rank, processes
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next. Lightning calls this before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        whole, rest = divmod(len(self.positions), self.batch_size)
        return whole + (rest > 0 and self.seed is None)

    def __iter__(self) -> Iterator[np.ndarray]:
        order = self.positions
        if self.seed is not None:
            generator = np.random.Generator(np.random.Philox(key=derive(self.seed, "order", self.epoch)))
            order = generator.permutation(order)
        for batch in range(len(self)):
            start = batch * self.batch_size
            yield order[start : start + self.batch_size][self.rank :: self.processes]
