"""The model over HTTP: the bits of the test, and what is refused."""

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch

from package_name.data.splits import split
from package_name.models.classifier import BLOCK, Classifier, build_network
from package_name.reproducibility import record

PACKAGE = record.__name__.partition(".")[0]
BLANK = [[[0] * 8] * 8]


@pytest.fixture(scope="module")
def server(project: Path, short_run: Path) -> Iterator[httpx.Client]:
    """Yield a client of a real server, which has to end well when it is told to."""
    command = [sys.executable, "-m", PACKAGE, "serve", "--run", str(short_run), "--port", "0", "--max-bytes", "100000"]
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


def test_the_numbers_are_those_of_the_test(server: httpx.Client, project: Path, short_run: Path) -> None:
    """To the last digit, whatever comes in the same request."""
    found = record.read(short_run)["config"]
    folder = project / found["paths"]["processed"]
    validation, test = (found["data"][f"{name}_fraction"] for name in ("validation", "test"))
    positions = split(np.load(folder / "targets.npy"), 0, validation, test, found["seed"])["test"]
    inputs = np.load(folder / "inputs.npy")[positions].tolist()
    rows = list(csv.DictReader((short_run / "test" / "predictions.csv").open()))
    together = [answer for first in range(0, len(inputs), 50) for answer in predict(server, inputs[first : first + 50])]
    assert [(answer["predicted"], repr(answer["probability"])) for answer in together] == [
        (row["predicted"], row["probability"]) for row in rows
    ]
    assert [predict(server, [item])[0] for item in inputs[:20]] == together[:20]
    assert predict(server, inputs[1:4]) != together[:3]


@pytest.mark.parametrize(("model", "shape"), [("mlp.MLP", (1, 8, 8)), ("cnn.CNN", (1, 8, 8)), ("mlp.MLP", (30,))])
def test_an_example_has_the_same_bits_alone_and_in_company(model: str, shape: tuple[int, ...]) -> None:
    settings: dict[str, Any] = {"hidden": 32, "channels": [8, 16]} if model == "cnn.CNN" else {"hidden": [32, 64]}
    network = build_network({"_target_": f"{PACKAGE}.models.{model}", "dropout": 0.5, **settings}, shape, 10)
    classifier = Classifier(network, torch.tensor(8.0), torch.tensor(6.0)).eval()
    inputs = torch.randint(0, 17, (2 * BLOCK + 5, *shape), dtype=torch.uint8)
    with torch.inference_mode():
        together = classifier.infer(inputs)
        for size in (1, 3, BLOCK, BLOCK + 1):
            order = torch.randperm(len(inputs))
            apart = torch.cat([classifier.infer(part) for part in inputs[order].split(size)])
            assert torch.equal(apart, together[order])


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ({"inputs": [BLANK, [[[0] * 8] * 7]]}, 422, "inputs[1][0]: List should have at least 8 items"),
        ({"inputs": [[[[0] * 7 + [256]] * 8]]}, 422, "inputs[0][0][0][7]: Input should be less than or equal to 255"),
        ({"inputs": [[[[0] * 7 + [True]] * 8]]}, 422, "inputs[0][0][0][7]: Input should be a valid integer"),
        ({"inputs": []}, 422, "inputs: List should have at least 1 item"),
        ({"input": [BLANK]}, 422, "inputs: Field required"),
        ({"inputs": [BLANK] * 1000}, 413, "larger than 100000 bytes"),
    ],
)
def test_a_bad_request_is_refused_in_one_sentence(
    server: httpx.Client, body: dict[str, Any], status: int, sentence: str
) -> None:
    response = server.post("/predict", json=body)
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
    assert all(model[key] == found[key] for key in ("model_sha256", "weights_sha256", "data", "metrics", "promise"))
    assert [item["actual"] for item in server.get("/examples").json()["examples"]] == model["classes"]
    assert server.get("/health").json() == {"status": "ok"}
    assert server.get("/openapi.json").json()["paths"].keys() == {"/predict", "/health", "/model", "/examples"}
    assert "<canvas" in server.get("/").text
    assert "static-offline-docs" in server.get("/docs").text  # and not from elsewhere


def test_an_altered_model_is_not_served(project: Path, short_run: Path, tmp_path: Path) -> None:
    for name in ("config.yaml", "run.json", "model.safetensors"):
        (tmp_path / name).write_bytes((short_run / name).read_bytes())
    weights = bytearray((tmp_path / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(weights)
    command = [sys.executable, "-m", PACKAGE, "serve", "--run", str(tmp_path), "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": "src"}
    result = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    assert result.returncode != 0
    assert "model.safetensors is not the file that the record names" in result.stderr
