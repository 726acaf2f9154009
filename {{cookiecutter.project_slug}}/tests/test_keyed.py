"""Orders, streams and the values inside of samplers and datasets: the same again, whole or from the middle.

They stand on what torch and Lightning do with loaders, so they are tried again when a lock brings other versions.
"""

import copy
import logging
import random
import zlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.utilities.combined_loader import CombinedLoader
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    TensorDataset,
)

from reproml.errors import ConfigError
from reproml.training import keyed as keyed_module
from reproml.training import order as order_module
from reproml.training.inside import (
    Values,
    generator_state,
    generators_in,
    seed_generator,
    set_generator_state,
)
from reproml.training.keyed import LoaderPlace, keyed
from reproml.training.order import KeyedOrder
from reproml.training.streams import AroundLoader, KeyedStream


def shuffled(key: int = 1, **settings: Any) -> KeyedOrder:
    """Return the order of ten examples in four batches."""
    return KeyedOrder(BatchSampler(RandomSampler(range(10)), 3, False), True, None, (key,), **settings)


def batches(order: KeyedOrder) -> list[list[int]]:
    return [keys.wanted for keys in order]


# The order


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
def test_a_shorter_loader_goes_on_in_the_pass_that_it_had_come_to(done: int) -> None:
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


# What samplers and datasets hold


GENERATORS: dict[str, tuple[Callable[[], Any], Callable[[Any], float]]] = {
    "torch": (torch.Generator, lambda each: float(torch.rand((), generator=each))),
    "numpy": (np.random.default_rng, lambda each: each.random()),
    "numpy, philox": (lambda: np.random.Generator(np.random.Philox()), lambda each: each.random()),
    "numpy, legacy": (np.random.RandomState, lambda each: each.random_sample()),
    "python": (random.Random, lambda each: each.random()),
}


@pytest.mark.parametrize("kind", GENERATORS)
def test_generators_are_seeded_and_set_back(kind: str) -> None:
    make, draw = GENERATORS[kind]
    first, second = make(), make()
    draw(second)  # a new torch.Generator is always the same
    for generator in (first, second):
        seed_generator(generator, 2**62 + 5)
    number = draw(first)
    assert draw(second) == number
    state = generator_state(first)
    following = [draw(first) for _ in range(3)]
    assert number not in following
    draw(second)
    set_generator_state(second, state)
    assert [draw(second) for _ in range(3)] == following
    seed_generator(second, 2**62 + 6)
    assert draw(second) != number


class Of(Dataset[Any]):
    def __init__(self, **held: Any) -> None:
        vars(self).update(held)


def test_generators_are_found_wherever_they_are_held() -> None:
    a, b, c, d, e = (random.Random(number) for number in range(5))
    deep = SimpleNamespace(
        first=SimpleNamespace(second=SimpleNamespace(third=SimpleNamespace(own=d, fourth=SimpleNamespace(own=e))))
    )
    held = SimpleNamespace(
        own=a, same=a, listed=[SimpleNamespace(own=b), 3, (4,)], pair=(SimpleNamespace(own=c),), deep=deep, again=None
    )
    held.again = held  # a circle
    assert generators_in(held) == [a, b, c, d]  # and not at the fifth level
    assert generators_in(5) == []
    assert generators_in(SimpleNamespace(model=torch.nn.Linear(1, 1), table=np.zeros(3), numbers=torch.ones(2))) == []


def test_what_is_long_is_not_looked_through() -> None:
    own = random.Random(1)
    assert generators_in(SimpleNamespace(few=[SimpleNamespace(own=own)] + [0] * 63)) == [own]
    assert generators_in(SimpleNamespace(many=[SimpleNamespace(own=own)] + [0] * 64)) == []
    each = [random.Random(number) for number in range(70)]
    assert (
        generators_in(
            SimpleNamespace(
                a=[SimpleNamespace(own=one) for one in each[:50]], b=[SimpleNamespace(own=one) for one in each[50:]]
            )
        )
        == (
            each[:63]  # and the one that holds them: 64 objects
        )
    )


def test_a_samplers_dataset_is_left_to_the_dataset() -> None:
    own, inner = random.Random(1), random.Random(2)
    dataset = Of(own=own, dataset=Of(own=inner))  # as a Subset
    assert generators_in(dataset) == [own, inner]
    assert generators_in(SimpleNamespace(data_source=dataset)) == []
    assert generators_in(Of(loader=DataLoader(TensorDataset(torch.ones(1)), generator=torch.Generator()))) == []


@pytest.mark.parametrize(
    ("before", "after"), [(1, 2), (1, True), (1, 1.0), (0.0, -0.0), ("a", "b"), (None, 0), (1.0, None)]
)
def test_a_value_that_changes_is_noticed(before: Any, after: Any) -> None:
    source = SimpleNamespace(inner=[SimpleNamespace(value=before)])
    values = Values(source)
    assert values.changed() == {}
    source.inner[0].value = after
    assert list(values.changed()) == ["/inner/0.value"]
    assert values.changed()["/inner/0.value"] is after
    other = SimpleNamespace(inner=[SimpleNamespace(value=before)])
    Values(other).set(values.changed())
    assert other.inner[0].value is after
    values.look()
    assert values.changed() == {}


def test_values_that_stay_as_they_are_are_left_alone() -> None:
    source = SimpleNamespace(value=float("nan"), large=2**70, text="a" * 3, listed=[1], table=np.zeros(2))
    values = Values(source)
    source.value, source.large, source.text = float("nan"), 2**70, "".join(["a", "aa"])  # others, and the same
    source.listed, source.table = [2], np.ones(2)  # not plain values
    assert values.changed() == {}
    source.new = None
    assert values.changed() == {".new": None}
    empty = SimpleNamespace()
    Values(empty).set({"/gone/0.value": 3, ".new": 4})
    assert vars(empty) == {"new": 4}


# Streams


class Stream(IterableDataset[Any]):
    """Reads on from a place, and returns its own state, which changes as it goes on."""

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


def test_a_stream_goes_on_after_any_batch() -> None:
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


# The loaders of modules


class Data(L.LightningDataModule):
    """Draws in its hooks, and has the loaders that it is given."""

    def __init__(self, **loaders: Any) -> None:
        super().__init__()
        self.loaders = loaders
        self.drawn: list[float] = []
        self.dataset = TensorDataset(torch.arange(10))

    def setup(self, stage: str) -> None:
        self.drawn = [random.random(), float(np.random.rand()), float(torch.rand(()))]

    def transfer_batch_to_device(self, batch: Any, device: Any, dataloader_idx: int) -> Any:
        return batch + random.random()

    def _own(self, name: str) -> Any:
        return self.loaders.get(name, lambda: DataLoader(self.dataset, 3, shuffle=True))()

    def train_dataloader(self) -> Any:
        return self._own("train")

    def val_dataloader(self) -> Any:
        return self._own("val")

    def test_dataloader(self) -> Any:
        return self._own("test")

    def predict_dataloader(self) -> Any:
        return self._own("predict")


def trainer(*callbacks: Any, rank: int = 0, processes: int = 1) -> Any:
    return SimpleNamespace(callbacks=[object(), *callbacks], global_rank=rank, world_size=processes)


def data(seed: int = 1, of: Any = None, **loaders: Any) -> Data:
    made = Data(**loaders)
    keyed(made, seed)
    made.trainer = of
    return made


def examples(loader: Any) -> list[list[int]]:
    return [batch[0].tolist() for batch in loader]


def test_hooks_draw_by_the_seed_and_only_own_ones_are_replaced() -> None:
    one, other = data(), data(seed=2)
    for each in (one, other):
        each.setup(stage="fit")
    first = one.drawn
    random.seed(5)
    one.setup("fit")
    assert one.drawn == first
    assert not {*first} & {*other.drawn}
    assert {"setup", "train_dataloader", "transfer_batch_to_device"} <= vars(one).keys()
    assert not {"prepare_data", "on_before_batch_transfer"} & vars(one).keys()
    assert vars(one.setup)["__wrapped__"].__name__ == "setup"  # Lightning looks for it
    held = one.setup
    keyed(one, 3)
    assert one.setup is held  # once is enough


def test_orders_differ_by_seed_stage_and_loader() -> None:
    dataset = TensorDataset(torch.arange(10))

    def several() -> dict[str, Any]:
        return {"a": DataLoader(dataset, 3, shuffle=True), "b": [DataLoader(dataset, 3, shuffle=True)]}

    one = data(train=several)
    loaders = one.train_dataloader()
    assert list(loaders) == ["a", "b"]
    found = [examples(each) for each in (loaders["a"], loaders["b"][0])]
    found += [examples(getattr(one, f"{stage}_dataloader")()) for stage in ("val", "test", "predict")]
    found.append(examples(data(seed=2).train_dataloader()))
    assert len({str(each) for each in found}) == len(found)
    assert found[0] == examples(data().train_dataloader())
    combined = data(train=lambda: CombinedLoader(several(), "min_size")).train_dataloader()
    assert isinstance(combined, CombinedLoader)
    assert [examples(each) for each in combined.flattened] == found[:2]
    assert [each.batch_sampler.cycles for each in combined.flattened] == [False, False]
    cycled = data(train=lambda: CombinedLoader(several(), "max_size_cycle")).train_dataloader()
    assert [each.batch_sampler.cycles for each in (*cycled.flattened, loaders["a"])] == [True, True, True]


def test_training_goes_on_where_a_checkpoint_was_saved_and_nothing_else_does() -> None:
    place = LoaderPlace(strict=True)
    place.take_up({"epoch": 0, "batch": 2, "held": {0: {"sampler": {}, "dataset": {".level": 3}}}})

    class Levels(Leveled):
        def __getitem__(self, index: int) -> Any:
            return [index]

        def __len__(self) -> int:
            return 10

    levels = Levels()
    one, whole = data(of=trainer(place)), data(of=trainer(LoaderPlace(strict=True)))
    one.loaders["train"] = lambda: DataLoader(levels, 3, shuffle=True)
    assert examples(one.train_dataloader()) == examples(whole.train_dataloader())[2:]
    assert levels.level == 3
    for stage in ("val", "test", "predict"):
        first, again = (examples(getattr(each, f"{stage}_dataloader")()) for each in (one, whole))
        assert first == again
        assert len(first) == 4


def test_evaluations_repeat_their_order_and_trainings_do_not() -> None:
    one = data()
    for stage, alike in (("train", False), ("val", True), ("test", True), ("predict", True)):
        loader = getattr(one, f"{stage}_dataloader")()
        assert (examples(loader) == examples(loader)) is alike, stage
    assert not isinstance(one.predict_dataloader(), DataLoader)  # Lightning would build it again
    assert isinstance(one.test_dataloader(), DataLoader)


def test_a_loader_keeps_its_class_and_what_it_is_made_of() -> None:
    class Mine(DataLoader[Any]):
        more = 3

    made: list[Any] = []

    def own() -> Any:
        made.append(Mine(TensorDataset(torch.arange(4)), 2, in_order=False))
        return made[0]

    built = data(train=own).train_dataloader()
    assert type(built) is Mine
    assert (built.more, built.in_order, vars(built.dataset)["dataset"]) == (3, True, made[0].dataset)
    assert not made[0].in_order  # the user's own is left as it was
    single = data(train=lambda: DataLoader(TensorDataset(torch.arange(4)), None, shuffle=True)).train_dataloader()
    assert sorted(int(each[0]) for each in single) == [0, 1, 2, 3]
    assert single.batch_sampler is None
    assert isinstance(single.sampler, KeyedOrder)


def test_a_keyed_sampler_of_ones_own_stays() -> None:
    class Mine(RandomSampler):
        keyed = True

    samplers = Mine(range(4)), KeyedOrder(range(4), False, None, (1,))
    loaders: list[Any] = [DataLoader(range(4), sampler=each) for each in samplers]  # type: ignore[arg-type]
    loaders.append(AroundLoader(DataLoader(range(4))))  # type: ignore[arg-type]
    assert data(of=trainer(LoaderPlace(strict=True)), train=lambda: loaders).train_dataloader() == loaders


def test_training_batches_are_shared_where_nothing_else_shares_them() -> None:
    plain = examples(data().train_dataloader())
    for rank in (0, 1):
        one = data(of=trainer(rank=rank, processes=2))
        assert examples(one.train_dataloader()) == plain[rank::2]
        assert len(examples(one.val_dataloader())) == 4

        def distributed() -> Any:
            dataset = TensorDataset(torch.arange(10))
            return DataLoader(dataset, 3, sampler=DistributedSampler(dataset, 2, 0))

        one.loaders["train"] = distributed
        assert len(examples(one.train_dataloader())) == 2  # its half of the examples
    few = data(of=trainer(processes=5))
    with pytest.raises(ConfigError, match=r"^Data\.train_dataloader has fewer batches than the 5 processes"):
        few.train_dataloader()
    data(
        train=lambda: DataLoader(TensorDataset(torch.zeros(0)), 3)
    ).train_dataloader()  # of one process, as Lightning likes
    assert len(data(of=trainer(processes=4)).train_dataloader()) == 1


class Unsaved(IterableDataset[Any]):
    def __iter__(self) -> Iterator[int]:
        return iter(range(3))


class Saved(DataLoader[Any]):
    """A loader with a state of its own, as that of torchdata."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Batches:
    """What can be iterated is a loader for Lightning."""

    def __iter__(self) -> Iterator[int]:
        return iter(range(3))


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "Unsaved": (lambda: DataLoader(Unsaved()), r"give it state_dict\(\) and load_state_dict\(state\)"),
    "Stream": (lambda: DataLoader(Stream(), num_workers=2), "set num_workers=0, since its 2 workers keep the state"),
    "Saved": (lambda: Saved(TensorDataset(torch.ones(2))), r"return a torch\.utils\.data\.DataLoader"),
    "Batches": (Batches, r"give it state_dict\(\) and load_state_dict\(state\)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_resumed_is_refused_in_a_training_and_told_in_a_fast_one(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    make, fix = REFUSED[name]
    sentence = rf"^Data\.train_dataloader reads from {name}, which cannot be resumed exactly inside an epoch: {fix}"
    with pytest.raises(ConfigError, match=rf"{sentence}.*, or choose reproducibility=fast$"):
        data(of=trainer(LoaderPlace(strict=True)), train=make).train_dataloader()
    with caplog.at_level(logging.WARNING):
        loader = data(of=trainer(LoaderPlace(strict=False)), train=make).train_dataloader()
    assert type(loader) is type(make())
    assert "cannot be resumed exactly" in caplog.text
    caplog.clear()
    strict = data(of=trainer(LoaderPlace(strict=True)), val=make, test=make)
    assert type(strict.val_dataloader()) is type(strict.test_dataloader()) is type(make())
    assert caplog.text == ""


def test_a_stream_with_a_state_goes_on_where_it_was() -> None:
    place = LoaderPlace(strict=True)
    place.take_up({"epoch": 0, "batch": 1, "held": {0: {"state": {"place": 2, "begun": 0.5}, "ended_at": 0}}})
    make = lambda: DataLoader(Stream(), 2, collate_fn=list)  # noqa: E731
    rest = data(of=trainer(place), train=make).train_dataloader()
    whole = data(train=make).train_dataloader()
    assert isinstance(whole, KeyedStream)
    expected = [[place for place, _, _ in batch] for batch in whole]
    assert [[place for place, _, _ in batch] for batch in rest] == expected[1:] == [[3, 4], [5, 6]]
    loader = data(of=trainer(LoaderPlace(strict=True)), train=lambda: Saved(Unsaved())).train_dataloader()
    assert isinstance(loader, KeyedStream)
    assert loader.source is loader.loader


def test_a_batch_on_its_way_is_changed_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    one = data()
    random.seed(9)
    expected = random.random()
    random.seed(9)
    assert one.transfer_batch_to_device(0.0, "cpu", 0) == expected  # by hand
    hand = ["train", 3]
    monkeypatch.setattr(keyed_module, "batch_in_hand", lambda trainer: tuple(hand))

    def changed(seed: int = 1, loader: int = 0, rank: int = 0) -> float:
        return float(data(seed, trainer(rank=rank)).transfer_batch_to_device(0.0, "cpu", dataloader_idx=loader))

    first = changed()
    random.seed(3)
    found = [changed(seed=2), changed(loader=1), changed(rank=1)]
    assert changed() == first
    hand[1] = 4
    found.append(changed())
    assert len({first, *found}) == 5


def test_a_checkpoint_holds_where_the_loaders_are(monkeypatch: pytest.MonkeyPatch) -> None:
    order = KeyedOrder(Passes(), False, None, (1,))
    batched = KeyedOrder([[1], [2]], True, None, (1,))
    one = stream()
    for each in (order, batched, one):
        next(iter(each))
    loaders = [DataLoader(range(9), sampler=order), DataLoader(range(9), batch_sampler=batched), one, [1]]  # type: ignore[arg-type]
    monkeypatch.setattr(keyed_module, "place_in_epoch", lambda trainer: (2, 1))
    monkeypatch.setattr(keyed_module, "train_loaders", lambda trainer: loaders)
    checkpoint: dict[str, Any] = {}
    LoaderPlace(strict=True).on_save_checkpoint(None, None, checkpoint)  # type: ignore[arg-type]
    nothing: dict[str, Any] = {"sampler": {}, "dataset": {}}
    state = {"state": one.source.state, "ended_at": 0}
    assert checkpoint["loaders"] == {"epoch": 2, "batch": 1, "held": {0: nothing, 1: nothing, 2: state, 3: None}}
