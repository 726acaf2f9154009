"""Show what reproducibility costs: each figure is a ratio to the least that could do the same, measured in one run.

Run it with a generated project's environment: `.venv/bin/python benchmarks/speed.py PROJECT FOLDER`, where PROJECT is
committed to git and FOLDER holds the four files of Fashion-MNIST. Pairs are measured in turns and medians are printed,
because machines are noisy. The mode is strict, with record and trail on; it uses one thread, the loop by hand is
measured with one and with two.
"""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROUNDS = 3
EPOCHS = {"mlp": 6, "cnn": 2}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
# Notes when each epoch of the usual training begins; between two lies an epoch with all that belongs to it.
TIMED = """
import json, runpy, sys, time
sys.argv[0] = "train.py"
sys.path.insert(0, "src")
from {package}.models.classifier import Classifier
begun, before = [], Classifier.on_train_epoch_start
def noted(self):
    begun.append(time.perf_counter())
    before(self)
Classifier.on_train_epoch_start = noted
runpy.run_path("train.py", run_name="__main__")
print(json.dumps([after - first for first, after in zip(begun, begun[1:])]))
"""
# Says when the first batch comes to be learned from.
FIRST_STEP = """
import os, runpy, sys
sys.argv[0] = "train.py"
sys.path.insert(0, "src")
from {package}.models.classifier import Classifier
Classifier.training_step = lambda *_: os._exit(0)
runpy.run_path("train.py", run_name="__main__")
"""


class Project:
    """A generated project, and the environment without which nothing is measured twice in the same way."""

    def __init__(self, folder: Path, source: Path) -> None:
        self.folder = folder
        self.package = next(path.parent.name for path in (folder / "src").glob("*/__main__.py"))
        self.settings = ["experiment=fashion_mnist", "tracking=[none]", f"data.source={source}"]
        pins = {"PYTHONHASHSEED": "0", "PYTHONPATH": "src", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.environment = {"PATH": path, "HOME": str(Path.home()), **pins}

    def call(self, *command: str, **environment: str) -> str:
        """Return what a command prints; the measurement ends where it fails."""
        result = subprocess.run(
            command, cwd=self.folder, env={**self.environment, **environment}, capture_output=True, text=True
        )
        if result.returncode:
            raise SystemExit(f"{' '.join(command)}\n{result.stdout}\n{result.stderr}")
        return result.stdout

    def python(self, *arguments: str, **environment: str) -> str:
        """Run Python with the arguments."""
        return self.call(sys.executable, *arguments, **environment)

    def train(self, model: str, epochs: int) -> tuple[list[float], float]:
        """Return the seconds of each epoch, but the last, and the test accuracy."""
        shutil.rmtree(self.folder / "outputs" / "speed", ignore_errors=True)
        arguments = [*self.settings, f"model={model}", f"training.epochs={epochs}", "hydra.run.dir=outputs/speed"]
        printed = self.python("-c", TIMED.format(package=self.package), *arguments, **ONE_THREAD)
        metrics = json.loads((self.folder / "outputs/speed/test/metrics.json").read_text())
        return json.loads(printed.splitlines()[-1]), metrics["accuracy"]

    def by_hand(self, model: str, epochs: int, threads: int) -> tuple[list[float], float]:
        """Return the same of the loop by hand."""
        script = str(Path(__file__).with_name("by_hand.py").resolve())
        found = json.loads(self.python(script, self.package, model, str(epochs), str(threads)))
        return found["epochs"], found["accuracy"]


def seconds(task: Callable[[], object]) -> float:
    """Return how long a task takes."""
    started = time.perf_counter()
    task()
    return time.perf_counter() - started


def pair(name: str, task: Callable[[], object], least: Callable[[], object], goal: float) -> None:
    """Measure two commands in turns, and print the ratio of their medians."""
    task(), least()  # what a first call reads from the disk, all later ones find in memory
    measured = [(seconds(task), seconds(least)) for _ in range(ROUNDS)]
    first, second = (statistics.median(column) for column in zip(*measured, strict=True))
    print(f"{name}: {first:.2f} s / {second:.2f} s = {first / second:.2f} (goal {goal})", flush=True)


def epochs(project: Project, model: str, goal: float) -> None:
    """Compare an epoch of a training with one of the loop by hand."""
    count = EPOCHS[model]
    trained, alone, both = [], [], []
    accuracies = []
    for _ in range(ROUNDS):
        for times, (found, accuracy) in (
            (trained, project.train(model, count)),
            (alone, project.by_hand(model, count, 1)),
            (both, project.by_hand(model, count, 2)),
        ):
            times += found[1:] or found
            accuracies.append(accuracy)
    ours, one, two = map(statistics.median, (trained, alone, both))
    print(
        f"{model}, an epoch: {ours:.3f} s; by hand {one:.3f} s with one thread, {two:.3f} s with two = "
        f"{ours / one:.2f}, {ours / two:.2f} (goal {goal}); accuracies {sorted(accuracies)}",
        flush=True,
    )


def main() -> None:
    """Print one line for each ratio."""
    project = Project(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    print(f"{os.cpu_count()} x {cpu[1] if cpu else 'unknown processor'}", flush=True)
    project.train("mlp", 1)  # prepares the data
    epochs(project, "mlp", 1.25)
    print(f"train.py --help: {seconds(lambda: project.python('train.py', '--help')):.2f} s (goal 0.5 s)", flush=True)
    first = FIRST_STEP.format(package=project.package)
    pair(
        "first training step / import torch, lightning",
        lambda: (
            shutil.rmtree(project.folder / "outputs" / "first", ignore_errors=True),
            project.python("-c", first, *project.settings, "hydra.run.dir=outputs/first", **ONE_THREAD),
        ),
        lambda: project.python("-c", "import torch, lightning"),
        1.5,
    )
    project.call("dvc", "repro")
    pair("dvc repro / dvc status", lambda: project.call("dvc", "repro"), lambda: project.call("dvc", "status"), 1.2)
    run = "outputs/speed"
    arguments = [*project.settings, "model=mlp", f"training.epochs={EPOCHS['mlp']}", f"hydra.run.dir={run}"]
    pair(
        "verify / train",
        lambda: project.python("-m", project.package, "verify", run),
        lambda: (
            shutil.rmtree(project.folder / run, ignore_errors=True),
            project.python("train.py", *arguments, **ONE_THREAD),
        ),
        1.1,
    )
    epochs(project, "cnn", 1.05)


if __name__ == "__main__":
    main()
