"""The model over HTTP: real server processes, the same bits as evaluate.py, limits, a real browser."""

import csv
import http.client
import json
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import preloaded
import pytest
from browser import faults, page
from conftest import code_blocks, digest, in_project, run
from loopback import until
from playwright.sync_api import Page, Route
from runs import SHORT, train

pytestmark = [pytest.mark.slow, pytest.mark.preloaded]


class Server:
    """`python -m my_project serve`, or a script with the same arguments, as a process of its own, on a free port.

    It is preloaded, unless it is to be `plain`.
    """

    def __init__(self, project: Path, arguments: str, script: str = "-m my_project", plain: bool = False) -> None:
        command, environment = [*script.split(), "serve", "--port", "0", *arguments.split()], in_project(project)
        environment["PYTHONPATH"] = "src"
        self._files = [project / f"serve-{time.monotonic_ns()}.{kind}" for kind in ("out", "log")]
        self.process: preloaded.Process | subprocess.Popen[bytes]
        if not plain and preloaded.suits(project, environment):
            self.process = preloaded.Process(command, project, environment)
        else:
            with self._files[0].open("w") as output, self._files[1].open("w") as log:
                self.process = subprocess.Popen(
                    [project / ".venv/bin/python", *command], cwd=project, env=environment, stdout=output, stderr=log
                )
        until(lambda: "http://" in self.said()[0] or self.process.poll() is not None)
        found = re.search(r"http://127\.0\.0\.1:(\d+)", self.said()[0])
        assert found, self.said()
        self.port = int(found[1])
        self.address = f"http://127.0.0.1:{self.port}"

    def said(self) -> tuple[str, str]:
        """Return what was printed so far, and what was logged."""
        if isinstance(self.process, preloaded.Process):
            return self.process.said()
        output, log = (file.read_text() for file in self._files)
        return output, log

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
        return [json.loads(line) for line in self.said()[1].splitlines()]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=30)


@contextmanager
def serving(project: Path, arguments: str, script: str = "-m my_project", plain: bool = False) -> Iterator[Server]:
    server = Server(project, arguments, script, plain)
    try:
        until(lambda: server.ask("/health")[0] in (200, 503))
        yield server
    finally:
        if server.process.poll() is None:
            server.stop(signal.SIGKILL)


@pytest.fixture(scope="module")
def served(shared_project: Path) -> Iterator[Server]:
    train(shared_project, f"{SHORT} model=cnn", "served")
    run("python evaluate.py run=outputs/served", shared_project)
    with serving(shared_project, "--run outputs/served --max-bytes 2000000", plain=True) as server:
        yield server


@pytest.fixture(scope="module")
def inputs(served: Server, shared_project: Path) -> list[Any]:
    """Return the test examples, in the order in which evaluate.py reads them."""
    code = (
        "import json; from reproml.config.check import check; from reproml.runs.folder import read_config;"
        "from reproml.arrays.datamodule import ArrayDataModule;"
        "d = ArrayDataModule(check(read_config('outputs/served')));"
        "print(json.dumps(d.dataset.inputs.rows(d.splits['test']).tolist()))"
    )
    return json.loads(run(f'python -c "{code}"', shared_project, PYTHONPATH="src").stdout)


def test_predictions_are_those_of_evaluate_to_the_bit(served: Server, shared_project: Path, inputs: list[Any]) -> None:
    """Each example alone, in odd company, and all at once: the numbers as they are written, digit by digit."""
    with (shared_project / "outputs/served/evaluation/predictions.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(inputs) > 200
    for size in (1, 7, len(inputs)):
        found = []
        for first in range(0, len(inputs) if size > 1 else 60, size):
            found += served.predict(inputs[first : first + size])
        for row, answer in zip(rows, found, strict=size > 1):
            assert answer["predicted"] == row["predicted"]
            assert repr(answer["probability"]) == row["probability"]
            assert answer["probabilities"][row["predicted"]] == answer["probability"]
    assert served.predict(inputs[5:6])[0] == found[5]  # all classes too, and not only the first


def test_another_model_gives_other_predictions(served: Server, shared_project: Path, inputs: list[Any]) -> None:
    train(shared_project, f"{SHORT} model=cnn seed=43", "other")
    with serving(shared_project, "--run outputs/other") as other:
        assert other.ask("/model")[1]["model_sha256"] != served.ask("/model")[1]["model_sha256"]
        assert other.predict(inputs[:50]) != served.predict(inputs[:50])


# How many rows differ, in batches of all kinds, from the same rows in one batch: the network alone, and in blocks.
_BITS = """
import sys
from pathlib import Path
from hydra import compose, initialize_config_dir
import reproml.recipe  # its resolvers
from reproml.config.check import check
from reproml.training.determinism import apply, pin_environment
mode = sys.argv[1]
kinds = [("mlp", (30,)), ("mlp", (1, 28, 28)), ("cnn", (1, 8, 8)), ("cnn", (1, 28, 28))]
composed = {}
for model in ("mlp", "cnn"):
    with initialize_config_dir(str(Path("configs").resolve()), version_base="1.3"):
        composed[model] = check(compose("config", [f"model={model}", f"reproducibility={mode}", "tracking=none"]))
pin_environment(composed["mlp"].reproducibility)
import torch
from reproml.models.array_task import build_task
from reproml.models.interface import Interface
apply(composed["mlp"].reproducibility)
for model, shape in kinds:
    torch.manual_seed(0)
    settings, interface = composed[model], Interface(shape, "uint8", classes=tuple("0123456789"))
    statistics = {"mean": torch.full(shape[:1] + (1,) * (len(shape) - 1), 100.0), "std": torch.tensor(70.0)}
    classifier = build_task(settings.task, settings.model, interface, statistics).eval()
    inputs = torch.randint(0, 256, (200, *shape), dtype=torch.uint8)
    differ = []
    with torch.inference_mode():
        for function in (classifier, classifier.infer):
            together, rows = function(inputs), 0
            for size in (1, 2, 3, 5, 15, 16, 17, 33, 200):
                order = torch.randperm(200)
                apart = torch.cat([function(part) for part in inputs[order].split(size)])
                rows += int((apart != together[order]).any(1).sum())
            differ.append(rows)
    print(model, "x".join(map(str, shape)), *differ)
"""


@pytest.mark.parametrize("mode", ["strict", "portable"])
def test_an_example_has_the_same_bits_alone_and_in_any_company(shared_project: Path, mode: str) -> None:
    """In blocks of one size; without them it has not, so that the comparison can fail."""
    (shared_project / "bits.py").write_text(_BITS)
    said = run(f"python bits.py {mode}", shared_project, PYTHONPATH="src").stdout.splitlines()
    assert len(said) == 4
    for line in said:
        _, _, alone, blocks = line.split()
        assert blocks == "0", line
        assert int(alone) > 0, line


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
    assert served.ask("/predict", json.dumps({"inputs": [GOOD]}).encode())[0] == 200  # and it still serves


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


def test_an_answer_does_not_wait_for_the_networks_acknowledgement(served: Server) -> None:
    """With Nagle's algorithm every answer on an open connection would take 40 ms, idle machine or not."""
    connection, seconds = http.client.HTTPConnection("127.0.0.1", served.port), []
    for _ in range(20):
        started = time.perf_counter()
        connection.request("POST", "/predict", json.dumps({"inputs": [GOOD]}), {"Content-Type": "application/json"})
        connection.getresponse().read()
        seconds.append(time.perf_counter() - started)
    assert min(seconds[1:]) < 0.03


def test_a_warning_is_a_line_of_json_too(shared_project: Path) -> None:
    script = "import warnings; from reproml.serving import logs; logs.configure(); warnings.warn('look here')"
    [line] = run(f'PYTHONPATH=src python -c "{script}"', shared_project).stderr.splitlines()
    assert "look here" in json.loads(line)["message"]


def test_the_log_is_json_and_holds_no_body(served: Server) -> None:
    marked = json.dumps({"inputs": [[[[77] * 8] * 8]] * 123}).encode()
    served.ask("/predict?key=hunter2", marked)
    until(lambda: served.lines()[-1].get("examples") == 123)
    last = served.lines()[-1]
    assert (last["method"], last["path"], last["status"]) == ("POST", "/predict", 200)
    assert last["milliseconds"] > 0
    assert "77, 77" not in served.said()[1]
    assert "hunter2" not in served.said()[1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_in_progress_is_finished_at_a_signal(shared_project: Path, served: Server, number: int) -> None:
    body = json.dumps({"inputs": [GOOD] * 1024}).encode()
    with serving(shared_project, "--run outputs/served", plain=number == signal.SIGTERM) as server:
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


def test_a_stop_that_is_late_ends_the_process_all_the_same(shared_project: Path, served: Server) -> None:
    """With a network that computes for longer than there is time, as long as the queue is, in nine seconds."""
    script = (
        "import sys, time; from reproml.serving import predictor\n"
        "predict = predictor.Predictor.predict\n"
        "predictor.Predictor.predict = lambda self, inputs: (time.sleep(30), predict(self, inputs))[1]\n"
        "from reproml.__main__ import main\nsys.exit(main())"
    )
    (shared_project / "slow.py").write_text(script)
    with serving(shared_project, "--run outputs/served", "slow.py") as server:
        answers: list[tuple[int, Any]] = []
        body = json.dumps({"inputs": [GOOD]}).encode()
        asking = [threading.Thread(target=lambda: answers.append(server.ask("/predict", body))) for _ in range(3)]
        for thread in asking:
            thread.start()
        time.sleep(1)
        start = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - start < 9
        for thread in asking:
            thread.join()
        assert answers == [(503, {"detail": "the server is stopping: try again"})] * 3


@pytest.fixture(scope="module")
def limits(environment: Path) -> dict[str, Any]:
    """Return what `serving_limits.py` found: one process is treated badly for half a minute."""
    script = Path(__file__).with_name("serving_limits.py")
    result = subprocess.run([environment / "bin" / "python", script], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def test_a_stop_answers_what_it_can_and_tells_the_others(limits: dict[str, Any]) -> None:
    found = limits["stop"]
    stopping = [503, "application/json", True, "the server is stopping: try again"]
    assert [status for status, *_ in found["answers"]] == sorted(status for status, *_ in found["answers"])
    assert found["answers"][0] == [200, "application/json", False, None]
    assert found["answers"][-1] == found["upload"] == stopping
    assert found["seconds"] < 1
    assert found["asked"] < 5  # what is answered 503 is not computed any more
    assert (found["idle"], found["afterwards"]) == ("", ["ConnectionRefusedError"])


def test_idle_connections_do_not_keep_others_out(limits: dict[str, Any]) -> None:
    found = limits["many_connections"]
    assert found["held"] == 8 < found["of"]
    assert found["health"][0] == 200
    assert found["busy"] == [200] * 8
    assert found["one more"] == [503, "application/json", True, "the server has no free connection: try again later"]
    found = limits["many_files"]
    assert found["most"] < found["files"]
    assert found["health"][0] == 200
    assert len(found["lines"]) == 1


def test_what_comes_too_slowly_is_not_waited_for(limits: dict[str, Any]) -> None:
    found = limits["slow"]
    for name in ("silent", "head", "body", "body elsewhere"):
        assert 0.2 < found[name][0] < 2, name
    assert found["silent"][1] == ""
    for name in ("head", "body"):
        assert found[name][1].startswith("HTTP/1.1 408 ")
        assert "arrived too slowly" in json.loads(found[name][1].rpartition("\r\n")[2])["detail"]
    assert max(found["drops of a head"], found["drops of a body"]) < 2
    assert (found["computed"], found["steady"]) == (200, 200)
    assert limits["reading_slowly"]["came"] == 1
    assert limits["reading_slowly"]["deaf"] < 10


def test_bodies_are_bounded_together(limits: dict[str, Any]) -> None:
    found = limits["bodies"]
    assert found["fifth"][:3] == [503, "application/json", True]
    assert "the server is busy" in found["fifth"][3]
    assert (found["queued"], found["too large"]) == (503, 413)
    assert found["answers"] == [200] * 8
    assert found["again"] == [200] * 4  # all of it was given back


def test_head_is_get_without_a_body(limits: dict[str, Any]) -> None:
    for path, (head, get, body) in limits["head"].items():
        assert head == get, path
        assert body == ""
    assert limits["head"]["/"][0][0] == limits["head"]["/model"][0][0] == 200
    assert limits["head"]["/predict"][0][0] == 405


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
    assert "is not available" in refused(f"--run outputs/served --port {served.port}")
    assert "65535" in refused("--port 65536")
    for name in ("config.yaml", "run.json", "model.safetensors"):
        (tmp_path / name).write_bytes((shared_project / "outputs/served" / name).read_bytes())
    weights = bytearray((tmp_path / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(weights)
    assert "model.safetensors is not the file in the record" in refused(f"--run {tmp_path}")


def test_the_page_on_serving(served: Server, shared_project: Path) -> None:
    """Its commands as printed, but for the port."""
    start, ask = code_blocks((shared_project / "docs" / "serving.md").read_text())
    assert start.strip() == "python -m my_project serve"
    said = run(ask.replace("127.0.0.1:8000", f"127.0.0.1:{served.port}"), shared_project).stdout
    assert '{"status":"ok"}' in said
    assert said.count('"predicted"') == 10
    refused = run(start, shared_project, check=False, PYTHONPATH="src")  # models/ is empty
    assert "models/run.json does not exist" in refused.stderr


def test_the_wheel_holds_the_prediction_page(shared_project: Path) -> None:
    run("python -m hatchling build --target wheel", shared_project)
    [wheel] = (shared_project / "dist").glob("*.whl")
    assert "reproml/serving/page.html" in zipfile.ZipFile(wheel).namelist()


@pytest.mark.parametrize("width", [1000, 360])
def test_the_prediction_page_in_a_browser(served: Server, tmp_path: Path, width: int) -> None:
    examples = served.ask("/examples")[1]["examples"]
    with page(width) as opened:
        opened.goto(served.address)
        buttons = opened.locator("#examples button")
        buttons.last.wait_for()
        assert [text.strip() for text in buttons.all_inner_texts()] == served.ask("/model")[1]["classes"]
        for number, example in enumerate(examples):
            [expected] = served.predict([example["inputs"]])
            with opened.expect_response("**/predict"):
                if number % 2:
                    buttons.nth(number).click()
                else:  # without a pointer
                    buttons.nth(number).press("Enter")
            percent = f"{100 * expected['probability']:.2f} %"
            opened.get_by_text(f"{expected['predicted']}, with a probability of {percent}").wait_for()
            assert buttons.nth(number).get_attribute("aria-pressed") == "true"
            _shows(opened, expected["probabilities"])
        for scheme in ("light", "dark"):
            opened.emulate_media(color_scheme=scheme)
            assert not faults(opened)
        if width < 700:  # wherever one scrolls on a phone
            opened.evaluate("scrollTo(0, 0)")
            box = opened.locator("#answer").bounding_box()
            assert box
            assert box["y"] + box["height"] <= 900
        assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
        opened.screenshot(path=tmp_path / "page.png", full_page=True)


def _shows(opened: Page, probabilities: dict[str, float]) -> None:
    """Whether names, bars and numbers are those of the answer."""
    table = opened.locator("#probabilities")
    assert table.locator("th").all_inner_texts() == list(probabilities)
    assert table.locator("td.number").all_inner_texts() == [f"{100 * value:.2f} %" for value in probabilities.values()]
    widths = table.locator("td.bar").evaluate_all(
        "cells => cells.map(cell => cell.firstChild.offsetWidth / cell.clientWidth)"
    )
    assert widths == pytest.approx(list(probabilities.values()), abs=0.02)


def test_other_inputs_can_be_drawn_and_written(served: Server) -> None:
    with page() as opened:
        opened.goto(served.address)
        opened.locator("#examples button").last.wait_for()
        waiting: list[Route] = []
        # A slow server: the answer to Clear comes after the drawing. The library takes functions alone, no methods.
        opened.route("**/predict", lambda route: waiting.append(route))
        opened.get_by_role("button", name="Clear").click()
        box = opened.locator("#image").bounding_box()
        assert box
        opened.mouse.move(box["x"] + 0.55 * box["width"], box["y"] + 1)
        opened.mouse.down()
        opened.mouse.move(box["x"] + 0.55 * box["width"], box["y"] + box["height"] - 1)  # so fast that it is one event
        with opened.expect_response("**/predict"):
            waiting[0].continue_()
        opened.wait_for_timeout(100)  # for the page to read it
        opened.unroute("**/predict")
        with opened.expect_response("**/predict"):
            opened.mouse.up()
        column = [[16 if place == 4 else 0 for place in range(8)]] * 8  # the largest number of the examples is 16
        assert json.loads(opened.get_by_label("Input as JSON").input_value()) == [column]
        opened.get_by_text(f"{served.predict([[column]])[0]['predicted']}, with a probability").wait_for()
        opened.get_by_label("Input as JSON").fill("[[1, 2]]")
        opened.get_by_role("button", name="Predict").click()
        opened.get_by_role("alert").get_by_text("inputs[0][0]").wait_for()
        button, error = (
            opened.get_by_role("button", name="Predict").bounding_box(),
            opened.get_by_role("alert").bounding_box(),
        )
        assert button
        assert error
        assert abs(button["y"] - error["y"]) < 100
        assert opened.locator("#probabilities tr").count() == 0


def test_an_image_or_a_table_fills_the_input(served: Server) -> None:
    """An image of any size becomes one of the model's; a file with another number of values is refused."""
    white = (
        "<svg xmlns='http://www.w3.org/2000/svg' width='40' height='40'><rect width='40' height='40' fill='%s'/></svg>"
    )
    with page() as opened:
        opened.goto(served.address)
        opened.locator("#examples button").last.wait_for()
        upload, text = opened.get_by_label("Fill from"), opened.get_by_label("Input as JSON")

        def give(name: str, kind: str, content: str) -> None:
            upload.set_input_files({"name": name, "mimeType": kind, "buffer": content.encode()})

        with opened.expect_response("**/predict"):
            give("white.svg", "image/svg+xml", white % "white")
        assert json.loads(text.input_value()) == [[[16] * 8] * 8]
        rows = [[(row + column) % 17 for column in range(8)] for row in range(8)]
        with opened.expect_response("**/predict"):
            give("image.csv", "text/csv", "\n".join(",".join(map(str, row)) for row in rows))
        assert json.loads(text.input_value()) == [rows]
        give("short.csv", "text/csv", "1,2")
        opened.get_by_role("alert").get_by_text("short.csv has 2 numbers; an input has 1 x 8 x 8.").wait_for()
        assert json.loads(text.input_value()) == [rows]


def test_a_table_and_a_project_without_its_data(shared_project: Path, served: Server) -> None:
    """Numbers with digits behind the point, no image, and a page that says why it has no examples."""
    train(shared_project, "experiment=breast_cancer tracking=none training.epochs=2", "table")
    data, away = shared_project / "data" / "processed" / "breast_cancer", shared_project / "away"
    with serving(shared_project, "--run outputs/table") as server, page() as opened:
        data.rename(away)
        try:
            assert "python prepare.py" in server.ask("/examples")[1]["missing"]
            opened.goto(server.address)
            opened.get_by_text("data/processed/breast_cancer is missing or altered").wait_for()
        finally:
            away.rename(data)
        rows = list(csv.DictReader((shared_project / "outputs/table/test/predictions.csv").open()))
        examples = server.ask("/examples")[1]["examples"]
        for example, answer in zip(examples, server.predict([item["inputs"] for item in examples]), strict=True):
            first = next(row for row in rows if row["actual"] == example["actual"])
            assert (answer["predicted"], repr(answer["probability"])) == (first["predicted"], first["probability"])
        opened.goto(server.address)
        opened.get_by_role("button", name="benign").click()
        opened.get_by_text("with a probability of").wait_for()
        assert not opened.locator("#image").is_visible()
        status, answer = server.ask("/predict", json.dumps({"inputs": [[1e39] * 30]}).encode())
        assert (status, "inputs[0][0]" in answer["detail"]) == (422, True)
        status, answer = server.ask("/predict", json.dumps({"inputs": [[1.0] * 30, [3e38] * 30]}).encode())
        assert (status, answer["detail"].split(":")[0]) == (422, "inputs[1]")


@pytest.fixture(scope="module")
def regression(shared_project: Path) -> Iterator[Server]:
    train(shared_project, "experiment=diabetes tracking=none training.epochs=2", "regression")
    with serving(shared_project, "--run outputs/regression") as server:
        yield server


def test_a_quantity_is_answered_with_its_name_and_the_bits_of_the_test(
    regression: Server, shared_project: Path
) -> None:
    model, (_, examples) = regression.ask("/model")[1], regression.ask("/examples")
    assert model["target"] == "disease_progression"
    assert (model["inputs"]["missing"], model["inputs"]["features"][0]) == (True, "age")
    rows = list(csv.DictReader((shared_project / "outputs/regression/test/predictions.csv").open()))
    actual = [example["actual"] for example in examples["examples"]]
    measured = sorted(float(row["actual"]) for row in rows)
    assert actual == sorted(actual)
    assert (actual[0], actual[-1], len(actual)) == (measured[0], measured[-1], 10)
    body = json.dumps({"inputs": [example["inputs"] for example in examples["examples"]]}).encode()
    answer = regression.ask("/predict", body)[1]
    assert (answer["target"], answer["unit"]) == ("disease_progression", None)
    shown = zip(actual, answer["predictions"], strict=True)
    written = {(float(row["actual"]), row["predicted"]) for row in rows}
    assert {(true, repr(prediction["predicted"])) for true, prediction in shown} <= written
    schemas = regression.ask("/openapi.json")[1]["components"]["schemas"]
    assert schemas["Prediction"]["properties"].keys() == {"predicted"}
    assert schemas["Predictions"]["required"] == ["model_sha256", "target", "unit", "predictions"]


def test_a_missing_number_is_null_where_the_data_said_that_some_are(regression: Server, served: Server) -> None:
    whole = [1.0] * 11
    told = regression.predict([whole, [None, *whole[1:]]])
    assert told[0] != told[1]
    status, answer = regression.ask("/predict", json.dumps({"inputs": [["NaN", *whole[1:]]]}).encode())
    assert (status, "or null where one is missing" in answer["detail"]) == (422, True)
    status, answer = served.ask("/predict", json.dumps({"inputs": [[[[None] * 8] * 8]]}).encode())
    assert (status, "inputs[0][0][0][0]" in answer["detail"]) == (422, True)
    assert regression.ask("/predict", json.dumps({"inputs": [[3e38] * 11]}).encode())[0] == 422


def test_the_page_of_a_table_has_a_field_for_each_column(regression: Server) -> None:
    with page() as opened:
        opened.goto(regression.address)
        opened.locator("#examples button").last.click()
        opened.get_by_text(re.compile(r"disease_progression: [\d.]+$")).wait_for()
        example = regression.ask("/examples")[1]["examples"][-1]["inputs"]
        fields = opened.locator("#columns input")
        assert [float(field.input_value()) for field in fields.all()] == pytest.approx(example, rel=1e-6)
        opened.get_by_label("age", exact=True).fill("30")
        opened.get_by_label("bmi", exact=True).fill("")
        with opened.expect_response(lambda response: "null" in (response.request.post_data or "")) as answered:
            opened.get_by_label("bmi", exact=True).press("Tab")
        sent = json.loads(answered.value.request.post_data or "")["inputs"][0]
        assert sent == [30, None, *example[2:]]
        [expected] = regression.predict([sent])
        opened.get_by_text(f"disease_progression: {expected['predicted']:.6g}", exact=True).wait_for()
        assert not faults(opened)
        features = regression.ask("/model")[1]["inputs"]["features"]
        row = {name: str(place) for place, name in enumerate(features)}
        content = ",".join(reversed(row)) + "\n" + ",".join(reversed(row.values()))  # in another order
        with opened.expect_response("**/predict"):
            opened.get_by_label("Fill from").set_input_files(
                {"name": "row.csv", "mimeType": "text/csv", "buffer": content.encode()}
            )
        assert json.loads(opened.get_by_label("Input as JSON").input_value()) == list(range(len(features)))


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
