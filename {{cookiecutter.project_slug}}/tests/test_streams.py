"""Streams with a state: the same examples again, whole or from the middle.

They stand on what torch and Lightning do with loaders, so they are tried again when a lock brings other versions.
"""

import copy
import random
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import (
    DataLoader,
    IterableDataset,
    TensorDataset,
)

from reproml.training.streams import AroundLoader, KeyedStream


class Stream(IterableDataset[Any]):
    """Reads on from a place, and returns its own state, which changes with each item."""

    def __init__(self, length: int = 6) -> None:
        self.length = length
        self.state: dict[str, Any] = {"place": 0}
        self.epochs: list[int] = []

    def set_epoch(self, epoch: int) -> None:
        self.epochs.append(epoch)

    def state_dict(self) -> dict[str, Any]:
        return self.state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.state = state

    def __iter__(self) -> Iterator[Any]:
        self.state.setdefault("begun", random.random())  # as one that shuffles its files does
        return self._read()

    def _read(self) -> Iterator[Any]:
        while self.state["place"] < self.length:
            self.state["place"] += 1
            yield self.state["place"], self.state["begun"], random.random()


def stream(*place: Any, key: int = 1) -> KeyedStream:
    """Return a stream of three batches, which begins at a place."""
    dataset = Stream()
    return KeyedStream(DataLoader(dataset, 2, collate_fn=list), dataset, (key,), *place)


def test_a_stream_resumes_after_any_batch() -> None:
    whole = stream()
    first: list[Any] = []
    places = [whole.place_after(0)]
    for batch in whole:
        first.append(batch)
        places.append(whole.place_after(len(first)))
    whole.set_epoch(1)
    second = list(whole)
    assert [[place for place, _, _ in batch] for batch in first] == [[1, 2], [3, 4], [5, 6]]
    assert len({str(each) for each in (first, second, list(stream(key=2)))}) == 3
    assert list(stream()) == list(stream((0, 0))) == first
    assert list(stream((1, 0))) == second
    assert places[0] is None
    for done in range(3):
        rest = stream((0, done), places[done])
        assert list(rest) == first[done:]
        rest.set_epoch(1)
        assert list(rest) == second
        assert rest.source.epochs == [0, 1]


def test_a_stream_remembers_a_few_states() -> None:
    dataset = Stream(length=9)
    one = KeyedStream(DataLoader(dataset, 1, collate_fn=list), dataset, (1,))
    states = iter(one)
    for _ in range(7):
        next(states)
    kept = [(one.place_after(number) or {})["state"] for number in range(1, 8)]
    assert [state and state["place"] for state in kept] == [None, None, None, 4, 5, 6, 7]


def test_a_stream_beside_a_longer_one_begins_again_and_counts_on() -> None:
    whole = stream()
    passes: list[list[Any]] = [[], [], []]
    places: dict[int, Any] = {}
    done = 0
    for each in passes:
        for batch in whole:
            done += 1
            each.append(batch)
            places[done] = whole.place_after(done)
        assert whole.place_after(done) == {"state": None, "ended_at": done}  # at its end
    assert [len(each) for each in passes] == [3, 3, 3]
    assert len({str(each) for each in passes}) == 3
    assert len({batch[0][1] for each in passes for batch in each}) == 3  # what it draws when it begins
    for start in (4, 5):
        rest = stream((0, start), places[start])
        assert list(rest) == []  # Lightning has to see again that it came to an end
        assert list(rest) == passes[1][start - 3 :]
        assert list(rest) == passes[2]
        rest.set_epoch(1)
        whole.set_epoch(1)
        assert list(rest) == list(whole)
        whole.set_epoch(0)
    at_the_end = stream((0, 3), {"state": None, "ended_at": 3})
    assert list(at_the_end) == []
    assert list(at_the_end) == passes[1]


def test_a_stream_has_what_its_loader_has() -> None:
    one = stream()
    loader = DataLoader(TensorDataset(torch.ones(5)), 2)
    assert one.batch_size == 2
    assert one.sampler is one  # Lightning calls `set_epoch` on it
    assert len(AroundLoader(loader)) == 3
    assert not hasattr(one, "nothing")
    assert not hasattr(AroundLoader.__new__(AroundLoader), "loader")


def test_what_stands_for_a_loader_can_be_copied_as_a_loader_can() -> None:
    loader: DataLoader[int] = DataLoader(range(4), batch_size=2)  # type: ignore[arg-type]
    assert copy.copy(AroundLoader(loader)).batch_size == 2
