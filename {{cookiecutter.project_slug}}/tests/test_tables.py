"""Tables of text: numbers, missing ones, categories; and what becomes of a missing number in a training."""

import gzip
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from reproml import Chunk, DataError, Examples, Interface
from reproml.arrays import prepare as preparing
from reproml.arrays.datamodule import ArrayDataModule
from reproml.arrays.splits import split
from reproml.config.check import check
from reproml.config.schema import Config
from reproml.errors import ConfigError
from reproml.models.saved import load_model, save_model
from reproml.packages import own_packages
from reproml.tasks.build import build, description

from .conftest import PLAIN, ROOT, composed

tables: Any = import_module(f"{min(set(own_packages(ROOT)) - {'reproml'})}.data.tables")
QUANTITY = [*PLAIN, "data=diabetes", "task=regression", "model=mlp", "model.hidden=[4]", "training.batch_size=8"]
Prepare = Callable[..., Config]
CSV = "age, sex ,dose\n30,f,1.5\n,m,NA\n50,,2.5\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(CSV.encode()))
    return path


def test_a_table_is_read_with_its_header_categories_and_missing_numbers(path: Path) -> None:
    columns = tables.read_columns(path)
    assert list(columns) == ["age", "sex", "dose"]
    np.testing.assert_array_equal(tables.numbers(columns["age"], "age"), [[30], [np.nan], [50]])
    np.testing.assert_array_equal(tables.numbers(columns["dose"], "dose"), [[1.5], [np.nan], [2.5]])
    np.testing.assert_array_equal(tables.one_hot(columns["sex"], ["m", "f"], "sex"), [[0, 1], [1, 0], [0, 0]])
    assert tables.read_columns(path, names=["a", "b", "c"])["a"][0] == "age"


def test_what_is_wrong_in_a_table_is_named(path: Path) -> None:
    with pytest.raises(DataError, match=r"the column sex holds no numbers .*'f'"):
        tables.numbers(tables.read_columns(path)["sex"], "sex")
    with pytest.raises(DataError, match="the column sex holds 'f', which is not in"):
        tables.one_hot(tables.read_columns(path)["sex"], ["m"], "sex")
    path.write_bytes(gzip.compress(b"age,sex\n30,f\n40\n"))
    with pytest.raises(DataError, match=r"has 1 values in row 2, not 2"):
        tables.read_columns(path)


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    """Return a function that prepares what is read, and returns the configuration."""
    monkeypatch.setattr(preparing, "_code", lambda data: {})

    def made(
        inputs: np.ndarray,
        targets: np.ndarray,
        *overrides: str,
        missing: bool = True,
        features: tuple[str, ...] | None = None,
    ) -> Config:
        config = check(composed(*QUANTITY, f"paths.processed={tmp_path / 'arrays'}", *overrides))
        config.data.files = {}
        chunks = (Chunk(inputs[first : first + 7], targets[first : first + 7]) for first in range(0, len(inputs), 7))
        found = Examples(len(inputs), inputs.shape[1:], "float32", 0, chunks, missing, features)
        monkeypatch.setattr(preparing, "_read", lambda data: lambda raw: found)
        preparing.prepare(config.data, tmp_path / "raw", tmp_path / "arrays")
        return config

    return made


def test_a_missing_number_is_the_mean_and_said_to_be_missing(prepared: Prepare, tmp_path: Path) -> None:
    """Whatever of it training has seen decides; the model file holds it."""
    random = np.random.Generator(np.random.Philox(3))
    inputs = random.normal(5, 3, (60, 3)).astype(np.float32)
    inputs[random.random((60, 3)) < 0.2] = np.nan
    inputs[:, 1] = random.normal(size=60)  # which lacks none
    config = prepared(inputs, random.normal(100, 20, 60))
    data, task = build(config)
    assert isinstance(data, ArrayDataModule)
    trained = inputs[data.splits["train"]]
    statistics = data.statistics()
    np.testing.assert_allclose(statistics["mean"], np.nanmean(trained, 0), rtol=1e-5)
    np.testing.assert_allclose(statistics["std"], np.nanstd(trained, 0), rtol=1e-5)
    assert statistics["missing"].tolist() == [0, 2]
    seen: list[torch.Tensor] = []
    network: Any = task.network
    network.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    one = torch.tensor([[np.nan, 1.0, 2.0], [4.0, np.nan, 2.0]])  # the second lacks what training never did
    expected = (torch.where(one.isnan(), statistics["mean"], one) - statistics["mean"]) / statistics["std"]
    told = task.eval().predict(one)  # type: ignore[operator]
    assert torch.equal(seen[0][:2], torch.cat([expected, torch.tensor([[1.0, 0.0], [0.0, 0.0]])], 1))
    assert expected[0, 0] == expected[1, 1] == 0
    settings = {"task": config.task, "model": config.model}
    save_model(task, description(settings, data), tmp_path / "model.safetensors")
    loaded, described = load_model(tmp_path / "model.safetensors")
    assert described["missing"] is True
    assert loaded.eval().predict(one) == told  # type: ignore[operator]


def test_a_table_without_missing_numbers_trains_as_if_none_were_announced(prepared: Prepare) -> None:
    inputs = np.random.Generator(np.random.Philox(3)).normal(5, 3, (60, 3)).astype(np.float32)
    found = []
    for missing in (True, False):
        data, task = build(prepared(inputs, inputs.sum(1), missing=missing))
        assert isinstance(data, ArrayDataModule)
        found.append(task(torch.from_numpy(inputs)))
    torch.testing.assert_close(*found)


@pytest.mark.parametrize(
    ("inputs", "targets", "missing", "said"),
    [
        ([[1.0], [np.inf]], [1.0, 2.0], True, "hold values that are not numbers"),
        ([[1.0], [np.nan]], [1.0, 2.0], False, "have it announce missing=True where NaN stands for"),
        ([[1.0], [2.0]], [1.0, np.nan], True, "yields the target nan, which float32 cannot hold"),
        ([[1.0], [2.0]], [1.0, 1e300], True, "yields the target 1e.300, which float32 cannot hold"),
        ([[1.0], [2.0]], [1, 2**24 + 1], True, "yields the target 16777217, which float32 cannot hold"),
        ([[1.0], [2.0]], ["1", "2"], True, "yield disease_progression as numbers"),
        ([[1.0], [2.0]], [[1.0], [2.0]], True, "a target is one number, so the shape must be"),
        ([[[1.0]], [[2.0]]], [1.0, 2.0], True, "only in a table of float32"),
    ],
)
def test_what_cannot_be_stored_is_named(prepared: Prepare, inputs: Any, targets: Any, missing: bool, said: str) -> None:
    with pytest.raises(DataError, match=said):
        prepared(np.array(inputs, np.float32), np.array(targets), missing=missing)


def test_names_of_columns_reach_the_model_and_fit_the_table(prepared: Prepare) -> None:
    inputs, targets = np.ones((60, 2), np.float32), np.arange(60)
    for features in (None, ("age", "weight")):
        described = ArrayDataModule(prepared(inputs, targets, features=features)).interface.described()
        assert described.get("features") == (features and list(features))
    with pytest.raises(DataError, match=r"names 1 columns, but inputs have the shape \(2,\)"):
        prepared(inputs, targets, features=("age",))


def test_targets_are_stored_as_they_are(prepared: Prepare, tmp_path: Path) -> None:
    """Not as numbers of classes, and whole numbers too."""
    for targets in (np.linspace(0.5, 1.9, 60), np.arange(60)):
        config = prepared(np.ones((60, 2), np.float32), targets)
        stored = np.load(tmp_path / "arrays" / "targets.npy")
        assert stored.dtype == np.float32
        np.testing.assert_array_equal(stored, targets.astype(np.float32))
        assert float(ArrayDataModule(config).statistics()["target_std"]) > 0


def test_a_quantity_of_any_unit_trains_the_same(prepared: Prepare) -> None:
    """Its loss is that of standardized numbers."""
    inputs = np.random.Generator(np.random.Philox(3)).normal(size=(60, 3)).astype(np.float32)
    losses = []
    for unit in (1.0, 1024.0):
        data, task = build(prepared(inputs, unit * inputs.sum(1)))
        assert isinstance(data, ArrayDataModule)
        batch = next(iter(data.val_dataloader()))
        losses.append(task.eval().measure(task(batch[0]), batch[1])[0].item())  # type: ignore[operator]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_a_quantity_is_split_without_classes() -> None:
    targets = np.linspace(0, 1, 100, dtype=np.float32)
    for strategy in ("random", "contiguous"):
        found = split(targets, 0, 0.2, 0.1, 1, strategy=strategy)
        assert {name: len(positions) for name, positions in found.items()} == {
            "train": 70,
            "validation": 20,
            "test": 10,
        }
        folds = [split(targets, 0, 0.2, 0.1, 1, 3, fold, strategy=strategy)["validation"] for fold in range(3)]
        assert len(np.unique(np.concatenate(folds))) == sum(map(len, folds))
    with pytest.raises(ConfigError, match=r"data\.split=stratified needs classes.*choose split=random"):
        split(targets, 0, 0.2, 0.1, 1)


class Odd(nn.Module):
    """No task."""

    def __init__(self, network: Any, interface: Interface, statistics: Any, training: Any) -> None:
        super().__init__()


def test_what_is_no_task_of_arrays_is_named(prepared: Prepare) -> None:
    config = prepared(np.ones((60, 2), np.float32), np.arange(60))
    config.task = {"_target_": f"{__name__}.Odd"}
    with pytest.raises(ConfigError, match="is no ArrayTask, which prepared arrays need"):
        build(config)
