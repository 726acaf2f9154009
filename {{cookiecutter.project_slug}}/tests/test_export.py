"""The model of a run as ONNX: what it gives, and what is refused."""

import csv
import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning import LightningModule
from torch import nn

from reproml import ConfigError
from reproml.arrays.datamodule import ArrayDataModule
from reproml.export import export as exporting
from reproml.models.array_task import INFERENCE_BATCH
from reproml.runs.completed import CompletedRun

from .conftest import Command


class Own(LightningModule):
    """A task whose forward is a function of its layer and of what it is given."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.layer, self.function = nn.Linear(3, 2), function

    def forward(self, first: Any, second: Any = None) -> Any:
        return self.function(self.layer(first), second)


def converted(function: Any, *calls: dict[str, torch.Tensor], tolerance: float = 1e-4) -> tuple[Any, float]:
    """Return the ONNX model of such a task, and its largest difference."""
    file: Any = importlib.import_module("reproml.export.onnx_file")
    task = Own(function).eval()
    model = file.convert(task, calls)
    return model, file.largest_difference(task, model.SerializeToString(), calls, tolerance)


@pytest.fixture
def runtime() -> Any:
    """Return ONNX Runtime."""
    return pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")


def test_an_exported_model_gives_the_outputs_of_the_test(
    runtime: Any, project: Path, command: Command, short_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In batches of any size; it says which weights it holds, and nothing of this machine."""
    said = command("-m", "reproml", "export", "outputs/short", "--output", str(tmp_path / "a.onnx")).stdout
    session = runtime.InferenceSession(tmp_path / "a.onnx", providers=["CPUExecutionProvider"])
    monkeypatch.chdir(project)
    run = CompletedRun.named(short_run)
    facts = session.get_modelmeta().custom_metadata_map
    assert {name: facts[name] for name in ("weights_sha256", "model_sha256")}.items() <= run.record.items()
    assert json.loads(facts["checked"])["largest_difference"] <= 1e-4
    assert json.loads(facts["description"])["classes"] == [str(digit) for digit in range(10)]
    assert str(project).encode() not in (tmp_path / "a.onnx").read_bytes()
    data = ArrayDataModule(run.config)
    inputs = data.dataset.inputs.rows(data.splits["test"])
    assert f"inputs {inputs.dtype}[batch, 1, 8, 8] -> outputs float32[batch, 10]" in said
    assert f"on {-(-len(inputs) // INFERENCE_BATCH)} batches of the test: largest difference" in said
    parts = (inputs[:1], inputs[1:3], inputs[3:])
    outputs = np.concatenate([session.run(["outputs"], {"inputs": part})[0] for part in parts])
    with (short_run / "test" / "predictions.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [str(each) for each in outputs.argmax(1)] == [row["predicted"] for row in rows]
    odds = np.exp(outputs - outputs.max(1, keepdims=True))
    assert np.allclose((odds / odds.sum(1, keepdims=True)).max(1), [float(row["probability"]) for row in rows])


def test_an_export_is_the_same_again(
    runtime: Any, command: Command, short_run: Path, project: Path, tmp_path: Path
) -> None:
    """The file in the folder of a run is gone when a training begins there."""
    command("-m", "reproml", "export", "outputs/short")
    command("-m", "reproml", "export", "outputs/short", "--output", str(tmp_path / "a.onnx"))
    assert (short_run / "model.onnx").read_bytes() == (tmp_path / "a.onnx").read_bytes()
    (short_run / "model.onnx").unlink()


ROWS = {"first": torch.randn(4, 3)}


@pytest.mark.parametrize(
    ("function", "calls", "outputs"),
    [
        (lambda first, second: first, [ROWS], ["outputs"]),
        (lambda first, second: (first, first.argmax(1)), [ROWS], ["outputs_0", "outputs_1"]),
        (lambda first, second: {"logits": first, "none": None}, [ROWS], ["logits"]),
        (lambda first, second: first + second, [{**ROWS, "second": torch.randn(4, 2)}], ["outputs"]),
        (lambda first, second: first.mean(1), [{"first": torch.randn(1, n, 3)} for n in (5, 7, 1)], ["outputs"]),
        (lambda first, second: first / 0, [ROWS], ["outputs"]),
    ],
)
def test_a_task_of_the_users_own_is_exported(runtime: Any, function: Any, calls: Any, outputs: list[str]) -> None:
    model, difference = converted(function, *calls)
    assert [each.name for each in model.graph.output] == outputs
    assert [each.name for each in model.graph.input] == list(calls[0])
    assert difference <= 1e-4


@pytest.mark.parametrize(
    ("function", "tolerance", "sentence"),
    [
        (lambda first, second: first if first.sum() > 0 else -first, 1e-4, "Own cannot be exported to ONNX"),
        (lambda first, second: first.detach().numpy(), 1e-4, "forward returns outputs as ndarray"),
        (lambda first, second: first.tolist()[0], 1e-4, "forward returns outputs_0 as float"),
        (lambda first, second: first.bfloat16(), 1e-4, "on a batch of its test"),
        (lambda first, second: first.exp().sin() * 1e6, 0.0, "more than --tolerance 0 allows: nothing is written"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_one_sentence(
    runtime: Any, function: Any, tolerance: float, sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence) as caught:
        converted(function, {"first": torch.randn(400, 3)}, tolerance=tolerance)
    assert "\n" not in str(caught.value)


def test_a_quantity_comes_with_its_scale(runtime: Any) -> None:
    task = Own(None)
    file: Any = importlib.import_module("reproml.export.onnx_file")
    assert file.scale(task) == {}
    for name, value in (("target_mean", 0.1), ("target_std", 2.5)):
        task.register_buffer(name, torch.tensor([value], dtype=torch.float64))
    assert file.scale(task) == {"target_mean": "0.1", "target_std": "2.5"}


def test_an_export_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"--output a.pt does not end with .onnx: give a name that does"):
        exporting.export(tmp_path, Path("a.pt"), 0.0)
    monkeypatch.setattr(exporting, "find_spec", lambda name: None)
    pin = r"make add PACKAGE={0}==[0-9.]+"
    wanted = f"{pin.format('onnxruntime')} and {pin.format('onnxscript')}$"
    with pytest.raises(ConfigError, match=f"an export needs onnxruntime and onnxscript, .*: {wanted}"):
        exporting.export(tmp_path, None, 0.0)
