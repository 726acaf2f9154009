"""Show what reproducibility costs: each figure is a ratio to the minimum that does the same, measured in one run.

Run it with a generated project's environment: `.venv/bin/python benchmarks/speed.py PROJECT FOLDER`, where PROJECT is
committed to git and FOLDER holds the four files of Fashion-MNIST. Pairs are measured in turns and medians are printed,
because machines are noisy. The mode is strict, with record and step trace on. It uses one thread by default, so the
plain loop does too; both are also measured with two threads.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from copy import copy
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from printed import machine
from project import Project

ROUNDS = 3
EPOCHS = {"mlp": 6, "cnn": 2}
# Notes when each epoch of a normal training begins; the time between two is a whole epoch with everything in it.
TIMED = """
import json, runpy, sys, time
sys.argv[0] = "train.py"
sys.path.insert(0, "src")
from reproml.models.array_task import ArrayTask
begun, before = [], ArrayTask.on_train_epoch_start
def noted(self):
    begun.append(time.perf_counter())
    before(self)
ArrayTask.on_train_epoch_start = noted
runpy.run_path("train.py", run_name="__main__")
print(json.dumps([after - first for first, after in zip(begun, begun[1:])]))
"""
# Stops when the first batch reaches the training step.
FIRST_STEP = """
import os, runpy, sys
sys.argv[0] = "train.py"
sys.path.insert(0, "src")
from reproml.models.array_task import ArrayTask
ArrayTask.training_step = lambda *_: os._exit(0)
runpy.run_path("train.py", run_name="__main__")
"""


def train(project: Project, model: str, count: int) -> tuple[list[float], float]:
    """Return the seconds of each epoch except the last, and the test accuracy."""
    timed = ["-c", TIMED]
    printed = project.train(timed, f"model={model}", f"training.epochs={count}")
    metrics = json.loads((project.run / "test" / "metrics.json").read_text())
    return json.loads(printed.splitlines()[-1]), metrics["accuracy"]


def by_hand(project: Project, model: str, count: int) -> tuple[list[float], float]:
    """Return the seconds of each epoch except the first, and the test accuracy, of the plain loop."""
    script = str(Path(__file__).with_name("by_hand.py").resolve())
    found = json.loads(project.python(script, project.package, model, str(count), str(project.threads)))
    return found["epochs"][1:], found["accuracy"]


def seconds(task: Callable[[], object]) -> float:
    """Return how long a task takes."""
    started = time.perf_counter()
    task()
    return time.perf_counter() - started


def pair(name: str, task: Callable[[], object], least: Callable[[], object], goal: float) -> None:
    """Measure two commands in turn, and print the ratio of their medians."""
    task(), least()  # the first call reads from disk what later calls find in memory
    measured = [(seconds(task), seconds(least)) for _ in range(ROUNDS)]
    first, second = (statistics.median(column) for column in zip(*measured, strict=True))
    print(f"{name}: {first:.2f} s / {second:.2f} s = {first / second:.2f} (goal {goal})", flush=True)


def epochs(project: Project, model: str, goal: float) -> None:
    """Compare an epoch of training with one of the plain loop."""
    tasks = {"train.py": train, "by hand": by_hand}
    measured: dict[str, list[float]] = {name: [] for name in tasks}
    accuracies: dict[str, set[float]] = {name: set() for name in tasks}
    for _ in range(ROUNDS):
        for name, task in tasks.items():
            found, accuracy = task(project, model, EPOCHS[model])
            measured[name] += found
            accuracies[name].add(accuracy)
    ours, least = (statistics.median(found) for found in measured.values())
    shown = ["/".join(map(str, sorted(found))) for found in accuracies.values()]
    print(
        f"{model}, {project.threads} thread(s), an epoch: {ours:.3f} s / by hand {least:.3f} s = {ours / least:.2f} "
        f"(goal {goal}); test accuracy {shown[0]}, by hand {shown[1]}",
        flush=True,
    )


def one_stage(project: Project, folder: Path) -> Project:
    """Return a one-stage pipeline that copies a file: the least that DVC can do."""
    least = copy(project)
    least.folder = folder
    (folder / "input").write_text("")
    (folder / "dvc.yaml").write_text(
        "stages:\n  copy:\n    cmd: cp input output\n    deps: [input]\n    outs: [output]\n"
    )
    for command in (["git", "init", "--quiet"], ["dvc", "init", "--quiet"], ["dvc", "repro"]):
        least.call(*command)
    return least


def main() -> None:
    """Print one line for each ratio."""
    places = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    project, with_two_threads = Project(*places), Project(*places, threads=2)
    print(f"{machine()}", flush=True)
    train(project, "mlp", 1)  # prepares the data
    for threads in (project, with_two_threads):
        epochs(threads, "mlp", 1.25)
    print(f"train.py --help: {seconds(lambda: project.python('train.py', '--help')):.2f} s (goal 0.5 s)", flush=True)
    pair(
        "first training step / import torch, lightning",
        lambda: project.train(["-c", FIRST_STEP]),
        lambda: project.python("-c", "import torch, lightning"),
        1.5,
    )
    project.call("dvc", "repro")
    with TemporaryDirectory() as folder:
        for name, pipeline in (("this pipeline", project), ("one stage", one_stage(project, Path(folder)))):
            repro, status = partial(pipeline.call, "dvc", "repro"), partial(pipeline.call, "dvc", "status")
            pair(f"dvc repro / dvc status, {name}", repro, status, 1.2)
    settings = ["model=mlp", f"training.epochs={EPOCHS['mlp']}"]
    project.train(["train.py"], *settings)
    pair(
        "verify / train",
        lambda: project.python("-m", "reproml", "verify", str(project.run.relative_to(project.folder))),
        lambda: project.train(["train.py"], *settings),
        1.1,
    )
    for threads in (project, with_two_threads):
        epochs(threads, "cnn", 1.05)


if __name__ == "__main__":
    main()
