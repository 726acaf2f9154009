"""`task.metrics`: metrics of torchmetrics beside those of a task on prepared arrays."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn
from torchmetrics.classification import MulticlassAUROC, MulticlassConfusionMatrix

from reproml.arrays.datamodule import ArrayDataModule
from reproml.config.trust import names
from reproml.errors import ConfigError
from reproml.models.metrics import Metrics
from reproml.models.saved import load_model
from reproml.runs.completed import CompletedRun

from .conftest import PLAIN, Command

AUROC = "{_target_: torchmetrics.classification.MulticlassAUROC, num_classes: 10}"


def test_they_are_in_the_history_and_in_the_test(
    project: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the value that scikit-learn finds, and the direction that torchmetrics knows."""
    run = project / "outputs" / "more"
    small = ("data=digits", "model=mlp", "training.epochs=2", "training.batch_size=64", "data.train_examples=200")
    said = command("train.py", *PLAIN, *small, f"+task.metrics.auroc={AUROC}", f"hydra.run.dir={run}").stdout
    assert "auroc 0." in said
    with (run / "metrics.csv").open() as stream:
        values = [float(row["val/auroc"]) for row in csv.DictReader(stream)]
    assert len(values) == 2 and all(0.2 < value < 1 for value in values) and values[0] != values[1]
    tested = json.loads((run / "test" / "evaluation.json").read_text())["metrics"]["auroc"]
    monkeypatch.chdir(project)
    monkeypatch.setattr(names, "given", lambda: True)  # no file in configs/ names this metric
    data = ArrayDataModule(CompletedRun.named(run).config)
    places = data.splits["test"]
    model, _ = load_model(run / "model.safetensors")
    with torch.inference_mode():
        odds = model.eval().infer(torch.from_numpy(data.dataset.inputs.rows(places))).softmax(1)  # type: ignore[operator]
    expected = roc_auc_score(data.dataset.targets.rows(places), odds.double().numpy(), multi_class="ovr")
    assert tested["value"] == pytest.approx(expected, abs=1e-4)
    assert tested["higher_is_better"] is True
    assert b"MulticlassAUROC" not in (run / "model.safetensors").read_bytes()  # which a prediction does not need


def test_an_epoch_forgets_the_last_one() -> None:
    metrics = Metrics({"auroc": MulticlassAUROC(num_classes=3)}, taken=())
    right, wrong = torch.eye(3), torch.eye(3).roll(1, 0)
    metrics.observe(right, torch.arange(3))
    assert metrics.values_so_far() == {"auroc": 1.0}
    metrics.observe(wrong, torch.arange(3))
    assert metrics.values_so_far()["auroc"] < 1.0
    metrics.forget()
    metrics.observe(right, torch.arange(3))
    assert metrics.values_so_far() == {"auroc": 1.0}
    assert not metrics.state_dict()  # the weights of a model are those without them


@pytest.mark.parametrize(
    ("name", "metric", "said"),
    [
        ("loss", MulticlassAUROC(num_classes=3), "task.metrics.loss: the task has a metric of that name"),
        ("a/b", MulticlassAUROC(num_classes=3), "task.metrics.a/b: that is not a valid name"),
        ("auroc", nn.Linear(1, 1), "task.metrics.auroc is a Linear: name a torchmetrics class"),
    ],
)
def test_what_is_no_metric_is_refused(name: str, metric: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Metrics({name: metric}, taken=("loss",))


def test_several_numbers_are_no_metric() -> None:
    metrics = Metrics({"matrix": MulticlassConfusionMatrix(num_classes=3)}, taken=())
    metrics.observe(torch.eye(3), torch.arange(3))
    with pytest.raises(ConfigError, match=r"task\.metrics\.matrix gives 9 numbers, but must give one number"):
        metrics.values_so_far()
