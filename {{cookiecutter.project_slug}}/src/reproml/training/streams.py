"""Iterable datasets that can save their state: resumed at the batch that a training had come to."""

from collections.abc import Iterator
from copy import deepcopy
from itertools import count
from typing import Any

from torch.utils.data import DataLoader

from .randomness import seed_processor

_KEPT = 4  # states: Lightning fetches a batch ahead of the one that it trains on


class AroundLoader:
    """Stands for a user's loader, and has all that it has.

    Args:
        loader: the user's own.
    """

    keyed = True  # keyed.py leaves such a loader as it is

    def __init__(self, loader: "DataLoader[Any]") -> None:
        self.loader = loader

    def __len__(self) -> int:
        return len(self.loader)

    def __getattr__(self, name: str) -> Any:
        if name == "loader" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.loader, name)


class KeyedStream(AroundLoader):
    """The batches of a loader that only goes forward. It notes the state of its source after each.

    Every epoch begins with the state that the source had first, after `set_epoch(epoch)` where there is one.

    Args:
        loader: the user's own.
        source: the loader or its dataset, whichever has `state_dict` and `load_state_dict`.
        key: begins every key of this loader.
        start: epoch and batch at which the training begins.
        place: what `place_after` returned there.
    """

    def __init__(
        self,
        loader: "DataLoader[Any]",
        source: Any,
        key: tuple[int | str, ...],
        start: tuple[int, int] = (0, 0),
        place: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(loader)
        self.source, self.key = source, key
        self.start, self.epoch = start, start[0]
        self._first, self._place = deepcopy(source.state_dict()), place
        self._states: dict[int, dict[str, Any]] = {}  # batches of the epoch so far -> state after them
        self._ended_at = 0  # batches, where it begins again in the same epoch, beside a longer loader

    @property
    def sampler(self) -> "KeyedStream":
        """Itself: Lightning calls `set_epoch` on the sampler of a loader."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that comes next. Lightning calls this before each epoch."""
        if epoch != self.epoch:
            self.epoch, self._ended_at = epoch, 0

    def place_after(self, batches: int) -> dict[str, Any] | None:
        """Return where the source is after so many batches of the epoch; None at its start.

        Beside a longer loader it may have come to its end before, or have begun again after so many batches.
        """
        if not batches:
            return None
        state = None if batches == self._ended_at else self._states.get(batches)
        return {"state": state, "ended_at": self._ended_at}

    def __iter__(self) -> Iterator[Any]:
        epoch, done, state = self.epoch, self._ended_at, self._first
        if self._place is not None and epoch == self.start[0]:
            if self._place["ended_at"] > done:  # Lightning has to see again that it came to an end
                self._ended_at = self._place["ended_at"]
                return
            done = self.start[1]
            state = self._first if self._place["state"] is None else self._place["state"]
            self._place = None
        seed_processor(*self.key, "order", epoch, done)
        sources: tuple[Any, ...] = (self.loader, getattr(self.loader, "dataset", None))
        for each in sources:
            if hasattr(each, "set_epoch"):
                each.set_epoch(epoch)
        self.source.load_state_dict(deepcopy(state))
        batches = iter(self.loader)
        for number in count(done + 1):
            seed_processor(*self.key, "item", epoch, number)
            try:
                batch = next(batches)
            except StopIteration:
                self._ended_at = number - 1
                return
            self._states[number] = deepcopy(self.source.state_dict())
            self._states.pop(number - _KEPT, None)
            yield batch
