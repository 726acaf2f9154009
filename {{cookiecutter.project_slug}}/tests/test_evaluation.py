"""What a test gives: metrics, tables, figures and predictions, of the ready-made tasks and of any other."""

import csv
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from lightning import LightningDataModule, LightningModule, Trainer
from matplotlib.figure import Figure
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    mean_absolute_error,
    precision_recall_fscore_support,
    r2_score,
    root_mean_squared_error,
)
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics import MeanAbsoluteError, MeanSquaredError, MetricCollection, R2Score

from reproml import ConfigError, Evaluation, Interface, classification, regression
from reproml.errors import RecordError
from reproml.evaluation.figures import learning_curves
from reproml.evaluation.measure import evaluate
from reproml.evaluation.write import write_evaluation
from reproml.evaluation.written import read_evaluation
from reproml.models.epoch_sums import EpochSums

from .conftest import Command

HISTORY = "epoch,step,lr,train/loss,val/loss,train/mae,extra\n0,4,0.1,2.0,3.0,1.0,5.0\n1,8,0.1,1.0,2.0,0.5,\n"
VALUES = np.random.Generator(np.random.Philox(7))


@pytest.fixture
def history(tmp_path: Path) -> Path:
    path = tmp_path / "metrics.csv"
    path.write_text(HISTORY)
    return path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_classification_is_measured_as_the_library_does(history: Path, tmp_path: Path) -> None:
    logits = torch.from_numpy(VALUES.normal(size=(200, 3)))
    targets = torch.from_numpy(VALUES.integers(0, 3, 200))
    logits[torch.arange(200), targets] += 1.5
    found, predicted = classification(logits, targets, ["a", "b", "c"]), logits.argmax(1)
    assert found.recorded() == {
        "loss": torch.nn.functional.cross_entropy(logits, targets).item(),
        "accuracy": accuracy_score(targets, predicted),
        "f1": f1_score(targets, predicted, average="macro"),
        "examples": 200,
    }
    write_evaluation(found, history, tmp_path / "test")
    write_evaluation(found, history, tmp_path / "reports", seed=1)
    plain, more = read_evaluation(tmp_path / "test"), read_evaluation(tmp_path / "reports")
    assert plain is not None and more is not None
    assert [metric.interval for metric in plain.metrics.values()] == [None] * 3
    for name, metric in more.metrics.items():
        assert metric.interval and metric.interval[0] < metric.value == found.metrics[name] < metric.interval[1]
    for before, after in zip(plain.table("per_class"), more.table("per_class"), strict=True):
        for name in ("precision", "recall", "f1"):
            assert float(after[f"{name}_low"]) < float(after[name]) < float(after[f"{name}_high"])
            assert float(before[name]) == pytest.approx(float(after[name]), abs=1e-12)
    mistakes = [int(row["examples"]) for row in more.table("mistakes")]
    assert sum(mistakes) == int((predicted != targets).sum())
    assert mistakes == sorted(mistakes, reverse=True)
    assert [row["actual"] for row in plain.predicted()] == [["a", "b", "c"][number] for number in targets]


def test_each_class_is_measured_as_the_library_does() -> None:
    """Also one that no example has, one that is never named, and one that is neither."""
    logits = torch.from_numpy(VALUES.normal(size=(50, 5)))
    logits[:, [2, 4]] = -9
    targets = torch.from_numpy(VALUES.integers(1, 4, 50))
    found, predicted, labels = classification(logits, targets, list("abcde")), logits.argmax(1), range(5)
    matrix = confusion_matrix(targets, predicted, labels=labels)
    assert [list(row.values())[1:] for row in found.tables["confusion_matrix"]] == matrix.tolist()
    assert matrix.sum(1).tolist()[::4] == matrix.sum(0).tolist()[2::2] == [0, 0]
    columns = precision_recall_fscore_support(targets, predicted, labels=labels, zero_division=0)
    assert [list(row.values())[1:] for row in found.tables["per_class"]] == [
        list(row) for row in zip(*columns, strict=True)
    ]
    assert found.metrics["f1"] == f1_score(targets, predicted, labels=labels, average="macro", zero_division=0)
    assert found.metrics["accuracy"] == accuracy_score(targets, predicted)


def test_a_regression_is_measured_as_the_library_does(history: Path, tmp_path: Path) -> None:
    actual = VALUES.normal(100, 30, 300)
    predicted = actual + VALUES.normal(5, 10, 300)
    found = regression(torch.from_numpy(predicted), torch.from_numpy(actual), "price", "EUR", scale=30.0)
    assert found.metrics == pytest.approx(
        {
            "loss": root_mean_squared_error(actual, predicted) ** 2 / 900,
            "mae": mean_absolute_error(actual, predicted),
            "rmse": root_mean_squared_error(actual, predicted),
            "r2": r2_score(actual, predicted),
        }
    )
    write_evaluation(found, history, tmp_path / "reports", seed=1)
    written = read_evaluation(tmp_path / "reports")
    assert written is not None
    assert (written.headline, written.higher_is_better, written.examples) == ("mae", False, 300)
    for metric in written.metrics.values():
        assert metric.interval and metric.interval[0] < metric.value < metric.interval[1]
    assert sum(int(row["examples"]) for row in written.table("by_range")) == 300
    assert all(float(row["mae_low"]) < float(row["mae"]) < float(row["mae_high"]) for row in written.table("by_range"))
    assert [float(row["predicted"]) for row in written.predicted()] == predicted.tolist()
    drawn = [figure.name for figure in written.figures]
    assert drawn == ["predicted_against_actual", "residuals", "learning_curves"]
    assert all(path.exists() for path in written.files())


def test_one_example_can_be_tested(history: Path, tmp_path: Path) -> None:
    """It has no interval, and a quantity has no spread to explain."""
    single = regression(torch.tensor([1.0]), torch.tensor([2.0]), "price")
    assert single.metrics["r2"] == -np.inf  # which measure.py leaves out
    kept = {name: value for name, value in single.metrics.items() if name != "r2"}
    for found in (replace(single, metrics=kept), Evaluation({"mae": 1.0}, "mae", per_example={"mae": [1.0]})):
        write_evaluation(found, history, tmp_path, seed=1)
        written = read_evaluation(tmp_path)
        assert written is not None and written.metrics["mae"].interval is None


def test_curves_are_drawn_of_whatever_was_logged(history: Path) -> None:
    figure = learning_curves(history)
    assert figure is not None
    assert [axes.get_title() for axes in figure.axes] == ["loss", "mae", "extra"]
    assert [len(axes.lines) for axes in figure.axes] == [2, 1, 1]
    history.write_text("epoch,step,lr\n0,4,0.1\n")
    assert learning_curves(history) is None


class Numbers(LightningDataModule):
    """Eight numbers."""

    def test_dataloader(self) -> Any:
        return DataLoader(TensorDataset(torch.arange(8.0)), batch_size=4)


class Counting(LightningModule):
    """Logs a mean."""

    def on_test_epoch_start(self) -> None:
        self.values: list[float] = []

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self.values += batch[0].tolist()
        self.log("mean", batch[0].mean())


class Telling(Counting):
    """A user's own task with an evaluation."""

    def evaluation(self) -> Any:
        figure, half = Figure(), cast(float, torch.tensor(0.5))  # as users forget .item()
        figure.subplots().plot(self.values)
        return Evaluation(
            metrics={"largest": max(self.values), "half": half, "odd": float("nan"), "middle": 3.5},
            headline="middle",
            kind="image-segmentation",
            tables={"values": [{"value": torch.tensor(value), "even": value % 2 == 0} for value in self.values]},
            figures={"values": figure},
            predictions=[{"predicted": value} for value in self.values],
            per_example={"middle": self.values, "largest": self.values},
        )


@pytest.fixture
def tester(tmp_path: Path) -> Trainer:
    quiet: dict[str, Any] = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    return Trainer(accelerator="cpu", logger=False, default_root_dir=tmp_path, **quiet)


def test_a_task_that_only_logs_has_its_metrics(tester: Trainer) -> None:
    found = evaluate(tester, Counting(), Numbers())
    assert found == Evaluation({"mean": 3.5})
    assert evaluate(tester, LightningModule(), Numbers()) == Evaluation({})


def test_any_task_may_say_more_of_its_test(
    tester: Trainer, history: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "test"
    for name in ("tables/old.csv", "figures/old.png", "predictions.csv"):  # of another task
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("old")
    with caplog.at_level(logging.WARNING):
        found = evaluate(tester, Telling(), Numbers())
        write_evaluation(found, history, folder, seed=1)
    assert "odd=nan, which a record cannot hold" in caplog.text
    assert "largest is 7.0, but not the mean of its values per example" in caplog.text
    assert json.loads((folder / "metrics.json").read_text()) == {
        "mean": 3.5,
        "largest": 7.0,
        "half": 0.5,
        "middle": 3.5,
    }
    written = read_evaluation(folder)
    assert written is not None
    assert (written.headline, written.kind, written.examples) == ("middle", "image-segmentation", None)
    low, high = written.metrics["middle"].interval or (0.0, 0.0)
    assert 1.5 < low < 3.5 < high < 5.5
    assert written.metrics["largest"].interval is None
    assert written.table("values")[:2] == [{"value": "0.0", "even": "True"}, {"value": "1.0", "even": "False"}]
    assert sorted(path.name for path in (folder / "tables").iterdir()) == ["values.csv"]
    assert sorted(path.name for path in (folder / "figures").iterdir()) == ["learning_curves.png", "values.png"]
    assert len(written.predicted()) == 8
    write_evaluation(Evaluation({"mean": 3.5}), history, folder)
    assert not (folder / "predictions.csv").read_text() and not list((folder / "tables").iterdir())
    assert (again := read_evaluation(folder)) is not None and again.predicted() == []


class Judging(Counting):
    """Logs metrics of torchmetrics in both ways, and says of its own metrics which direction is better."""

    def __init__(self) -> None:
        super().__init__()
        self.error, self.more = MeanSquaredError(), MetricCollection([MeanAbsoluteError(), R2Score()], prefix="test/")
        self.headline, self.higher = "error", cast(bool | None, None)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        super().test_step(batch, batch_idx)
        self.error(batch[0], batch[0] + 1)
        self.more(batch[0], batch[0] + 1)
        self.log("error", self.error)
        self.log_dict(self.more)  # type: ignore[arg-type]

    def evaluation(self) -> Any:
        metrics = {"error": 1.0, "own": 1.0, "other": 1.0}
        return Evaluation(metrics, self.headline, self.higher, directions={"own": True, "absent": True})


@pytest.mark.parametrize(
    ("headline", "said", "higher"),
    [("error", None, False), ("error", True, True), ("own", False, False), ("other", None, True)],
)
def test_of_each_metric_somebody_says_which_direction_is_better(
    tester: Trainer, history: Path, tmp_path: Path, headline: str, said: bool | None, higher: bool
) -> None:
    task = Judging()
    task.headline, task.higher = headline, said
    write_evaluation(evaluate(tester, task, Numbers()), history, tmp_path / "test")
    written = read_evaluation(tmp_path / "test")
    assert written is not None and written.higher_is_better == higher
    found = {name: metric.higher_is_better for name, metric in written.metrics.items()}
    known = {"error": False, "test/MeanAbsoluteError": False, "test/R2Score": True, "own": True}
    assert found == {"mean": None, "other": None, **known, headline: higher}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: Evaluation({"a": 1.0}, "b"), "the headline b, which is not one of its metrics: a"),
        (lambda: Evaluation({}, tables={"../a": []}), "a table called '../a', which names a file"),
        (lambda: Evaluation({}, per_example={"a": [1.0]}), "values per example for a, which is not one"),
    ],
)
def test_what_cannot_be_written_is_named(wrong: Callable[[], Evaluation], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        wrong()


def test_a_method_for_something_else_is_left_out(tester: Trainer, caplog: pytest.LogCaptureFixture) -> None:
    task = Telling()
    others: list[tuple[Any, str]] = [(lambda: {"a": 1}, "returns a dict"), (lambda batch: batch, "takes arguments")]
    for method, said in others:
        task.evaluation = method  # type: ignore[method-assign]
        assert evaluate(tester, task, Numbers()) == Evaluation({"mean": 3.5})
        assert f"Telling.evaluation {said} and is left out: return a reproml.Evaluation" in caplog.text


@pytest.mark.parametrize("damage", ["{", "[]", '{"headline": "a"}', '{"tables": [{"name": "../../secret"}]}'])
def test_a_damaged_evaluation_is_named(tmp_path: Path, damage: str) -> None:
    assert read_evaluation(tmp_path) is None
    (tmp_path / "evaluation.json").write_text(damage)
    with pytest.raises(RecordError, match=r"evaluation\.json is damaged: write it again"):
        read_evaluation(tmp_path)


def test_sums_of_an_epoch_are_the_same_after_a_resume(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the types of what a task adds up, wherever it is interrupted, and however many are added together."""
    losses = [torch.tensor(0.1 * number) for number in range(9)]
    part = {"count": torch.tensor(2), "half": torch.tensor(0.3).half()}
    whole = EpochSums()
    for loss in losses:
        whole.add(loss, part, 4)
    expected = 0.0
    for loss in losses:
        expected += float(loss) * 4
    assert whole.numbers().tolist() == [expected, 18, sum(float(part["half"]) for _ in losses), 36]
    for together in (1, 2, 1024):
        monkeypatch.setattr("reproml.models.epoch_sums._TOGETHER", together)
        for interrupted in range(1, 9):
            first, second = EpochSums(), EpochSums()
            for loss in losses[:interrupted]:
                first.add(loss, part, 4)
            second.load(first.names, first.numbers())
            for loss in losses[interrupted:]:
                second.add(loss, part, 4)
            assert second.numbers().tolist() == whole.numbers().tolist()
            assert second.names == whole.names == ["loss", "count", "half"]


def test_an_interface_is_what_its_description_says() -> None:
    for interface in (
        Interface((1, 8, 8), "uint8", classes=("a", "b")),
        Interface((3,), "float32", target="price", unit="EUR", missing=True),
        Interface((3,), "float32", target="score"),
    ):
        assert Interface.of(json.loads(json.dumps(interface.described()))) == interface
    assert (interface.outputs, Interface((3,), "float32", classes=("a", "b")).outputs) == (1, 2)


def test_a_quantity_is_tested_as_it_was_trained_and_predicted(project: Path, command: Command) -> None:
    """One training of a regression: its test, the same from its files, and what the model says of each example."""
    from reproml.arrays.datamodule import ArrayDataModule
    from reproml.config.check import check
    from reproml.models.saved import load_model
    from reproml.runs.folder import read_config

    chosen = ["tracking=[none]", "reproducibility=strict", "trainer=cpu", "training.epochs=3"]
    command("train.py", "experiment=diabetes", *chosen, "hydra.run.dir=outputs/quantity")
    run = project / "outputs" / "quantity"
    command("evaluate.py", "run=outputs/quantity", "output=outputs/quantity/again")
    for name in ("metrics.json", "predictions.csv"):
        assert (run / "test" / name).read_bytes() == (run / "again" / name).read_bytes()
    manifest = json.loads((project / "data/processed/diabetes/manifest.json").read_text())
    targets = np.load(project / "data/processed/diabetes/targets.npy")
    assert targets.dtype == np.float32
    assert manifest["target"] == {
        "name": "disease_progression",
        "dtype": "float32",
        "lowest": targets.min(),
        "highest": targets.max(),
    }
    assert "class_counts" not in manifest
    config = check(read_config(run), recorded=True)
    config.paths.processed, config.paths.raw = (str(project / f"data/{kind}/diabetes") for kind in ("processed", "raw"))
    model: Any
    data, (model, described) = ArrayDataModule(config), load_model(run / "model.safetensors")
    assert described["target"] == "disease_progression" and described["missing"] is True
    assert float(model.target_mean) == pytest.approx(targets[data.splits["train"]].mean())
    inputs = torch.from_numpy(data.dataset.inputs.rows(data.splits["test"]))
    said: list[dict[str, float]] = model.eval().predict(inputs)  # type: ignore[operator]
    assert [row["predicted"] for row in said] == [float(row["predicted"]) for row in rows(run / "test/predictions.csv")]
    assert model.predict(inputs[3:4]) == said[3:4]  # type: ignore[operator]
