"""The order of any loader with a map-style dataset: a function of seed and epoch, for any sampler."""

import zlib
from collections.abc import Iterable, Iterator
from itertools import count, islice
from typing import Any, NamedTuple

from lightning.fabric.utilities.data import sized_len
from torch.utils.data import Sampler

from .inside import Values, generators_in, seed_generator
from .randomness import seed_processor

_DRAWN_TOGETHER = 1024  # batches: a sampler may never end, and an order may be too long to hold


class Keys(NamedTuple):
    """What a sampler asked for, and where in the epoch that stands."""

    epoch: int
    times: int  # how often the loader was begun in this epoch before
    position: int  # of the first example, counted from the start of the epoch
    wanted: Any  # the indices of a batch, or one index where the loader makes no batches


class KeyedOrder(Sampler[Keys]):
    """Draws the user's own sampler after seeding all generators, and begins in the middle of an epoch.

    Args:
        drawn: the batch sampler of a loader, or the sampler of one that makes no batches.
        batched: which of the two.
        dataset: of the loader.
        key: begins every key of this loader.
        rank: number of this process, from 0. It takes each `processes`-th batch.
        processes: that share the batches. What is left of them after the last whole round is dropped.
        start: epoch and batch at which the training begins.
        cycles: whether the loader begins again in the same epoch, beside a longer one.
        evaluates: every pass is alike, so the numbers of two epochs can be compared.
    """

    keyed = True  # keyed.py leaves such a loader as it is

    def __init__(
        self,
        drawn: Iterable[Any],
        batched: bool,
        dataset: Any,
        key: tuple[int | str, ...],
        rank: int = 0,
        processes: int = 1,
        start: tuple[int, int] = (0, 0),
        cycles: bool = False,
        evaluates: bool = False,
    ) -> None:
        self.drawn, self.batched, self.key, self.cycles, self.evaluates = drawn, batched, key, cycles, evaluates
        self.rank, self.processes, self.start, self.epoch = rank, processes, start, start[0]
        self.digests: dict[int, str] = {}  # batch of the epoch -> CRC-32 of its indices, for the step trace
        self._times = 0
        self._sampler, self._dataset = Values(drawn), Values(dataset)
        self._began: dict[str, Any] = {}  # what the sampler held when this pass began
        self._hooked: dict[str, Any] = {}  # what hooks have set in the dataset; what it sets itself is its own affair

    @property
    def sampler(self) -> "KeyedOrder":
        """Itself: Lightning calls `set_epoch` on the sampler of a batch sampler, not on the batch sampler."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next. Lightning calls this before each epoch."""
        if epoch != self.epoch and not self.evaluates:
            self.epoch, self._times = epoch, 0

    def values(self, batches: int) -> dict[str, dict[str, Any]]:
        """Return the values inside of sampler and dataset that a resume has to restore after this many batches.

        The rest of a pass is drawn again then, so of a sampler that has begun, it is what it held before.
        """
        if batches:
            return {"sampler": self._began, "dataset": self._hooked}
        return {"sampler": self._sampler.changed(), "dataset": self._hooked | self._dataset.changed()}

    def set_values(self, values: dict[str, dict[str, Any]]) -> None:
        """Set what `values` returned."""
        self._sampler.set(values["sampler"])
        self._dataset.set(values["dataset"])
        self._dataset.look()
        self._hooked = values["dataset"]

    def __len__(self) -> int:
        return len(self.drawn) // self.processes  # type: ignore[arg-type]  # a sampler without a length says so

    def __iter__(self) -> Iterator[Keys]:
        skipped = self.start[1] if self.epoch == self.start[0] and not self._times else 0
        if skipped and self.cycles and (length := sized_len(self)):
            self._times, skipped = divmod(skipped, length)
        self.digests.clear()
        self._began = self._sampler.changed()
        self._hooked = self._hooked | self._dataset.changed()  # what has changed between two passes, a hook has set
        epoch, times, position = self.epoch, self._times, 0
        for batch, (wanted, size) in enumerate(self._shared(epoch, times)):
            if batch >= skipped:
                self.digests[batch] = f"{zlib.crc32(repr(wanted).encode()):08x}"
                yield Keys(epoch, times, position + self.rank * size, wanted)
                if batch == skipped:  # a file that is opened at the first example, say, is not work of a hook
                    self._dataset.look()
            position += size * self.processes
        self._times += not self.evaluates

    def _shared(self, epoch: int, times: int) -> Iterator[tuple[Any, int]]:
        """Yield this process's part of the order, and how many examples each entry has."""
        entries = self._all(epoch, times)
        while len(together := list(islice(entries, self.processes))) == self.processes:
            wanted = together[self.rank]
            yield wanted, len(wanted) if self.batched else 1

    def _all(self, epoch: int, times: int) -> Iterator[Any]:
        entries = None
        samplers: tuple[Any, ...] = (self.drawn, getattr(self.drawn, "sampler", None))
        own = generators_in(self.drawn)
        for part in count():
            number = seed_processor(*self.key, "order", epoch, times, part)
            for generator in own:
                seed_generator(generator, number)
            if entries is None:
                for sampler in samplers:
                    if hasattr(sampler, "set_epoch"):
                        sampler.set_epoch(epoch)
                entries = iter(self.drawn)
            drawn = list(islice(entries, _DRAWN_TOGETHER))
            yield from drawn
            if len(drawn) < _DRAWN_TOGETHER:
                return
