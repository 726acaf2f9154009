"""Orders: a function of key, epoch and pass, whole or from the middle.

They stand on what torch and Lightning do with loaders, so they are tried again when a lock brings other versions.
"""

import random
import zlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    Dataset,
    RandomSampler,
)

from reproml.training import order as order_module
from reproml.training.order import KeyedOrder


def shuffled(key: int = 1, **settings: Any) -> KeyedOrder:
    """Return the order of ten examples in four batches."""
    return KeyedOrder(BatchSampler(RandomSampler(range(10)), 3, False), True, None, (key,), **settings)


def batches(order: KeyedOrder) -> list[list[int]]:
    return [keys.wanted for keys in order]


def test_an_order_is_a_function_of_key_epoch_and_pass() -> None:
    order = shuffled()
    assert len(order) == 4
    first, again = batches(order), batches(order)
    assert sorted(number for batch in first for number in batch) == list(range(10))
    order.set_epoch(1)
    order.sampler.set_epoch(1)  # what Lightning finds
    second = batches(order)
    order.set_epoch(1)  # the epoch that it is already
    assert batches(order) != second  # a second pass of that epoch
    order.set_epoch(0)
    random.seed(7)
    torch.manual_seed(7)
    assert batches(order) == first
    other = batches(shuffled(2))
    assert len({str(each) for each in (first, again, second, other)}) == 4


def test_every_pass_of_an_evaluation_is_alike() -> None:
    order = shuffled(evaluates=True)
    first = batches(order)
    order.set_epoch(3)
    keys = list(order)
    assert [each.wanted for each in keys] == first
    assert {(each.epoch, each.times) for each in keys} == {(0, 0)}


@pytest.mark.parametrize("done", range(5))
def test_an_order_begins_after_the_batches_that_are_done(done: int) -> None:
    whole, rest = shuffled(), shuffled(start=(1, done))
    whole.set_epoch(1)
    expected = list(whole)
    assert [key.position for key in expected] == [0, 3, 6, 9]
    assert list(rest) == expected[done:]
    assert list(rest) == list(whole)  # the next pass is a whole one
    for order in (whole, rest):
        order.set_epoch(2)
    assert list(rest) == list(whole)
    assert {key.epoch for key in rest} == {2}


@pytest.mark.parametrize("done", range(10))
def test_a_shorter_loader_resumes_in_the_pass_that_it_had_reached(done: int) -> None:
    """Beside a longer one it has begun again, while the batches of the epoch are counted on."""
    whole, rest = shuffled(cycles=True), shuffled(cycles=True, start=(0, done))
    passes = [key for _ in range(4) for key in whole]
    assert [key.times for key in passes] == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4
    assert list(rest) == passes[done : done // 4 * 4 + 4]
    assert next(iter(rest)) == passes[done // 4 * 4 + 4]


def test_one_that_does_not_begin_again_has_ended() -> None:
    assert list(shuffled(start=(0, 6))) == []


def test_batches_are_digested_by_their_number_in_the_epoch() -> None:
    order = shuffled(start=(0, 1))
    seen = {number: keys.wanted for number, keys in enumerate(order, 1)}
    assert order.digests == {number: f"{zlib.crc32(repr(wanted).encode()):08x}" for number, wanted in seen.items()}
    assert len(seen) == 3
    next(iter(order))
    assert list(order.digests) == [0]  # of this pass alone


def test_an_order_without_batches_counts_single_examples() -> None:
    order = KeyedOrder(RandomSampler(range(5)), False, None, (1,))
    keys = list(order)
    assert [key.position for key in keys] == list(range(5))
    assert sorted(key.wanted for key in keys) == list(range(5))


class Drawing:
    """A sampler that draws each index when it is asked for, from the generators of all and from one of its own."""

    def __init__(self, length: int | None) -> None:
        self.length, self.own = length, np.random.default_rng()
        self.epochs: list[int] = []

    def set_epoch(self, epoch: int) -> None:
        self.epochs.append(epoch)

    def __iter__(self) -> Iterator[Any]:
        number = 0
        while self.length is None or number < self.length:
            number += 1
            yield random.random(), float(torch.rand(())), self.own.random()


@pytest.mark.parametrize("length", [7, 8, 9, None])
def test_a_long_order_is_drawn_in_parts(length: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """One may never end, and what is drawn between the batches does not change it."""
    monkeypatch.setattr(order_module, "_DRAWN_TOGETHER", 4)

    def drawn(between: Callable[[], object], start: int = 0) -> list[Any]:
        keys = iter(KeyedOrder(Drawing(length), False, None, (1,), start=(0, start)))
        found = []
        for number, key in enumerate(keys, start):
            if number == 12:
                break
            found.append(key.wanted)
            between()
        return found

    whole = drawn(lambda: None)
    assert len(whole) == (length or 12)
    assert drawn(lambda: (random.random(), torch.rand(3))) == whole
    assert drawn(random.random, start=5) == whole[5:]
    assert len({number for each in whole for number in each}) == 3 * len(whole)  # no part repeats another


def test_both_samplers_hear_of_the_epoch_before_they_are_asked() -> None:
    inner = Drawing(2)
    outer = BatchSampler(inner, 1, False)  # type: ignore[arg-type]
    told: list[int] = []
    outer.set_epoch = told.append  # type: ignore[attr-defined]
    order = KeyedOrder(outer, True, None, (1,))
    order.set_epoch(4)
    assert inner.epochs == told == []
    next(iter(order))
    assert inner.epochs == told == [4]


class Passes:
    """A sampler that counts how often it has begun, and begins elsewhere each time."""

    def __init__(self) -> None:
        self.begun = 0

    def __len__(self) -> int:
        return 4

    def __iter__(self) -> Iterator[int]:
        self.begun += 1
        return iter(range(10 * self.begun, 10 * self.begun + 4))


class Leveled(Dataset[Any]):
    def __init__(self) -> None:
        self.level, self.opened = 0, False


def wanted(order: KeyedOrder) -> list[int]:
    return [key.wanted for key in order]


def test_what_a_sampler_counts_is_taken_up() -> None:
    order = KeyedOrder(Passes(), False, None, (1,))
    assert order.values(0) == {"sampler": {}, "dataset": {}}
    assert wanted(order) == [10, 11, 12, 13]
    between = order.values(0)
    assert between["sampler"] == {".begun": 1}
    order.set_epoch(1)
    second = iter(order)
    assert next(second).wanted == 20
    inside = order.values(1)
    assert inside["sampler"] == {".begun": 1}  # as before this pass, since its rest is drawn again
    for done, values in ((0, between), (1, inside)):
        again = KeyedOrder(Passes(), False, None, (1,), start=(1, done))
        again.set_values(values)
        assert wanted(again) == [20, 21, 22, 23][done:]


def test_what_hooks_set_in_a_dataset_is_kept_and_what_it_opens_is_not() -> None:
    dataset = Leveled()
    order = KeyedOrder(range(4), False, dataset, (1,))
    keys = iter(order)
    next(keys)
    dataset.opened = True  # while it reads its first example
    list(keys)
    dataset.level = 1  # by a hook, between two epochs
    assert order.values(0)["dataset"] == {".level": 1}
    order.set_epoch(1)
    keys = iter(order)
    next(keys)
    assert order.values(1)["dataset"] == {".level": 1}
    list(keys)
    order.set_epoch(2)
    list(order)
    assert order.values(3)["dataset"] == {".level": 1}  # in later epochs too
    keys = iter(order)
    next(keys), next(keys)
    dataset.level = 2  # by a hook, in the middle of an epoch
    list(keys)
    assert order.values(0)["dataset"] == {".level": 2}
    other = Leveled()
    again = KeyedOrder(range(4), False, other, (1,))
    again.set_values({"sampler": {}, "dataset": {".level": 1}})
    assert (other.level, other.opened) == (1, False)
    assert again.values(0)["dataset"] == again.values(1)["dataset"] == {".level": 1}


def test_a_hook_may_set_a_dataset_back_after_a_resume() -> None:
    dataset = SimpleNamespace(level=1)
    order = KeyedOrder(range(4), False, dataset, (1,))
    order.set_values({"sampler": {}, "dataset": {".level": 2}})
    assert dataset.level == 2
    dataset.level = 1
    next(iter(order))
    assert order.values(1)["dataset"] == {".level": 1}


def test_processes_that_share_an_order_count_its_examples_together() -> None:
    batches = [[5, 1, 2], [3, 0, 4], [6, 8, 7], [9, 11, 10], [12, 13, 14]]
    for rank in (0, 1):
        keys = list(KeyedOrder(batches, True, None, (1,), rank, 2))
        assert [(key.position, key.wanted) for key in keys] == [(3 * each, batches[each]) for each in (rank, 2 + rank)]


def test_processes_share_the_length() -> None:
    assert [len(shuffled(processes=each)) for each in (1, 2, 3)] == [4, 2, 1]
