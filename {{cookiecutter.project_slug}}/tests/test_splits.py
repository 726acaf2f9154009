"""Who is in which split: every strategy, with and without folds, and what is refused."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reproml import Chunk, Examples
from reproml.arrays import prepare as preparing
from reproml.arrays.datamodule import ArrayDataModule
from reproml.arrays.recorded import refuse_other
from reproml.arrays.splits import Splits, split, split_digests
from reproml.cards.splits import told
from reproml.config.check import check
from reproml.config.schema import Config
from reproml.errors import ConfigError, DataError
from reproml.training.earlier import _check_splits

from .conftest import PLAIN, Command, composed

COUNT = 1000
TARGETS = np.random.default_rng(0).integers(0, 3, COUNT)
GROUPS = np.random.default_rng(1).integers(0, 60, COUNT)
GIVEN = np.random.default_rng(2).choice(3, COUNT, p=[0.7, 0.2, 0.1]).astype(np.uint8)
DRAWN = ["stratified", "random", "group"]
Prepare = Callable[..., tuple[dict[str, Any], Path]]
STRATEGIES = [*DRAWN, "contiguous", "given"]


def splits(strategy: str, seed: int = 1, official: int = 0, **more: Any) -> Splits:
    """Return the splits of the examples above: a fifth for the validation, a tenth for the test."""
    return split(TARGETS, official, 0.2, 0.1, seed, strategy=strategy, **{"groups": GROUPS, "given": GIVEN, **more})


def same(first: Splits, second: Splits) -> bool:
    return all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_strategy_uses_every_example_once_and_follows_the_seed(strategy: str) -> None:
    first = splits(strategy)
    assert sorted(np.concatenate(list(first.values()))) == list(range(COUNT))
    assert same(first, splits(strategy))
    assert same(first, splits(strategy, seed=2)) is (strategy not in DRAWN)
    assert split_digests(first) == split_digests(splits(strategy))
    assert (split_digests(first) == split_digests(splits(strategy, seed=2))) is (strategy not in DRAWN)


def test_strategies_differ() -> None:
    assert len({split_digests(splits(strategy))["train"] for strategy in STRATEGIES}) == len(STRATEGIES)


def test_a_seed_draws_the_same_splits_in_every_version() -> None:
    """The numbers are those of an earlier version: other splits would make recorded runs another experiment."""
    sums = {name: zlib.crc32(splits(name)["validation"].astype("<i8").tobytes()) for name in ("random", "group")}
    assert sums == {"random": 0xF50EE568, "group": 0x2B603B72}


@pytest.mark.parametrize("strategy", ["random", "contiguous"])
@pytest.mark.parametrize("count", [10, 99, 100, 101, 1000])
def test_shares_are_kept_within_one_example(strategy: str, count: int) -> None:
    found = split(np.zeros(count, np.int64), 0, 0.25, 0.15, 1, strategy=strategy)
    assert abs(len(found["validation"]) - 0.25 * count) <= 1
    assert abs(len(found["test"]) - 0.15 * count) <= 1


@pytest.mark.parametrize("seed", range(5))
def test_shares_of_groups_are_kept_within_one_group(seed: int) -> None:
    found = splits("group", seed)
    largest = np.bincount(GROUPS).max()
    assert abs(len(found["validation"]) - 200) <= largest / 2
    assert abs(len(found["test"]) - 100) <= largest / 2


def in_one_split(found: Splits) -> bool:
    """Whether no group is in two splits."""
    return sum(len(np.unique(GROUPS[positions])) for positions in found.values()) == len(np.unique(GROUPS))


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_in_two_splits(seed: int) -> None:
    assert in_one_split(splits("group", seed))
    assert not in_one_split(splits("random", seed))
    folds = [splits("group", seed, folds=4, fold=fold) for fold in range(4)]
    assert all(in_one_split(fold) for fold in folds)
    assert all(np.array_equal(fold["test"], splits("group", seed)["test"]) for fold in folds)
    sizes = [len(fold["validation"]) for fold in folds]
    assert sum(sizes) == COUNT - len(folds[0]["test"])
    assert max(sizes) - min(sizes) <= np.bincount(GROUPS).max()


def test_the_name_of_a_group_decides_nothing() -> None:
    assert same(splits("group"), splits("group", groups=GROUPS + 5))


def in_order(found: Splits) -> bool:
    return found["train"][-1] < found["validation"][0] and found["validation"][-1] < found["test"][0]


def test_contiguous_splits_stand_one_behind_the_other() -> None:
    assert in_order(splits("contiguous"))
    assert not in_order(splits("random"))


def test_contiguous_folds_never_train_on_what_comes_later() -> None:
    folds = [splits("contiguous", folds=4, fold=fold) for fold in range(4)]
    assert all(in_order(fold) for fold in folds)
    assert all(np.array_equal(fold["test"], splits("contiguous")["test"]) for fold in folds)
    for earlier, later in pairwise(folds):
        assert np.array_equal(np.concatenate([earlier["train"], earlier["validation"]]), later["train"])
    assert folds[-1]["validation"][-1] == folds[-1]["test"][0] - 1
    assert np.ptp([len(fold["validation"]) for fold in folds]) <= 1


def test_random_folds_share_out_all_but_the_test() -> None:
    plain, folds = splits("random"), [splits("random", folds=4, fold=fold) for fold in range(4)]
    rest = np.union1d(plain["train"], plain["validation"])
    assert np.array_equal(np.sort(np.concatenate([fold["validation"] for fold in folds])), rest)
    assert all(np.array_equal(fold["test"], plain["test"]) for fold in folds)
    assert np.ptp([len(fold["validation"]) for fold in folds]) <= 1


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_official_test_set_stays_as_it_is(strategy: str) -> None:
    given = np.where(np.arange(COUNT) < 900, np.arange(COUNT) % 2, 2).astype(np.uint8)
    groups = np.where(np.arange(COUNT) < 900, GROUPS, 100)
    found = splits(strategy, official=100, given=given, groups=groups)
    assert found["test"].tolist() == list(range(900, COUNT))
    assert sorted(np.concatenate(list(found.values()))) == list(range(COUNT))
    assert 0 < len(found["validation"]) < 900


def test_given_splits_are_those_that_were_read() -> None:
    assert [np.unique(GIVEN[positions]).tolist() for positions in splits("given").values()] == [[0], [1], [2]]


def test_more_may_be_given_to_test_than_the_official_test_set() -> None:
    given = GIVEN.copy()
    given[-100:] = 2
    found = splits("given", official=100, given=given)
    assert sorted(np.concatenate(list(found.values()))) == list(range(COUNT))
    assert len(found["test"]) == np.sum(given == 2) > 100


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_run_is_built_on_another_seed_where_that_draws_nothing(strategy: str) -> None:
    def configured(*arguments: str) -> Config:
        return check(composed(*PLAIN, "data=digits", f"data.split={strategy}", *arguments))

    earlier = {"config": asdict(configured("seed=1"))}
    _check_splits(configured("seed=1"), earlier)
    if strategy in DRAWN:
        with pytest.raises(ConfigError, match="seed=2 splits the data in another way"):
            _check_splits(configured("seed=2"), earlier)
    else:
        _check_splits(configured("seed=2"), earlier)
    with pytest.raises(ConfigError, match=r"data.test_fraction=0.2 splits the data in another way"):
        _check_splits(configured("seed=1", "data.test_fraction=0.2"), earlier)


@pytest.mark.parametrize(
    ("strategy", "more", "sentence"),
    [
        ("group", {"groups": None}, r"data.split=group needs the group of each example"),
        ("given", {"given": None}, r"data.split=given needs the split of each example"),
        ("given", {"given": GIVEN % 2}, r"no example is left for test by data.split=given: have read"),
        ("given", {"given": np.where(TARGETS == 2, 1, GIVEN)}, r"leaves class number 2 without an example to train on"),
        ("given", {"official": 10, "given": np.zeros(COUNT, np.uint8)}, r"assigns example 990 to train, but announces"),
        ("group", {"official": 100}, r"of the groups are in the official test set and outside of it"),
        ("group", {"groups": GROUPS % 2}, r"has 2 groups .* 3 groups, or another data.split"),
        ("group", {"folds": 60, "fold": 0}, r"has 60 groups .* each fold needs one of its own: 61 groups"),
        (
            "contiguous",
            {"folds": 900, "fold": 0},
            r"data.folds=900 is more than the 900 examples before the test allow",
        ),
        (
            "random",
            {"folds": 901, "fold": 0},
            r"data.folds=901 is more than the 900 examples outside the test there are",
        ),
    ],
)
def test_what_cannot_be_split_is_refused(strategy: str, more: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        splits(strategy, **more)


def test_data_that_is_sorted_by_class_is_not_cut_in_its_order() -> None:
    with pytest.raises(ConfigError, match=r"data.split=contiguous leaves class number 2 without an example"):
        split(np.repeat([0, 1, 2], [40, 40, 20]), 0, 0.2, 0.1, 1, strategy="contiguous")


def chunks(size: int, **told: np.ndarray) -> Iterator[Chunk]:
    """Yield the examples above in chunks, with what is told of each."""
    for start in range(0, COUNT, size):
        part = slice(start, start + size)
        targets = TARGETS[part]
        inputs = np.arange(start, start + len(targets), dtype=np.float32)[:, None] * np.ones(4, np.float32)
        yield Chunk(inputs, targets, **{name: values[part] for name, values in told.items()})


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    """Return a function that prepares what is read."""
    monkeypatch.setattr(preparing, "_code", lambda data: {})

    def made(found: Iterator[Chunk], strategy: str) -> tuple[dict[str, Any], Path]:
        folder = tmp_path / "processed"
        data = check(composed(*PLAIN, "data=digits", f"split={strategy}", "data.classes=[a,b,c]")).data
        data.files, data._target_ = {}, f"{__name__}.Mine"
        monkeypatch.setattr(preparing, "_read", lambda data: lambda raw: Examples(COUNT, (4,), "float32", 0, found))
        return preparing.prepare(data, tmp_path / "raw", folder), folder

    return made


def test_what_read_says_is_stored_whatever_the_size_of_its_chunks(prepared: Prepare) -> None:
    names, given = np.char.add("patient ", GROUPS.astype(str)), np.array(["train", "validation", "test"])[GIVEN]
    found = []
    for size in (COUNT, 300, 7):
        manifest, folder = prepared(chunks(size, groups=names, splits=given), "given")
        assert manifest["splits"] == dict(
            zip(("train", "validation", "test"), np.bincount(GIVEN).tolist(), strict=True)
        )
        assert manifest["groups"] == len(np.unique(GROUPS))
        stored = np.load(folder / "groups.npy")
        assert len(np.unique(np.stack([stored, GROUPS]), axis=1).T) == len(np.unique(GROUPS))  # one number for each
        assert np.array_equal(np.load(folder / "splits.npy"), GIVEN)
        found.append({name: manifest["files"][name]["sha256"] for name in ("groups.npy", "splits.npy")})
    assert found[0] == found[1] == found[2]
    assert prepared(chunks(COUNT, groups=GROUPS), "group")[0]["splits"] is None  # the seed decides how many


def partly() -> Iterator[Chunk]:
    first, second = chunks(500, groups=GROUPS)
    yield from (first, Chunk(second.inputs, second.targets))


@pytest.mark.parametrize(
    ("found", "strategy", "sentence"),
    [
        (chunks(COUNT), "group", r"data.split=group needs the group of each example"),
        (chunks(COUNT), "given", r"data.split=given needs the split of each example"),
        (partly(), "group", r"Mine does not yield groups of shape \(n,\) for all examples"),
        (chunks(COUNT, groups=GROUPS / 2), "group", r"Mine yields groups of the type float64"),
        (chunks(COUNT, splits=np.full(COUNT, "dev")), "given", r"Mine assigns examples to 'dev'"),
    ],
)
def test_what_read_cannot_say_is_refused(
    prepared: Prepare, found: Iterator[Chunk], strategy: str, sentence: str
) -> None:
    with pytest.raises((ConfigError, DataError), match=sentence):
        prepared(found, strategy)


def test_folds_of_given_splits_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"data.folds=5 draws its own validation"):
        check(composed(*PLAIN, "data=digits", "data.split=given", "data.folds=5", "data.fold=0"))


@pytest.mark.parametrize("strategy", ["stratified", "random", "contiguous"])
def test_the_batches_are_those_of_the_strategy(tmp_path: Path, strategy: str) -> None:
    config = check(composed(*PLAIN, "data=digits", f"data.split={strategy}", f"paths.processed={tmp_path}/digits"))
    config.paths.raw = str(tmp_path / "raw")
    data = ArrayDataModule(config)
    [(_, targets), *_] = list(data.test_dataloader())
    whole = np.load(tmp_path / "digits" / "targets.npy")
    shares = (config.data.validation_fraction, config.data.test_fraction)  # whatever configs/data says
    test = split(whole, 0, *shares, config.seed, strategy=strategy)["test"]
    assert np.array_equal(targets, whole[test[: len(targets)]])
    assert data.recorded()["splits"] == split_digests(data.splits)
    assert {name: len(positions) for name, positions in data.splits.items()} == data.manifest["splits"]


@pytest.mark.parametrize(
    ("strategy", "official", "folds", "sentence"),
    [
        ("stratified", 0, None, "The splits are drawn by the seed 1, with the same share of every class in each."),
        (
            "random",
            10,
            (5, 2),
            "The test split is the official one of the data. The others are drawn by the seed 1, regardless of the "
            "target. Cross-validation: the validation is fold 2 of 5, counted from 0.",
        ),
        ("group", 0, None, "The splits are drawn by the seed 1, with no group in more than one split (there are 60)."),
        (
            "contiguous",
            0,
            None,
            "The splits are cut from the data in its order: training first, then validation, then test.",
        ),
        ("given", 0, None, "The data comes with its splits: its reader assigns each example to one."),
    ],
)
def test_a_card_tells_how_the_splits_were_made(
    strategy: str, official: int, folds: tuple[int, int] | None, sentence: str
) -> None:
    assert told(strategy, {"official_test_examples": official, "groups": 60}, "the seed 1", folds) == sentence


def test_an_edit_of_the_splits_is_seen_by_a_test_of_the_run(
    project: Path, command: Command, short_run: Path, tmp_path: Path
) -> None:
    [path] = project.glob("src/reproml/arrays/strategies.py")
    good = path.read_text()
    assert good.count('derive(seed, "split")') == 2
    try:
        path.write_text(good.replace('derive(seed, "split")', 'derive(seed, "other")'))
        refused = command("evaluate.py", f"run={short_run}", f"output={tmp_path}", check=False)
    finally:
        path.write_text(good)
    assert refused.returncode == 1
    assert "puts other examples into test than the run was trained and tested with" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


def test_records_of_earlier_versions_name_no_splits() -> None:
    then: dict[str, Any] = {"prepared": {"inputs.npy": "0"}}
    now = {**then, "splits": {"train": "1"}}
    refuse_other(now, then, Path("data"))
    with pytest.raises(DataError, match="puts other examples into train"):
        refuse_other(now, {**then, "splits": {"train": "2"}}, Path("data"))
