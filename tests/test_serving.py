"""The model over HTTP: real server processes, the same bits as evaluate.py, limits, a real browser."""

import csv
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from browser import page
from conftest import digest, run
from runs import SHORT, train

pytestmark = pytest.mark.slow


class Server:
    """`python -m my_project serve` as a process of its own, on a free port."""

    def __init__(self, project: Path, arguments: str) -> None:
        outer = {key: value for key, value in os.environ.items() if key not in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        command = [project / ".venv/bin/python", "-m", "my_project", "serve", "--port", "0", *arguments.split()]
        self.log = project / f"serve-{time.monotonic_ns()}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, cwd=project, env={**outer, "PYTHONPATH": "src"}, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self.process.stdout
        said = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", said)
        assert found, said + self.log.read_text()
        self.port = int(found[1])
        self.address = f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
        """Return status and answer; a body is sent as JSON unless the headers say otherwise."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.address + path, body, {"Content-Type": "application/json", **named})
        try:
            with urllib.request.urlopen(request) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def predict(self, inputs: list[Any]) -> list[dict[str, Any]]:
        """Return the answers for some examples."""
        status, answer = self.ask("/predict", json.dumps({"inputs": inputs}).encode())
        assert status == 200, answer
        return answer["predictions"]

    def lines(self) -> list[dict[str, Any]]:
        """Return what was logged so far; every line is a JSON object."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=30)


@contextmanager
def serving(project: Path, arguments: str) -> Iterator[Server]:
    server = Server(project, arguments)
    try:
        until(lambda: server.ask("/health")[0] in (200, 503))
        yield server
    finally:
        if server.process.poll() is None:
            server.stop(signal.SIGKILL)


def until(condition: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def served(shared_project: Path) -> Iterator[Server]:
    train(shared_project, f"{SHORT} model=cnn", "served")
    run("python evaluate.py run=outputs/served", shared_project)
    with serving(shared_project, "--run outputs/served --max-bytes 2000000") as server:
        yield server


@pytest.fixture(scope="module")
def test_split(served: Server, shared_project: Path) -> list[Any]:
    """Return the test examples, in the order in which evaluate.py reads them."""
    code = (
        "import json; from my_project.check import check; from my_project.runs import read_config;"
        "from my_project.data.datamodule import DataModule;"
        "d = DataModule(check(read_config('outputs/served')));"
        "print(json.dumps(d.dataset.inputs.rows(d.splits['test']).tolist()))"
    )
    return json.loads(run(f'python -c "{code}"', shared_project, PYTHONPATH="src").stdout)


def test_predictions_are_those_of_evaluate_to_the_bit(
    served: Server, shared_project: Path, test_split: list[Any]
) -> None:
    """Each example alone, in odd company, and all at once: the numbers as they are written, digit by digit."""
    with (shared_project / "outputs/served/evaluation/predictions.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(test_split) > 200
    for size in (1, 7, len(test_split)):
        found = []
        for first in range(0, len(test_split) if size > 1 else 60, size):
            found += served.predict(test_split[first : first + size])
        for row, answer in zip(rows, found, strict=size > 1):
            assert answer["predicted"] == row["predicted"]
            assert repr(answer["probability"]) == row["probability"]
            assert answer["probabilities"][row["predicted"]] == answer["probability"]
    assert served.predict(test_split[5:6])[0] == found[5]  # all classes too, and not only the first


def test_another_model_gives_other_predictions(served: Server, shared_project: Path, test_split: list[Any]) -> None:
    train(shared_project, f"{SHORT} model=cnn seed=43", "other")
    with serving(shared_project, "--run outputs/other") as other:
        assert other.ask("/model")[1]["model_sha256"] != served.ask("/model")[1]["model_sha256"]
        assert other.predict(test_split[:50]) != served.predict(test_split[:50])


def test_a_prediction_outside_of_a_block_has_other_bits(shared_project: Path, served: Server) -> None:
    """Without blocks of one size, an example alone and in company differs: the comparison above can fail."""
    code = (
        "from pathlib import Path; from my_project.serving.predictor import Predictor;"
        "p = Predictor(Path('outputs/served')); import torch;"
        "x = torch.arange(16 * 64).reshape(16, 1, 8, 8) % 17; m = p._model; torch.set_grad_enabled(False);"
        "print(sum(not torch.equal(m(x[i:i+1]), m(x)[i:i+1]) for i in range(16)),"
        "sum(not torch.equal(m.infer(x[i:i+1]), m.infer(x)[i:i+1]) for i in range(16)))"
    )
    plain, blocks = run(f'python -c "{code}"', shared_project, PYTHONPATH="src").stdout.split()
    assert int(plain) > 0
    assert blocks == "0"


def test_the_model_says_what_it_is(served: Server, shared_project: Path) -> None:
    record = json.loads((shared_project / "outputs/served/run.json").read_text())
    status, model = served.ask("/model")
    assert status == 200
    for key in ("model_sha256", "weights_sha256", "data", "metrics"):
        assert model[key] == record[key]
    assert model["model_sha256"] == digest(shared_project / "outputs/served/model.safetensors")
    assert model["git"]["commit"] == run("git rev-parse HEAD", shared_project).stdout.strip()
    assert model["project"] == {"name": "my-project", "version": "0.1.0"}
    assert [example["actual"] for example in served.ask("/examples")[1]["examples"]] == model["classes"]


GOOD = [[[0] * 8] * 8]


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"", 422, "the body"),
        (b"{", 422, "the body"),
        (b"[]", 422, "an object whose key `inputs`"),
        (b"{}", 422, "inputs"),
        (json.dumps({"inputs": []}), 422, "inputs"),
        (json.dumps({"inputs": [GOOD, [[[0] * 8] * 7]]}), 422, "inputs[1][0]"),
        (json.dumps({"inputs": [[[[0] * 7 + [256]] * 8]]}), 422, "inputs[0][0][0][7]"),
        (json.dumps({"inputs": [[[[0] * 7 + ["1"]] * 8]]}), 422, "inputs[0][0][0][7]"),
        (json.dumps({"inputs": [[[[0.5] * 8] * 8]]}), 422, "inputs[0][0][0][0]"),
        (b'{"inputs": [[[' + b",".join([b"[NaN,0,0,0,0,0,0,0]"] * 8) + b"]]]}", 422, "inputs"),
        (json.dumps({"inputs": [GOOD] * 1025}), 422, "1024"),
        (json.dumps({"inputs": [GOOD], "more": 1}), 422, "more"),
        (json.dumps({"inputs": [GOOD] * 20000}), 413, "larger than 2000000 bytes"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_bad_requests_are_refused_in_one_sentence(
    served: Server, body: str | bytes, status: int, sentence: str
) -> None:
    got, answer = served.ask("/predict", body.encode() if isinstance(body, str) else body)
    assert got == status, answer
    assert sentence in answer["detail"]
    assert "\n" not in answer["detail"]
    assert served.ask("/predict", json.dumps({"inputs": [GOOD]}).encode())[0] == 200  # and it goes on


def test_other_bad_requests(served: Server) -> None:
    assert served.ask("/predict", b"inputs=1", Content_Type="text/plain")[0] == 415
    assert served.ask("/predict")[0] == 405
    assert served.ask("/nothing")[0] == 404
    connection = http.client.HTTPConnection("127.0.0.1", served.port)
    connection.putrequest("POST", "/predict")
    for header in (("Content-Type", "application/json"), ("Content-Length", "1000000000")):
        connection.putheader(*header)
    connection.endheaders()
    assert connection.getresponse().status == 413  # before anything of the body is sent
    connection = http.client.HTTPConnection("127.0.0.1", served.port)  # no length is announced
    connection.request("POST", "/predict", iter([b" " * 100_000] * 30), {"Content-Type": "application/json"})
    assert connection.getresponse().status == 413


def test_the_log_is_json_and_holds_no_body(served: Server) -> None:
    marked = json.dumps({"inputs": [[[[77] * 8] * 8]]}).encode()
    served.ask("/predict?key=hunter2", marked)
    until(lambda: served.lines()[-1].get("path") == "/predict")
    last = served.lines()[-1]
    assert (last["method"], last["status"], last["examples"]) == ("POST", 200, 1)
    assert last["milliseconds"] > 0
    assert "77, 77" not in served.log.read_text()
    assert "hunter2" not in served.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_in_progress_is_finished_at_a_signal(shared_project: Path, served: Server, number: int) -> None:
    body = json.dumps({"inputs": [GOOD] * 1024}).encode()
    with serving(shared_project, "--run outputs/served") as server:
        connection = socket.create_connection(("127.0.0.1", server.port))
        head = ["POST /predict HTTP/1.1", "Host: x", "Content-Type: application/json", f"Content-Length: {len(body)}"]
        connection.sendall("\r\n".join([*head, "", ""]).encode() + body[:-100])
        time.sleep(0.3)
        stopping = threading.Thread(target=server.stop, args=[number])
        stopping.start()
        time.sleep(0.5)
        assert server.process.poll() is None  # it waits for the rest
        connection.sendall(body[-100:])
        answer = b""
        while part := connection.recv(65536):
            answer += part
        stopping.join()
        assert b"200 OK" in answer[:50]
        assert answer.count(b'"predicted"') == 1024
        assert server.process.returncode == 0


def test_with_wait_it_serves_a_run_when_that_is_finished(shared_project: Path, served: Server) -> None:
    folder = shared_project / "outputs" / "later"
    folder.mkdir(parents=True)
    with serving(shared_project, "--run outputs/later --wait") as server:
        assert server.ask("/health") == (503, {"status": "waiting"})
        assert server.ask("/predict", b"{}")[0] == 503
        for name in ("config.yaml", "model.safetensors", "run.json"):  # one after the other
            assert server.ask("/health")[0] == 503
            (folder / name).write_bytes((shared_project / "outputs/served" / name).read_bytes())
        until(lambda: server.ask("/health") == (200, {"status": "ok"}))
        assert server.ask("/model")[1]["model_sha256"] == served.ask("/model")[1]["model_sha256"]
        assert server.stop() == 0


def test_what_cannot_be_served_is_said_in_one_sentence(shared_project: Path, served: Server, tmp_path: Path) -> None:
    def refused(arguments: str) -> str:
        result = run(f"python -m my_project serve {arguments}", shared_project, check=False, PYTHONPATH="src")
        assert result.returncode != 0
        return result.stderr.strip().splitlines()[-1]

    assert "does not exist" in refused("--run outputs/nowhere")
    assert "cannot be listened on" in refused(f"--run outputs/served --port {served.port}")
    assert "65535" in refused("--port 65536")
    for name in ("config.yaml", "run.json", "model.safetensors"):
        (tmp_path / name).write_bytes((shared_project / "outputs/served" / name).read_bytes())
    weights = bytearray((tmp_path / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(weights)
    assert "is not the model that" in refused(f"--run {tmp_path}")


def test_the_prediction_page_in_a_browser(served: Server, tmp_path: Path) -> None:
    classes = served.ask("/model")[1]["classes"]
    for width in (1000, 360):
        with page(width) as opened:
            opened.goto(served.address)
            buttons = opened.locator("#examples button")
            buttons.nth(len(classes) - 1).wait_for()
            assert [text.strip() for text in buttons.all_inner_texts()] == classes
            for number, name in enumerate(classes):
                buttons.nth(number).click()
                opened.get_by_text(f"actually: {name}").wait_for()
                shown = opened.locator("#probabilities tr")
                assert shown.count() == len(classes)
                parts = [float(text.split()[-2]) for text in shown.all_inner_texts()]
                assert abs(sum(parts) - 100) < 0.1
            assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
            opened.screenshot(path=tmp_path / f"page-{width}.png", full_page=True)
            opened.get_by_text("The numbers, to change").click()
            opened.get_by_label("One example").fill("[[1, 2]]")
            opened.get_by_role("button", name="Predict").click()
            opened.get_by_text("inputs[0][0]").wait_for()


def test_the_openapi_page_in_a_browser(served: Server) -> None:
    """It is shown and can be used without any other machine, which the page's check guards."""
    with page() as opened:
        opened.goto(f"{served.address}/docs")
        opened.get_by_role("button", name=re.compile("POST.*predict", re.IGNORECASE)).first.click()
        opened.get_by_role("button", name="Try it out").click()
        opened.locator("textarea").fill(json.dumps({"inputs": [GOOD]}))
        opened.get_by_role("button", name="Execute").click()
        opened.get_by_text("probabilities").first.wait_for()
        assert (
            opened.locator(".live-responses-table tbody .response-col_status")
            .first.inner_text()
            .strip()
            .startswith("200")
        )
