"""Trackers: what they receive, that one that is down harms nothing, and that it gets everything later."""

import csv
import http.server
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import preloaded
import pytest
from browser import page
from conftest import code_blocks, digest, in_project, metrics, run
from loopback import free_port, served, until
from runs import OFTEN, SHORT, go_on, interrupted, record, script, train

pytestmark = [pytest.mark.slow, pytest.mark.preloaded]

SETTINGS = "model=mlp training.epochs=4"  # 76 steps
NOWHERE = "http://127.0.0.1:1"  # nothing listens there
KEY = {"WANDB_API_KEY": 40 * "a", "WANDB_BASE_URL": NOWHERE, "WANDB_MODE": "online"}

# What stores have about the runs of the project, read with MLflow's own client: a line in names a store.
_READ = """
import json, sys
from mlflow import MlflowClient, set_tracking_uri
def files(client, run, path=None):
    for item in client.list_artifacts(run, path):
        yield from files(client, run, item.path) if item.is_dir else [item.path]
def content(client, run):
    number, metrics = run.info.run_id, {}
    for key in run.data.metrics:
        metrics[key] = [(metric.step, metric.value) for metric in client.get_metric_history(number, key)]
    return {"id": number, "name": run.info.run_name, "status": run.info.status, "tags": run.data.tags,
            "params": run.data.params, "metrics": metrics, "files": sorted(files(client, number))}
for line in sys.stdin:
    set_tracking_uri(line.strip())
    client = MlflowClient()
    experiment = client.get_experiment_by_name("my-project")
    runs = client.search_runs([experiment.experiment_id])
    print(json.dumps([content(client, run) for run in runs]), flush=True)
"""
# The registered model, loaded in another folder, with the code that it carries.
_PREDICT = """
import json, sys, mlflow, numpy
model = mlflow.pyfunc.load_model("models:/my-project/1")
inputs, metadata = numpy.load(sys.argv[1]), model.metadata
print(json.dumps({
    "signature": [str(metadata.signature.inputs), str(metadata.signature.outputs)],
    "sha256": metadata.metadata["model_sha256"],
    "code": sys.modules["reproml"].__file__,
    "example": list(metadata.load_input_example().shape),
    "predictions": model.predict(inputs),
}))
"""

# What a file of an offline run of W&B holds: a log in the format of LevelDB, after a header of 7 bytes.
_OFFLINE = """
import json, sys
from wandb.proto.wandb_internal_pb2 import Record
def plain(items):
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}
def content(data):
    place, part, there = 7, b"", {"config": {}, "history": [], "artifacts": []}
    while place + 7 <= len(data):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        size, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        part += data[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # a whole record, or the end of one
            record, part = Record.FromString(part), b""
            if record.HasField("run"):
                there["group"] = record.run.run_group
                there["config"] |= plain(record.run.config.update)
            if record.HasField("config"):
                there["config"] |= plain(record.config.update)
            if record.HasField("history"):
                there["history"].append(plain(record.history.item))
            if record.HasField("artifact"):
                there["artifacts"].append({item.path: item.local_path for item in record.artifact.manifest.contents})
            if record.HasField("exit"):
                there["ended"] = record.exit.exit_code
    return there
print(json.dumps([content(open(name, "rb").read()) for name in sys.argv[1:]]))
"""


@pytest.fixture(scope="module")
def environment(full_environment: Path) -> Path:
    """Return an environment with all trackers."""
    return full_environment


@pytest.fixture(scope="module")
def plain(shared_project: Path) -> Path:
    """Return a run without a tracker."""
    return train(shared_project, f"tracking=none {SETTINGS}", "plain")


@pytest.fixture(scope="module")
def server(shared_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a real MLflow server and yield its address."""
    with mlflow_server(shared_project, tmp_path_factory.mktemp("server"), free_port()) as address:
        yield address


@contextmanager
def mlflow_server(project: Path, folder: Path, port: int, ending: int = signal.SIGTERM) -> Iterator[str]:
    """Run a real MLflow server, and send it a signal at the end."""
    command = [
        project / ".venv/bin/mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    settings = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    address = f"http://127.0.0.1:{port}"
    path = f"{project / '.venv/bin'}:{os.environ['PATH']}"
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **settings, "PATH": path}, stdout=log, stderr=log, process_group=0
        )
    try:
        until(lambda: process.poll() is not None or healthy(address), seconds=180, every=0.3)
        assert process.poll() is None, (folder / "log").read_text()
        yield address
    finally:
        os.killpg(process.pid, ending)
        process.wait(timeout=60)


def healthy(address: str) -> bool:
    """Whether a server answers."""
    try:
        return urlopen(f"{address}/health", timeout=2).status == 200
    except OSError:
        return False


def python(project: Path, folder: Path, code: str, *arguments: str, uri: str) -> Any:
    """Run code with the project's packages in another folder, and return the JSON that it prints."""
    result = subprocess.run(
        [project / ".venv/bin/python", "-P", "-c", code, *arguments],
        cwd=folder,
        env={**os.environ, "MLFLOW_TRACKING_URI": uri, "MLFLOW_DISABLE_TELEMETRY": "true"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


InMLflow = Callable[..., dict[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def in_mlflow(shared_project: Path) -> Iterator[InMLflow]:
    """Return a function that gives the runs in an MLflow store by their names; its client is imported once."""
    with subprocess.Popen(
        [shared_project / ".venv/bin/python", "-P", "-c", _READ],
        cwd=shared_project,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        asked, said = process.stdin, process.stdout
        assert asked and said

        def read(uri: str = "sqlite:///mlflow.db") -> dict[str, dict[str, Any]]:
            print(uri, file=asked, flush=True)
            return {item["params"].get("paths/run", item["name"]): item for item in json.loads(said.readline())}

        yield read
        asked.close()


def sync(project: Path, arguments: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    """Send a run later."""
    return run(f"python -m my_project sync {arguments}", project, check=check, PYTHONPATH="src", **environment)


def is_whole(there: dict[str, Any], folder: Path) -> None:
    """Check what MLflow has against the run folder."""
    rows = list(csv.DictReader((folder / "metrics.csv").open()))
    for name in ("train/loss", "train/accuracy", "val/loss", "val/accuracy"):
        assert there["metrics"][name] == [[int(row["step"]) - 1, float(row[name])] for row in rows]
    trace = [json.loads(line) for line in (folder / "trace.jsonl").read_text().splitlines()]
    assert there["metrics"]["train/loss_step"] == [
        [49, next(item[3] for item in trace if isinstance(item, list) and item[0] == 50)]
    ]
    for name, value in metrics(folder / "test").items():
        assert [entry[1] for entry in there["metrics"][f"test/{name}"]] == [value]
    done, tags = record(folder), there["tags"]
    assert there["status"] == "FINISHED"
    assert there["params"]["training/lr"] == str(done["config"]["training"]["lr"])
    assert there["params"]["reproducibility/environment/PYTHONHASHSEED"] == "0"
    assert (tags["weights_sha256"], tags["git_commit"]) == (done["weights_sha256"], done["git"]["commit"])
    names = {f"run/{name}" for name in ("config.yaml", "run.json", "metrics.csv", "trace.jsonl", "train.log")}
    assert names | {"test/confusion_matrix.png", "test/predictions.csv"} <= set(there["files"])


def notes(folder: Path) -> dict[str, Any]:
    """Return what a run folder says about trackers, of its only training."""
    [found] = json.loads((folder / "tracking.json").read_text()).values()
    return found


def test_mlflow_without_a_server(shared_project: Path, plain: Path, tmp_path: Path, in_mlflow: InMLflow) -> None:
    """The run is in a local database, whole, and the registered model predicts elsewhere what the test did."""
    said = run(f"python train.py tracking=mlflow {SETTINGS} hydra.run.dir=outputs/local", shared_project)
    printed, folder = said.stdout + said.stderr, shared_project / "outputs" / "local"
    assert "mlflow ui --backend-store-uri sqlite:///mlflow.db" in said.stdout
    assert not re.search("Creating|Created|registered model", printed)  # MLflow's own messages
    there = in_mlflow()["outputs/local"]
    assert there["name"] == "mlp-digits-local"
    is_whole(there, folder)
    assert notes(folder) == {"mlflow": there["id"]}
    assert digest(folder / "model.safetensors") == digest(plain / "model.safetensors")
    code = "from pathlib import Path\nimport numpy as np\nfrom reproml.tracking.tracked_run import TrackedRun\n"
    script(
        shared_project, f"{code}np.save('{tmp_path}/inputs.npy', TrackedRun.read(Path('outputs/local')).examples(300))"
    )
    store = f"sqlite:///{shared_project}/mlflow.db"
    (tmp_path / "elsewhere").mkdir()
    loaded = python(shared_project, tmp_path / "elsewhere", _PREDICT, str(tmp_path / "inputs.npy"), uri=store)
    assert loaded["sha256"] == record(folder)["model_sha256"]
    assert "(-1, 1, 8, 8)" in loaded["signature"][0]
    for output in ("'predicted': string", "'probability': double", "'probabilities': Map(str -> DataType.double)"):
        assert output in loaded["signature"][1]
    assert "/code/reproml/" in loaded["code"]
    assert loaded["example"] == [2, 1, 8, 8]
    expected = [
        (row["predicted"], row["probability"]) for row in csv.DictReader((folder / "test/predictions.csv").open())
    ]
    assert [(one["predicted"], repr(one["probability"])) for one in loaded["predictions"]] == expected


@pytest.fixture(scope="module")
def at_the_server(shared_project: Path, server: str) -> Path:
    """Return a run that a server has, trained with a setting that would be refused in the folder of another's run."""
    settings = f"tracking=mlflow {SETTINGS} 'data.source=${{oc.env:DATA_URL}}'"
    return train(shared_project, settings, "served", MLFLOW_TRACKING_URI=server, DATA_URL="sklearn")


def test_mlflow_with_a_server(at_the_server: Path, plain: Path, server: str, in_mlflow: InMLflow) -> None:
    """What a run has used itself, it may send."""
    folder = at_the_server
    there = in_mlflow(server)["outputs/served"]
    is_whole(there, folder)
    assert notes(folder) == {"mlflow": there["id"]}  # which has the model too
    assert digest(folder / "model.safetensors") == digest(plain / "model.safetensors")
    assert server.encode() not in (folder / "config.yaml").read_bytes()


def test_the_page_of_the_server(shared_project: Path, at_the_server: Path, server: str, in_mlflow: InMLflow) -> None:
    """In a real browser: the run, its metrics and its model."""
    there = in_mlflow(server)["outputs/served"]
    number = run(
        f"curl -sf '{server}/api/2.0/mlflow/experiments/get-by-name?experiment_name=my-project'", shared_project
    )
    experiment = json.loads(number.stdout)["experiment"]["experiment_id"]
    with page(1400, 1000) as opened:
        opened.goto(f"{server}/#/experiments/{experiment}/runs/{there['id']}")
        opened.get_by_text("outputs/served").first.wait_for(timeout=60_000)
        opened.get_by_text("val/accuracy").first.wait_for(timeout=60_000)
        opened.goto(f"{server}/#/models/my-project")
        opened.get_by_text("Version 1").first.wait_for(timeout=60_000)


def test_a_server_that_is_down(shared_project: Path, plain: Path, server: str, in_mlflow: InMLflow) -> None:
    """The training warns once, has the same bits, and the run gets there later, whole."""
    result = run(
        f"python train.py tracking=mlflow {SETTINGS} hydra.run.dir=outputs/down",
        shared_project,
        MLFLOW_TRACKING_URI=NOWHERE,
    )
    folder = shared_project / "outputs" / "down"
    log = (folder / "train.log").read_text()
    assert log.count(" WARNING ") == 1
    assert "mlflow cannot be reached" in log
    assert "Traceback" not in result.stdout + result.stderr
    assert notes(folder) == {"missed": ["mlflow"]}
    assert digest(folder / "model.safetensors") == digest(plain / "model.safetensors")
    still = sync(shared_project, "outputs/down", check=False, MLFLOW_TRACKING_URI=NOWHERE)
    assert (still.returncode, still.stderr.count("\n")) == (2, 1)
    assert "mlflow did not accept outputs/down" in still.stderr
    sync(shared_project, "outputs/down", MLFLOW_TRACKING_URI=server)
    there = in_mlflow(server)["outputs/down"]
    is_whole(there, folder)
    assert notes(folder) == {"mlflow": there["id"]}
    sync(shared_project, "outputs/down", MLFLOW_TRACKING_URI=server)  # again: nothing is there twice
    assert in_mlflow(server)["outputs/down"] == there


# How long MLflow's own class takes to be left out of a run, and why, for local databases that cannot be used.
_UNUSABLE = """
import json, os, sqlite3, sys, time
os.chdir(sys.argv[1])
from pathlib import Path
from filelock import FileLock
from reproml.tracking import mlflow
mlflow._PATIENCE, mlflow._LOCKED = 1.5, 0.5
Path("damaged.db").write_bytes(b"no database " * 1000)
locked = sqlite3.connect("locked.db", isolation_level=None)
locked.execute("BEGIN EXCLUSIVE")
held = FileLock("held.db.lock")
held.acquire()
said = {}
for name in ("damaged", "locked", "held"):
    began = time.monotonic()
    try:
        mlflow.MLflow("mine", f"sqlite:///{name}.db", "outputs/first")
    except Exception as error:
        said[name] = [type(error).__name__, time.monotonic() - began < 5]
print(json.dumps(said))
"""
_MOVED = """
import json, os, sys
os.chdir(sys.argv[1])
from reproml.tracking.mlflow import MLflow
try:
    print(json.dumps(MLflow("mine", "sqlite:///moved.db", "outputs/first").version))
except Exception as error:
    print(json.dumps(str(error)))
"""


# How often MLflow looks into all packages for the versions that a model needs: as we ask it, and as it does by itself.
_SEARCHED = """
import json, sys
sys.path.insert(0, sys.argv[1])
import importlib_metadata
from mlflow.utils.environment import _process_pip_requirements
from reproml.tracking import mlflow
looked = []
importlib_metadata.packages_distributions = lambda: looked.append(1) or {}
pins = [f"{name}=={mlflow.version(name).partition('+')[0]}" for name in mlflow._NEEDED]
with mlflow._without_search():
    found = _process_pip_requirements([], pins)[1]
ours = len(looked)
print(json.dumps([ours, found == _process_pip_requirements([], pins)[1], len(looked)]))
"""


def test_a_model_is_sent_without_a_look_into_all_packages(shared_project: Path, tmp_path: Path) -> None:
    """It took most of the time that a user waited for at the end of a run."""
    said = python(shared_project, tmp_path, _SEARCHED, str(shared_project / "src"), uri="")
    assert said == [0, True, 1]


def test_a_local_database_that_cannot_be_used_is_left_out_at_once(shared_project: Path, tmp_path: Path) -> None:
    said = json.loads(script(shared_project, _UNUSABLE, str(tmp_path)).splitlines()[-1])
    assert said == {"damaged": ["DatabaseError", True], "locked": ["OperationalError", True], "held": ["Timeout", True]}


def test_a_local_database_of_a_folder_that_was_moved(shared_project: Path, tmp_path: Path) -> None:
    """MLflow keeps absolute paths, and would write files where the project was."""
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()

    def begun(folder: Path) -> str:
        return str(json.loads(script(shared_project, _MOVED, str(folder)).splitlines()[-1]))

    assert len(begun(before)) == 32
    before.rename(after)
    said = begun(after)
    assert said.startswith(f"mine keeps its files in {before}/mlruns/1, but this project is now in {after}: docs/")
    assert not before.exists()
    [told] = code_blocks((shared_project / "docs" / "tracking.md").read_text().partition("was moved")[2], "python")
    (after / "told.py").write_text(told.replace("/where/the/project/was", str(before)).replace("mlflow.db", "moved.db"))
    run("python told.py", after)
    assert len(begun(after)) == 32
    with sqlite3.connect(after / "moved.db") as database:
        named = "\n".join(line for line in database.iterdump() if line.startswith("INSERT"))
    assert f"{before}/" not in named
    assert named.count(f"{after}/mlruns/1/") == 2  # a run in each place


def test_a_damaged_database_stops_no_training(shared_project: Path, plain: Path) -> None:
    """One sentence says so, and `sync` sends the run later."""
    database = shared_project / "damaged.db"
    database.write_bytes(b"no database " * 1000)
    local = {"MLFLOW_TRACKING_URI": "sqlite:///damaged.db"}
    folder = train(shared_project, f"tracking=mlflow {SETTINGS}", "damaged", **local)
    log = (folder / "train.log").read_text()
    assert log.count(" WARNING ") == 1
    assert "mlflow cannot be reached, or is too slow (DatabaseError: file is not a database)" in log
    assert notes(folder) == {"missed": ["mlflow"]}
    assert digest(folder / "model.safetensors") == digest(plain / "model.safetensors")
    assert "mlflow did not accept" in sync(shared_project, "outputs/damaged", check=False, **local).stderr
    database.unlink()
    sync(shared_project, "outputs/damaged", **local)
    assert notes(folder)["mlflow"]


# What `ResilientLogger` says of errors of all kinds; a model file that cannot be read is not the fault of a tracker.
_FAILURES = """
import json, logging, pathlib, sys
import mlflow.exceptions, requests, sqlalchemy.exc, wandb.errors
from reproml.errors import DataError
from reproml.tracking.resilient import ResilientLogger
said = []
handler = logging.Handler()
handler.emit = lambda record: said.append(record.getMessage())
logging.getLogger("reproml").addHandler(handler)
try:
    raise RuntimeError("gave up") from ConnectionResetError("by the peer")
except RuntimeError as error:
    wrapped = error
for error in (
    ConnectionRefusedError("refused"), TimeoutError("not done"), requests.exceptions.ReadTimeout("slow"), wrapped,
    mlflow.exceptions.RestException({"error_code": "INTERNAL_ERROR"}), wandb.errors.CommError("down"),
    sqlalchemy.exc.OperationalError("select", {}, Exception("database is locked")),
    DataError("model.safetensors is damaged; train it again"), FileNotFoundError("no test/metrics.json"),
    KeyError("config"), ValueError("the token " + "x" * 140 + "correct-horse-battery"),
):
    ResilientLogger("mlflow", object, pathlib.Path(sys.argv[1]), 1).give_up(error)
print(json.dumps(said))
"""


def test_a_tracker_is_blamed_for_its_own_failures_alone(shared_project: Path, plain: Path, tmp_path: Path) -> None:
    shutil.copy(plain / "run.json", tmp_path)  # what a tracker missed is noted beside a record
    said = json.loads(script(shared_project, _FAILURES, str(tmp_path), A_TOKEN="correct-horse-battery"))
    blamed = [line.startswith("mlflow cannot be reached, or is too slow (") for line in said]
    assert blamed == [True] * 7 + [False] * 4
    assert "because this failed (model.safetensors is damaged; train it again);" in said[7]
    assert "because this failed (FileNotFoundError: no test/metrics.json);" in said[8]
    assert not [line for line in said if "correct" in line]


class Slow(http.server.BaseHTTPRequestHandler):
    """Takes its time."""

    asked = 0

    def do_GET(self) -> None:
        """Answer too late."""
        type(self).asked += 1
        time.sleep(2)
        self.send_error(500)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_a_server_that_is_slow(shared_project: Path, plain: Path) -> None:
    with served(Slow) as address:
        slow = {"MLFLOW_TRACKING_URI": address, "MLFLOW_HTTP_REQUEST_TIMEOUT": "1"}
        folder = train(shared_project, f"tracking=mlflow {SETTINGS}", "slow", **slow)
    assert Slow.asked
    assert notes(folder) == {"missed": ["mlflow"]}
    assert digest(folder / "model.safetensors") == digest(plain / "model.safetensors")


def test_the_end_is_not_waited_for_longer_than_allowed(shared_project: Path, server: str, in_mlflow: InMLflow) -> None:
    hasty = f"tracking=mlflow {SETTINGS} tracking.mlflow.wait_seconds=0.1"
    folder = train(shared_project, hasty, "hasty", MLFLOW_TRACKING_URI=server)
    assert notes(folder)["missed"] == ["mlflow"]
    sync(shared_project, "outputs/hasty", MLFLOW_TRACKING_URI=server)
    is_whole(in_mlflow(server)["outputs/hasty"], folder)


def test_a_server_that_goes_down_while_the_training_goes_on(
    shared_project: Path, tmp_path: Path, in_mlflow: InMLflow
) -> None:
    """What it has stays, and `sync` adds the rest to the same run."""
    port, arguments = free_port(), "tracking=mlflow model=mlp training.epochs=200 hydra.run.dir=outputs/lost"
    folder = shared_project / "outputs" / "lost"
    with mlflow_server(shared_project, tmp_path, port, signal.SIGKILL) as address:
        variables = in_project(shared_project, MLFLOW_TRACKING_URI=address)
        process = preloaded.Process(["train.py", *arguments.split()], shared_project, variables)
        until(lambda: (folder / "metrics.csv").exists() and (folder / "metrics.csv").read_text().count("\n") > 5)
        assert process.poll() is None
    assert process.wait(timeout=300) == 0
    begun = notes(folder)
    assert begun["missed"] == ["mlflow"]
    with mlflow_server(shared_project, tmp_path, port) as address:
        sync(shared_project, "outputs/lost", MLFLOW_TRACKING_URI=address)
        there = in_mlflow(address)["outputs/lost"]
    assert notes(folder) == {"mlflow": begun["mlflow"]} == {"mlflow": there["id"]}
    rows = list(csv.DictReader((folder / "metrics.csv").open()))
    assert [value for _, value in there["metrics"]["train/loss"]] == [float(row["train/loss"]) for row in rows]


def test_a_run_that_goes_on_has_each_metric_once(shared_project: Path, server: str, in_mlflow: InMLflow) -> None:
    os.environ["MLFLOW_TRACKING_URI"] = server
    try:
        folder = interrupted(shared_project, f"tracking=mlflow model=mlp training.epochs=10 {OFTEN}", "resumed")
        go_on(shared_project, folder)
    finally:
        del os.environ["MLFLOW_TRACKING_URI"]
    there = in_mlflow(server)["outputs/resumed"]
    rows = list(csv.DictReader((folder / "metrics.csv").open()))
    assert there["status"] == "FINISHED"
    assert dict(map(tuple, there["metrics"]["train/loss"])) == {
        int(row["step"]) - 1: float(row["train/loss"]) for row in rows
    }


def test_the_runs_of_a_sweep_have_one_parent(shared_project: Path, in_mlflow: InMLflow) -> None:
    arguments = "tracking=[mlflow,wandb] sweep=seeds model=mlp training.epochs=1 hydra.sweep.dir=outputs/sweep"
    two = "'hydra.sweeper.params.seed=\"0,1\"'"  # instead of five
    said = run(f"python train.py {arguments} {two}", shared_project).stdout
    table = said.partition("2 runs in outputs/sweep, best result first:")[2].splitlines()[1:]
    assert table[0].split() == ["run", "status", "time", "result", "settings"]
    assert {line.split()[-1] for line in table[1:]} == {f"seed={number}" for number in range(2)}
    runs = in_mlflow()
    children = [item for name, item in runs.items() if name.startswith("outputs/sweep/")]
    assert {item["name"] for item in children} == {f"mlp-digits-sweep-{number}" for number in range(2)}
    assert {item["tags"]["mlflow.parentRunId"] for item in children} == {runs["outputs/sweep"]["id"]}
    folders = list((shared_project / "outputs/sweep").glob("[0-9]"))
    assert len({notes(folder)["wandb"] for folder in folders}) == len(folders) == len(children)
    assert {there["group"] for there in offline(shared_project, *folders)} == {"outputs/sweep"}


def offline(project: Path, *folders: Path) -> list[dict[str, Any]]:
    """Return what an offline run of W&B has on the disk, of each folder."""
    paths = [str(path) for folder in folders for path in folder.glob("wandb/offline-run-*/run-*.wandb")]
    assert len(paths) == len(folders)
    found: list[dict[str, Any]] = python(project, project, _OFFLINE, *paths, uri="")
    return found


def test_wandb_offline(shared_project: Path, plain: Path) -> None:
    """Everything is on the disk: configuration, metrics, pictures, and the model as an artifact."""
    folder = train(shared_project, f"tracking=wandb {SETTINGS}", "offline")
    assert any(path.is_symlink() for path in folder.glob("wandb/**/*"))  # W&B's own, which the run may have
    run("python evaluate.py run=outputs/offline", shared_project)
    [there] = offline(shared_project, folder)
    assert there["config"]["training"]["lr"] == record(folder)["config"]["training"]["lr"]
    assert there["config"]["record"]["weights_sha256"] == record(folder)["weights_sha256"]
    rows = list(csv.DictReader((folder / "metrics.csv").open()))
    losses = {item["trainer/global_step"]: item["train/loss"] for item in there["history"] if "train/loss" in item}
    assert losses == {int(row["step"]) - 1: float(row["train/loss"]) for row in rows}
    assert [item["trainer/global_step"] for item in there["history"] if "train/loss_step" in item] == [49]
    last = there["history"][-1]
    assert last["test/accuracy"] == metrics(folder / "test")["accuracy"]
    [files] = folder.glob("wandb/offline-run-*/files")
    pictures = [last["figures/confusion_matrix/path"], *last["predictions/filenames"]]
    assert len(pictures) == 1 + 16
    assert all((files / path).exists() for path in pictures)
    assert digest(files / pictures[0]) == digest(folder / "test" / "figures" / "confusion_matrix.png")
    [artifact] = there["artifacts"]
    assert {"model.safetensors", "run.json", "config.yaml"} <= artifact.keys()
    assert all((shared_project / path).exists() for path in artifact.values())
    assert there["ended"] == 0
    assert digest(folder / "model.safetensors") == digest(plain / "model.safetensors")


def test_wandb_disabled(shared_project: Path, plain: Path) -> None:
    folder = train(shared_project, f"tracking=wandb {SETTINGS}", "disabled", WANDB_MODE="disabled")
    assert not list(folder.glob("wandb/*run-*"))
    assert digest(folder / "model.safetensors") == digest(plain / "model.safetensors")


def test_wandb_that_is_down(shared_project: Path, plain: Path) -> None:
    folder = train(shared_project, f"tracking=wandb {SETTINGS}", "unreachable", **KEY)
    assert notes(folder) == {"missed": ["wandb"]}
    assert "wandb cannot be reached" in (folder / "train.log").read_text()
    assert digest(folder / "model.safetensors") == digest(plain / "model.safetensors")
    still = sync(shared_project, "outputs/unreachable", check=False, **KEY)
    assert still.returncode == 2
    assert "wandb did not accept outputs/unreachable" in still.stderr


def test_an_untracked_run_is_sent_later(shared_project: Path, plain: Path, in_mlflow: InMLflow) -> None:
    wrong = sync(shared_project, "outputs/plain", check=False)
    assert (wrong.returncode, "name a tracker" in wrong.stderr) == (2, True)
    damaged = shared_project / "outputs" / "altered"
    shutil.copytree(plain, damaged)
    (damaged / "model.safetensors").write_bytes(b"damaged")
    refused = sync(shared_project, "outputs/altered --to mlflow", check=False)
    assert refused.returncode == 2
    assert "outputs/altered/model.safetensors is not" in refused.stderr.splitlines()[-1]
    assert "did not accept" not in refused.stderr
    unknown = sync(shared_project, "outputs/plain --to mlfow", check=False)
    assert "mlfow is not a tracker of this project: choose one of mlflow, tensorboard, wandb" in unknown.stderr
    sync(shared_project, "outputs/plain --to mlflow --to tensorboard")
    is_whole(in_mlflow()["outputs/plain"], plain)
    assert list(plain.glob("tensorboard/*/events*"))


def test_several_trackers_and_several_processes(shared_project: Path, in_mlflow: InMLflow) -> None:
    """One process tracks for all of them, and the weights do not know of it."""
    short = f"{SHORT} trainer=ddp"
    alone = train(shared_project, short, "two")
    tracked = short.replace("tracking=none", "'tracking=[mlflow,wandb,tensorboard]'")
    address = "https://me:passw0rd!@host.example/data?X-Amz-Signature=3f2a9c71d0be"
    folder = train(shared_project, f"{tracked} 'data.source=${{oc.env:DATA_URL}}'", "two-tracked", DATA_URL=address)
    assert digest(folder / "model.safetensors") == digest(alone / "model.safetensors")
    assert metrics(folder / "test")["accuracy"] > 0.5
    names = [name for name in in_mlflow() if name == "outputs/two-tracked"]
    assert len(names) == len(list(folder.glob("wandb/offline-run-*"))) == 1
    assert list(folder.glob("tensorboard/*/events*"))
    written = [shared_project / "mlflow.db", *folder.rglob("*"), *(shared_project / "mlruns").rglob("*")]
    contents = [path.read_bytes() for path in written if path.is_file()]
    assert not [content for content in contents if b"passw0rd" in content or b"3f2a9c71d0be" in content]
    assert sum(b"${oc.env:DATA_URL}" in content for content in contents) > 3  # configuration, record and trackers


def test_the_log_for_programs(shared_project: Path, plain: Path) -> None:
    """Each line is JSON and names the run; the first says what the run is."""
    lines = [json.loads(line) for line in (plain / "train.log.jsonl").read_text().splitlines()]
    assert {line["run"] for line in lines} == {"outputs/plain"}
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    done = record(plain)
    [context] = [line["message"] for line in lines if line["message"].startswith("run ")]
    assert context.startswith(f"run outputs/plain: commit {done['git']['commit'][:10]}, seed 42, strict, data digits")
    said = [part for line in lines for part in line["message"].splitlines()]
    assert len(said) == len((plain / "train.log").read_text().splitlines())


def test_an_error_is_one_sentence_here_and_a_traceback_there(shared_project: Path) -> None:
    callback = "{_target_: lightning.pytorch.callbacks.EarlyStopping, monitor: val/loss, mode: sideways}"
    command = f"python train.py {SHORT} '+callbacks.stop={callback}' hydra.run.dir=outputs/broken"
    result = run(command, shared_project, check=False, API_TOKEN="correct-horse-battery")
    assert result.returncode == 1
    assert "Traceback" not in result.stdout + result.stderr
    folder = shared_project / "outputs" / "broken"
    assert "Traceback" in (folder / "train.log").read_text()
    last = json.loads((folder / "train.log.jsonl").read_text().splitlines()[-1])
    assert "Traceback" in last["traceback"]
    assert f"error: {last['message']}" in result.stderr
