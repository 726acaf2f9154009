"""Trainings for the tests: whole, interrupted from outside, resumed, and compared."""

import json
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import preloaded
from conftest import code_blocks, digest, in_project, run

SHORT = "tracking=none model=mlp training.epochs=2"
# A resume point wherever one may be, so that a kill lands between all kinds of steps.
OFTEN = "callbacks.resume_point.every_seconds=0"

# What has to be equal, besides the files: everything in last.ckpt but what tells the runs apart: the configuration,
# which holds the folder's name, and the run's identity.
_STATE = """
import hashlib, json, sys, torch
def parts(value):
    if isinstance(value, dict):
        for key in value:
            yield repr(key).encode()
            yield from parts(value[key])
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from parts(item)
    elif isinstance(value, torch.Tensor):
        yield f"{value.dtype} {tuple(value.shape)}".encode()
        yield value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    else:
        yield repr(value).encode()
digests = {}
for folder in sys.argv[1:]:
    state = torch.load(f"{folder}/checkpoints/last.ckpt", weights_only=True)
    del state["config"], state["run"]
    digests[folder] = hashlib.sha256(b"|".join(parts(state))).hexdigest()
print(json.dumps(digests))
"""


def script(project: Path, code: str, *arguments: str, **environment: str) -> str:
    """Run Python code in a project, in a preloaded process of its own, and return what it printed."""
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(code)
        file.flush()
        variables = in_project(project, PYTHONPATH="src", **environment)
        process = preloaded.Process([file.name, *arguments], project, variables)
        output, errors = process.communicate()
    assert process.returncode == 0, errors
    return output


def train(project: Path, arguments: str, name: str, **environment: str) -> Path:
    """Train in the folder outputs/NAME and return it."""
    run(f"python train.py {arguments} hydra.run.dir=outputs/{name}", project, **environment)
    return project / "outputs" / name


def start(project: Path, arguments: str, plain: bool = False) -> preloaded.Process | subprocess.Popen[str]:
    """Start `python train.py ARGUMENTS` in a process group of its own, preloaded unless it is to be `plain`."""
    command, environment = preloaded.simple(f"python train.py {arguments}"), in_project(project)
    if command and not plain and preloaded.suits(project, environment):
        return preloaded.Process(command, project, environment, group=True)
    return subprocess.Popen(
        [project / ".venv" / "bin" / "python", "train.py", *arguments.split()],
        cwd=project,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a background job ignores it
    )


def stop(process: preloaded.Process | subprocess.Popen[str], number: int) -> str:
    """Send a signal to the process and its children, as terminals and schedulers do, and return its error output.

    What has not ended after a minute is killed, as schedulers do too.
    """
    os.killpg(process.pid, number)
    try:
        return process.communicate(timeout=60)[1]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[1]


def interrupted(project: Path, arguments: str, name: str, points: int = 2) -> Path:
    """Train in outputs/NAME, kill the process as soon as there are so many resume points, and return the folder."""
    folder = project / "outputs" / name
    process = start(project, f"{arguments} {OFTEN} hydra.run.dir=outputs/{name}")
    while len(list(folder.glob("checkpoints/resume-*.ckpt"))) < points:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    stop(process, signal.SIGKILL)
    return folder


def go_on(project: Path, folder: Path) -> str:
    """Resume the run in a folder and return what was printed."""
    result = run(f"python train.py resume={folder.relative_to(project)}", project)
    return result.stdout + result.stderr


def outcome(folder: Path) -> dict[str, str]:
    """Return the digests of what a run leaves, except for last.ckpt."""
    names = ("model.safetensors", "metrics.csv", "trace.jsonl", "test/metrics.json", "test/predictions.csv")
    return {name: digest(folder / name) for name in names}


def last_states(project: Path, folders: list[Path]) -> dict[Path, str]:
    """Return a digest of weights, optimizer, schedule, loops and callbacks at the end of each run."""
    command = [project / ".venv" / "bin" / "python", "-c", _STATE, *map(str, folders)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    return {Path(folder): digest for folder, digest in json.loads(result.stdout).items()}


def documented(project: Path, page: str, beginning: str) -> str:
    """Return the command of a page in docs/ that begins so, to run it as it is printed."""
    lines = "\n".join(code_blocks((project / "docs" / page).read_text())).splitlines()
    [found] = [line for line in lines if line.startswith(beginning)]
    return found.partition("  #")[0].strip()


def record(folder: Path) -> dict[str, Any]:
    """Return the record of a run."""
    return json.loads((folder / "run.json").read_text())
