"""The model over HTTP: the bits of the test, and what is refused."""

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch

from reproml.arrays.datamodule import ArrayDataModule
from reproml.models.saved import load_model
from reproml.runs import record
from reproml.runs.completed import CompletedRun

from .conftest import Command

PACKAGE = record.__name__.partition(".")[0]
MOST_BYTES = 100_000


@pytest.fixture(scope="module")
def server(project: Path, short_run: Path) -> Iterator[httpx.Client]:
    """Yield a client of a real server, which has to end well when it is told to."""
    command = [
        sys.executable,
        "-m",
        PACKAGE,
        "serve",
        "--run",
        str(short_run),
        "--port",
        "0",
        "--max-bytes",
        str(MOST_BYTES),
    ]
    environment = {**os.environ, "PYTHONPATH": "src"}
    with subprocess.Popen(command, cwd=project, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            address = process.stdout.readline().split()[-1]
            with httpx.Client(base_url=address, timeout=60) as client:
                yield client
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()


def predict(server: httpx.Client, inputs: list[Any]) -> list[dict[str, Any]]:
    response = server.post("/predict", json={"inputs": inputs})
    assert response.status_code == 200, response.text
    return response.json()["predictions"]


@pytest.fixture(scope="module")
def blank(short_run: Path) -> list[Any]:
    """Return an example of zeros, in the shape and type that the model takes."""
    interface = load_model(short_run / "model.safetensors")[1]
    return np.zeros(interface["input_shape"], interface["input_dtype"]).tolist()


def test_the_numbers_are_those_of_the_test(
    server: httpx.Client, project: Path, short_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the last digit, whatever comes in the same request."""
    monkeypatch.chdir(project)
    data = ArrayDataModule(CompletedRun.named(short_run).config)
    inputs = data.dataset.inputs.rows(data.splits["test"]).tolist()
    rows = list(csv.DictReader((short_run / "test" / "predictions.csv").open()))
    together = [answer for first in range(0, len(inputs), 50) for answer in predict(server, inputs[first : first + 50])]
    assert [(answer["predicted"], repr(answer["probability"])) for answer in together] == [
        (row["predicted"], row["probability"]) for row in rows
    ]
    assert [predict(server, [item])[0] for item in inputs[:20]] == together[:20]
    assert predict(server, inputs[1:4]) != together[:3]


def test_an_example_has_the_same_bits_alone_and_in_company(short_run: Path) -> None:
    model: Any
    model, interface = load_model(short_run / "model.safetensors")
    examples = torch.randint(0, 17, (37, *interface["input_shape"])).numpy().astype(interface["input_dtype"])
    inputs = torch.from_numpy(examples)
    with torch.inference_mode():
        together = model.eval().infer(inputs)
        for size in (1, 3, 16, 17):
            order = torch.randperm(len(inputs))
            apart = torch.cat([model.infer(part) for part in inputs[order].split(size)])
            assert torch.equal(apart, together[order])


def with_first_number(example: Any, value: Any) -> Any:
    """Return the example with another value in place of its first number."""
    return [with_first_number(example[0], value), *example[1:]] if isinstance(example, list) else value


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (lambda blank: {"inputs": [blank, blank[:-1]]}, 422, "inputs[1]: List should have at least"),
        (lambda blank: {"inputs": [with_first_number(blank, "many")]}, 422, "[0]: Input should be a valid"),
        (lambda blank: {"inputs": [with_first_number(blank, True)]}, 422, "[0]: Input should be a valid"),
        (lambda blank: {"inputs": [with_first_number(blank, 10**400)]}, 422, "[0]: Input should be"),
        (lambda blank: {"inputs": []}, 422, "inputs: List should have at least 1 item"),
        (lambda blank: {"input": [blank]}, 422, "inputs: Field required"),
        (lambda blank: {"inputs": [blank] * MOST_BYTES}, 413, f"larger than {MOST_BYTES} bytes"),
    ],
    ids=["short", "text", "truth value", "large", "none", "other key", "too many"],
)
def test_a_bad_request_is_refused_in_one_sentence(
    server: httpx.Client, blank: list[Any], body: Callable[[list[Any]], dict[str, Any]], status: int, sentence: str
) -> None:
    assert predict(server, [blank])
    response = server.post("/predict", json=body(blank))
    assert response.status_code == status
    assert sentence in response.json()["detail"]


def test_what_is_not_json_and_what_is_not_there(server: httpx.Client) -> None:
    wrong = server.post("/predict", content=b'{"inputs": [NaN]}', headers={"Content-Type": "application/json"})
    assert wrong.status_code == 422
    assert server.post("/predict", data={"inputs": "1"}).status_code == 415
    assert server.get("/predict").status_code == 405
    assert server.get("/nothing").status_code == 404


def test_it_says_what_it_is(server: httpx.Client, short_run: Path) -> None:
    found = record.read(short_run)
    model = server.get("/model").json()
    keys = ("model_sha256", "weights_sha256", "data", "metrics", "reproducibility")
    assert all(model[key] == found[key] for key in keys)
    shown = [item["actual"] for item in server.get("/examples").json()["examples"]]
    assert shown == [name for name in model["classes"] if name in shown] != []
    assert server.get("/health").json() == {"status": "ok"}
    assert server.get("/openapi.json").json()["paths"].keys() == {"/predict", "/health", "/model", "/examples"}
    assert "<canvas" in server.get("/").text
    assert "static-offline-docs" in server.get("/docs").text  # and not from elsewhere


def test_an_altered_model_is_not_served(command: Command, short_run: Path, tmp_path: Path) -> None:
    for name in ("config.yaml", "run.json", "model.safetensors"):
        (tmp_path / name).write_bytes((short_run / name).read_bytes())
    weights = bytearray((tmp_path / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(weights)
    result = command("-m", PACKAGE, "serve", "--run", str(tmp_path), "--port", "0", check=False)
    assert result.returncode != 0
    assert "model.safetensors is not the file in the record" in result.stderr
