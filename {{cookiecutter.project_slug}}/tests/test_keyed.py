"""The loaders of modules: keyed by seed, stage and loader, and resumed where a checkpoint was saved.

They stand on what torch and Lightning do with loaders, so they are tried again when a lock brings other versions.
"""

import logging
import random
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.utilities.combined_loader import CombinedLoader
from torch.utils.data import (
    DataLoader,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    TensorDataset,
)

from reproml.errors import ConfigError
from reproml.training import keyed as keyed_module
from reproml.training.keyed import LoaderPlace, keyed
from reproml.training.order import KeyedOrder
from reproml.training.streams import AroundLoader, KeyedStream

from .test_order import Leveled, Passes
from .test_streams import Stream, stream


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


def test_training_resumes_where_a_checkpoint_was_saved_and_nothing_else_does() -> None:
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


def test_a_stream_with_a_state_resumes_where_it_was() -> None:
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
