"""What reads results knows no task: drift, report and cards of tests that nobody here has heard of."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from reproml.cards.hub import metadata
from reproml.cards.model_card import _metrics, _tables
from reproml.cards.sources import Project, Source
from reproml.cards.targets import answer, distribution
from reproml.evaluation.evaluation import Evaluation
from reproml.evaluation.write import write_evaluation
from reproml.evaluation.written import Written, read_evaluation
from reproml.report.collect import Facts
from reproml.report.pictures import _as_bytes, _png
from reproml.report.render import report
from reproml.runs import record
from reproml.tables import TextTable
from reproml.verify import baseline, drift
from reproml.verify.baseline import Canonical

EVIL = "<b>|`x`"


def counted(**more: Any) -> Evaluation:
    """Return the test of a task that counts birds: of each example how many it missed."""
    figure = Figure()
    figure.subplots().plot([1, 2, 3])
    return Evaluation(
        metrics={"loss": 0.5, "missed": 2.0},
        headline="missed",
        higher_is_better=False,
        kind="object-detection",
        examples=4,
        tables={"counts": [{"site": EVIL, "missed": 3.0}, {"site": "lake", "missed": 1.0}]},
        figures={"counts": figure},
        predictions=[{"seen": 3, "counted": 1}] * 4,
        per_example={"missed": [1.0, 3.0, 2.0, 2.0]},
        **more,
    )


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Return what the test of that task wrote."""
    history = tmp_path / "metrics.csv"
    history.write_text("epoch,step,lr,train/loss,val/loss\n0,1,0.1,2,1\n1,2,0.1,1,0.5\n")
    write_evaluation(counted(), history, tmp_path / "test", seed=1)
    found = read_evaluation(tmp_path / "test")
    assert found is not None
    return found


def recorded(**more: Any) -> dict[str, Any]:
    """Return as much of a record as a reader needs."""
    return {
        "config": {"data": {"_target_": "birds.Photos"}, "task": {"_target_": "birds.Count"}},
        "git": None,
        "code": {},
        "locks": {},
        "data": {"name": "Photos", "raw": {}, "prepared": {}, "files": {}},
        "environment": {
            "cpu": {"model": "a processor", "machine": "x86_64"},
            "gpu": None,
            "os": {"system": "Linux"},
            "torch": {"threads": 1},
            "python": "3.12.0",
            "packages": {"torch": "2"},
        },
        "restored": None,
        "sessions": [{"started": "2026-01-31T12:00:00", "ended": "2026-01-31T12:01:00", "seconds": 60.0}],
        "reproducibility": {"level": "strict", "text": "the same bits"},
        "seeds": {"seed": 1},
        "inputs": {},
        "metrics": {"loss": 0.5, "missed": 2.0, "examples": 4},
        "weights_sha256": "0" * 64,
        "trace_sha256": "1" * 64,
        "history_sha256": "2" * 64,
        **more,
    }


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_a_report_shows_whatever_a_test_gave(written: Written, name: str) -> None:
    facts = Facts(
        folder=Path("outputs/birds"),
        record=recorded(),
        config="seed: 1\n",
        command="python train.py",
        repeat=["make setup"],
        history=[{"epoch": "0", "train/loss": "2"}, {"epoch": "1", "train/loss": "1"}],
        written=written,
        tables=[TextTable.of(table.name, table.title, table.rows()) for table in written.tables],
        figures=written.figures,
        results="test",
        verification=None,
        checklist=[],
        worst=TextTable("predictions", "Largest errors", ["example", "actual", "predicted"], [["7", "1.5", "9.5"]]),
        pictures=[b"\x89PNG"] if name.endswith("html") else [],
    )
    text = report(facts, name)
    for each in ("Largest errors", "7", "9.5"):
        assert each in text.partition("Counts")[2]
    assert ('alt="Example 7"' in text) == name.endswith("html")
    low, high = written.metrics["missed"].interval or (0, 0)
    assert low < 2 < high
    assert f"{low:.4f} to {high:.4f}" in text
    assert text.index("missed") < text.index("loss")  # the headline is the first of the metrics
    assert "The headline metric of the test is missed: lower is better." in text
    for shown in ("lake", "Counts"):
        assert shown in text
    assert "<b>" not in text and "Learning curves" not in text  # which it draws itself
    assert ("data:image/png;base64," if name.endswith("html") else "![Counts](test/figures/counts.png)") in text


@pytest.mark.parametrize(
    ("images", "size"),
    [
        (np.arange(144, dtype=np.float32).reshape(2, 3, 4, 6) - 9, (96, 64)),  # enlarged, pixel by pixel
        (np.zeros((1, 1, 300, 400), np.uint8), (192, 144)),  # reduced
    ],
)
def test_examples_are_pictures_of_a_size_that_can_be_seen(images: np.ndarray, size: tuple[int, int]) -> None:
    found = [Image.open(io.BytesIO(_png(image))) for image in _as_bytes(images)]
    assert [(each.size, len(each.getbands())) for each in found] == [(size, images.shape[1])] * len(images)
    levels = [extreme for each in found for extreme in np.asarray(each).reshape(-1)[[0, -1]].tolist()]
    assert (min(levels), max(levels)) == (0, 255 if images.any() else 0)


def test_a_card_shows_whatever_a_test_gave(written: Written) -> None:
    (missed, shown), (loss, _) = _metrics(written)
    assert (missed, loss, shown.text) == ("missed", "loss", "2.0000")
    assert shown.interval
    [(table, rows, rest)] = _tables(written)
    assert (table.title, [cell.text for cell in rows[1]], rest) == ("Counts", ["lake", "1.0000"], "")
    project = Project("birds", "Birds", "", [], "1.0.0", "MIT")
    head = metadata(
        project, Source("Photos"), "Photos", {name: metric.value for name, metric in written.metrics.items()}, written
    )
    assert (head.pipeline_tag, head.metrics) == ("object-detection", ["loss", "missed"])
    results = [(item.metric_type, item.metric_value) for item in head.eval_results or []]
    assert results == [("missed", 2.0), ("loss", 0.5)]


def test_a_task_without_a_test_has_a_card_without_results(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("epoch,step,lr,train/loss\n0,1,0.1,2\n")
    write_evaluation(Evaluation({}), tmp_path / "metrics.csv", tmp_path / "test")
    found = read_evaluation(tmp_path / "test")
    assert found is not None
    assert _metrics(found) == []
    head = metadata(Project("birds", "Birds", "", [], "1.0.0", "MIT"), Source("Photos"), "Photos", {}, found)
    assert head.eval_results is None and head.pipeline_tag is None


def test_drift_is_that_of_the_headline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what an earlier task has left in the history stays there."""
    monkeypatch.chdir(tmp_path)
    inputs: dict[str, Any] = {"inputs": {}, "code": {}, "data": {}, "environment": {}}
    monkeypatch.setattr(record, "inputs", lambda run: inputs)
    trained = recorded()
    monkeypatch.setattr(baseline, "train", lambda: Canonical(trained, "missed"))
    assert drift.update().endswith(", missed 2, loss 0.5")
    drift.HISTORY.write_text("date,commit,verdict,weights_sha256,accuracy,loss\n2026-01-31,abc,same bits,0f,0.97,0.1\n")
    assert drift.check(0.005).line.startswith("same bits as the baseline of ")
    trained = recorded(weights_sha256="f" * 64, metrics={"loss": 0.5, "missed": 2.5, "examples": 4})
    verdict = drift.check(0.005)
    assert (verdict.code, "missed was 2, is now 2.5" in verdict.line) == (1, True)
    with drift.HISTORY.open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["accuracy"] for row in rows] == ["0.97", "", ""]
    assert [row["missed"] for row in rows] == ["", "2.0", "2.5"]
    assert drift.PICTURE.read_bytes().startswith(b"\x89PNG")
    assert "| missed | 2 | 2.5 | +0.5 |" in drift.ALERT.read_text()


def test_quantities_have_a_distribution_and_classes_have_counts(tmp_path: Path) -> None:
    np.save(tmp_path / "targets.npy", np.array([1, 2, 3, 10], np.float32))
    found = dict(distribution({"examples": 4}, tmp_path).rows)
    assert found["least"] == "1.0" and found["median"] == "2.5" and found["most"] == "10.0" and found["mean"] == "4.0"
    counted = distribution({"examples": 4, "class_counts": {"a": 3, "b": 1}}, tmp_path)
    assert counted.rows == [["a", "3", "75.0 %"], ["b", "1", "25.0 %"]]
    told = {"task": {}, "model": {}, "input_shape": [3], "input_dtype": "float32", "missing": True, "target": "price"}
    assert answer(told) == {"target": "price"}
