"""What people read of results knows no task: tables, numbers, the history of drift, and the interface of a version."""

import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from reproml.errors import ConfigError
from reproml.evaluation.evaluation import Evaluation
from reproml.evaluation.worst import worst_examples
from reproml.evaluation.written import Metric, Written, read_evaluation
from reproml.markdown import link
from reproml.release.suggestion import compare
from reproml.release.version import MAJOR, PATCH
from reproml.report.collect import Facts
from reproml.report.curves import Curve, picture, pictures
from reproml.report.judged import judge
from reproml.tables import TextTable, in_order, number, with_interval
from reproml.verify.baseline import Canonical, Comparison
from reproml.verify.comparisons import DRIFTED, add
from reproml.verify.drift import _judge
from reproml.verify.headline import loss


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (269, "269"),
        ("-3", "-3"),
        (1.0, "1.0000"),
        (0.963, "0.9630"),
        (53.2134, "53.21"),
        (-291.34, "-291.3"),
        (2913.4, "2913"),
        (0.0000321, "3.21e-05"),
        (0.0, "0.0000"),
        ("nan", "nan"),
        ("", "-"),
        (None, "-"),
        ("Trouser", "Trouser"),
    ],
)
def test_numbers_are_short_and_lose_no_digit_that_counts(value: object, shown: str) -> None:
    assert number(value) == shown


def test_an_interval_stands_behind_its_number() -> None:
    assert str(with_interval(0.5, (0.25, 0.75))) == "0.5000 (0.2500 to 0.7500)"
    assert str(with_interval(0.5, None)) == "0.5000"
    rows = [
        {"class": "0", "recall": "0.5", "recall_low": "0.25", "recall_high": "0.75", "cut_low": "1", "examples": "27"},
        {"class": "1", "recall": "1.0", "recall_low": "", "recall_high": "", "cut_low": "2", "examples": "9"},
    ]
    table = TextTable.of("per_class", "Per class", rows)
    assert table.header == ["class", "recall", "cut_low", "examples"]  # cut_low ends no column: there is no cut
    assert table.numeric == [False, True, True, True]  # the first column names the row, here by a number
    assert [[str(cell) for cell in row] for row in table.cells(9)] == [
        ["0", "0.5000 (0.2500 to 0.7500)", "1", "27"],
        ["1", "1.0000", "2", "9"],
    ]
    assert len(table.cells(1)) == 1
    assert not table.square


def test_a_table_that_counts_pairs_is_square() -> None:
    rows = [{"actual": "a", "a": "3", "b": "1"}, {"actual": "b", "a": "0", "b": "0"}]
    table = TextTable.of("pairs", "Pairs", rows)
    assert table.square
    assert table.shares == [[0.75, 0.25], [0.0, 0.0]]
    assert not TextTable.of("pairs", "Pairs", rows[:1]).square
    assert not TextTable.of("pairs", "Pairs", [rows[0], {"actual": "b", "a": "0.5", "b": "0"}]).square


def test_the_headline_comes_first() -> None:
    assert in_order(["loss", "rmse", "r2"], "rmse") == ["rmse", "loss", "r2"]
    assert in_order(["loss", "rmse"], None) == ["loss", "rmse"]


@pytest.mark.parametrize(
    ("metrics", "more", "said"),
    [
        ({"loss": 0.5}, {"headline": "dice"}, "has the headline dice, which is not one of its metrics: loss"),
        ({}, {"headline": "dice"}, "has the headline dice, which is not one of its metrics: there are none"),
        ({"loss": 0.5}, {"per_example": {"dice": [0.5]}}, "for dice, which is not one of its metrics"),
    ],
)
def test_an_evaluation_names_its_own_metrics_only(
    metrics: dict[str, float], more: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError, match=r"^[^\n]+$") as error:
        Evaluation(metrics, **more)  # type: ignore[arg-type]
    assert said in str(error.value)


def test_no_name_of_a_figure_becomes_markup() -> None:
    """Anybody may have written it, in the evaluation.json of a run."""
    assert link("reports/figures/learning_curves.png") == "reports/figures/learning_curves.png"
    assert link("figures/a) [b](c.png") == "figures/a%29%20%5Bb%5D%28c.png"


@pytest.mark.parametrize(
    ("metrics", "headline", "judged"),
    [
        (["loss", "accuracy", "f1"], "accuracy", ["accuracy", "loss"]),
        (["mae", "rmse", "loss"], "rmse", ["rmse", "loss"]),
        (["test/loss"], "test/loss", ["test/loss"]),
        (["test_iou", "test_loss"], "test_iou", ["test_iou", "test_loss"]),
        (["gloss"], None, []),
        ([], None, []),
    ],
)
def test_the_history_keeps_the_headline_and_the_loss(metrics: list[str], headline: str, judged: list[str]) -> None:
    run = {"metrics": dict.fromkeys(metrics, 0.5)}
    assert Canonical(run, headline).judged() == judged
    assert loss(run["metrics"]) in (None, judged[-1:] and judged[-1])


def test_an_earlier_history_goes_on_with_other_metrics(tmp_path: Path) -> None:
    """The file of a project whose canonical training told classes apart, and now predicts a quantity."""
    table = tmp_path / "drift.csv"
    table.write_text("date,commit,verdict,weights_sha256,accuracy,loss\n2026-01-31,abc,same bits,0f,0.97,0.1\n")
    fixed = {"commit": "def", "verdict": "drifted", "weights_sha256": "1e"}
    add(table, {"date": "2026-02-28", **fixed, "rmse": 53.2, "loss": 0.5})
    add(table, {"date": "2026-03-31", **fixed, "rmse": 53.1, "loss": 0.4})
    with table.open() as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["date", "commit", "verdict", "weights_sha256", "accuracy", "loss", "rmse"]
    assert [row["accuracy"] for row in rows] == ["0.97", "", ""]
    assert [row["rmse"] for row in rows] == ["", "53.2", "53.1"]
    assert [row["loss"] for row in rows] == ["0.1", "0.5", "0.4"]


def test_other_bits_without_a_metric_have_drifted() -> None:
    """No tolerance can be met where nothing is measured."""
    before = {"date": "2026-01-31T12:00:00", "commit": "0" * 40, "weights_sha256": "f" * 64}
    verdict, line = _judge(Comparison(False, {}, []), before, 0.005)
    assert verdict == DRIFTED
    assert "no metric of a test to compare" in line


FLOWERS = {"input_shape": [4], "input_dtype": "float32", "classes": ["rose", "tulip"]}
PRICES = {"input_shape": [4], "input_dtype": "float32", "target": "price", "unit": "EUR"}
BUILT = {"model": {"_target_": "p.MLP"}, "task": {"_target_": "p.Task"}}
RUN = {"weights_sha256": "0", "code": {}, "data": {}, "locks": {}, "environment": {}, "restored": None}


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (FLOWERS | BUILT, FLOWERS | BUILT | {"classes": ["rose", "lily"]}, "the classes changed"),
        (PRICES | BUILT, PRICES | BUILT | {"unit": "USD"}, "the unit changed"),
        (PRICES | BUILT, {k: v for k, v in (PRICES | BUILT).items() if k != "unit"}, "the unit changed"),
        (PRICES | BUILT, PRICES | BUILT | {"input_shape": [5]}, "the shape of the input changed"),
        (PRICES | BUILT, PRICES | BUILT | {"model": {"_target_": "p.MLP", "hidden": 3}}, "the network changed"),
        (BUILT, BUILT | {"task": {"_target_": "p.Other"}}, "the task changed"),
    ],
)
def test_whatever_a_model_says_of_itself_is_its_interface(before: dict, after: dict, reason: str) -> None:
    level, reasons = compare(before, RUN, after, RUN)
    assert (level, reasons[0]) == (MAJOR, reason)


def test_arguments_of_a_task_are_no_interface() -> None:
    run = {**RUN, "inputs": {}, "config": {"data": {}, "paths": {"run": "r"}}}
    trained = {"task": {"_target_": "p.Task", "lr": 0.1}}
    assert compare(trained, run, {"task": {"_target_": "p.Task", "lr": 0.2}}, run)[0] == PATCH


@pytest.mark.parametrize(
    ("predictions", "shown"),
    [
        ("actual,predicted,probability\na,a,0.9\na,b,0.6\nb,a,0.8\n", [["2", "b", "a", "0.8"], ["1", "a", "b", "0.6"]]),
        (
            "actual,predicted,more\n1.0,1.0,x\n1.0,1.5,x\n2.0,-1.0,x\n",
            [["2", "2.0", "-1.0", "-3.0"], ["1", "1.0", "1.5", "0.5"]],
        ),
        ("actual,predicted,probability\na,a,0.9\n", None),
        ("actual,predicted,probability\na,b,high\n", None),
        ("actual,predicted\na cat,a dog\n", None),
        ("text\nx\n", None),
    ],
)
def test_the_worst_examples_come_first(tmp_path: Path, predictions: str, shown: list[list[str]] | None) -> None:
    path = tmp_path / "predictions.csv"
    path.write_text(predictions)
    found = worst_examples(Written(tmp_path, None, True, None, None, {}, [], [], path))
    assert (found and found.rows) == shown


WATCHED = {
    "training": {"scheduler": {"monitor": "val/dice", "mode": "max"}},
    "callbacks": {"early": {"monitor": "val_gap", "mode": "min"}, "rates": {"monitor": "odd"}, "bar": {}},
}


def facts(higher: bool | None, interval: tuple[float, float] | None = None, **metrics: float) -> Facts:
    """Return as much of a run as is compared; its test says of the first metric whether a higher value is better."""
    said = {next(iter(metrics)): higher}
    found = {name: Metric(name, value, interval, said.get(name)) for name, value in metrics.items()}
    shown = {name: with_interval(value, interval) for name, value in metrics.items()}
    written, record = SimpleNamespace(metrics=found), {"metrics": metrics, "config": WATCHED}
    return cast(Facts, SimpleNamespace(written=written, metrics=shown, record=record))


def test_a_comparison_says_better_or_worse_where_somebody_said_which_is() -> None:
    def said(higher: bool, *runs: dict[str, float], **more: Any) -> list[str]:
        return [item.verdict for item in judge(*(facts(higher, **run, **more) for run in runs))]

    first, second = (
        {"score": 1.0, "test/loss": 1.0, "test/dice": 0.5, "gap": 1.0, "accuracy": 1.0, "odd": 1.0},
        {"score": 2.0, "test/loss": 0.5, "test/dice": 0.4, "gap": 2.0, "accuracy": 2.0, "odd": 2.0},
    )
    rest = ["better", "worse", "worse", "", ""]  # no name but that of a loss says anything
    assert said(True, first, second) == ["better", *rest]
    assert said(False, first, second) == ["worse", *rest]
    assert said(None, first, second) == ["", *rest]
    assert said(True, first, first) == ["equal"] * 4 + ["", ""]
    assert said(True, {"score": 1.0}, {"score": float("nan")}) == [""]
    assert [item.change for item in judge(facts(True, score=1.0), facts(True, score=1.5, more=2.0))] == ["+0.5", ""]
    for second_interval, overlap in (((0.5, 2.0), True), ((1.6, 2.0), False)):
        [item] = judge(facts(True, (0.5, 1.5), score=1.0), facts(True, second_interval, score=1.8))
        assert item.overlap == overlap


def test_an_earlier_test_says_which_direction_is_better_of_its_headline_only(tmp_path: Path) -> None:
    metrics = {"mae": {"value": 0.5, "interval": None}, "r2": {"value": 0.5, "interval": None}}
    about = {"headline": "mae", "higher_is_better": False, "kind": None, "examples": 2}
    found = {**about, "metrics": metrics, "tables": [], "figures": []}
    (tmp_path / "evaluation.json").write_text(json.dumps(found))
    written = read_evaluation(tmp_path)
    assert written
    assert {name: metric.higher_is_better for name, metric in written.metrics.items()} == {"mae": False, "r2": None}


def test_a_curve_that_flattens_has_a_logarithmic_axis() -> None:
    falling = picture("loss", [Curve("train", [(0, 2.0), (1, 0.1), (2, 0.02)])])
    assert falling
    assert falling.logarithmic
    assert [label for label, _ in falling.up] == ["0.02", "0.05", "0.1", "0.2", "0.5", "1", "2"]
    deep = picture("loss", [Curve("train", [(0, 20.0), (1, 0.02)])])
    assert deep
    assert [label for label, _ in deep.up] == ["0.01", "0.1", "1", "10", "100"]
    heights = [y for _, y in deep.up]
    assert max(heights[i] - heights[i + 1] for i in range(4)) == pytest.approx(heights[0] - heights[1], abs=0.2)
    for values in ([0.1, 0.9, 0.99], [2.0, 1.0, 0.5], [2.0, 0.0, -1.0]):  # rises, falls little, is not positive
        plain = picture("metric", [Curve("train", list(enumerate(values)))])
        assert plain
        assert not plain.logarithmic


def test_curves_that_have_flattened_are_enlarged() -> None:
    rising = [1 - 0.5**epoch for epoch in range(20)]
    whole, half = pictures("accuracy", [Curve("train", list(enumerate(rising)))])
    assert not whole.enlarged
    assert half.enlarged
    assert half.curves[0].points[0] == (10, rising[10])
    for values in (rising[:9], list(range(20)), [1.0] * 20, [0.0] + [1.0] * 19):  # short, no flatter, nothing to see
        assert len(pictures("metric", [Curve("train", list(enumerate(values)))])) == 1
    assert pictures("accuracy", []) == []
