"""Show what reproducibility costs: each figure is a ratio to the minimum that does the same, measured in one run.

Run it with a generated project's environment: `.venv/bin/python benchmarks/speed.py PROJECT FOLDER [PART...]`, where
PROJECT is committed to git, FOLDER holds the four files of Fashion-MNIST, and the parts are those of PARTS, all unless
some are named. The mode is strict, with record and step trace on. It uses one thread by default, and so does the plain
loop. Machines are noisy, so pairs are measured in turns: epochs one by one in the same process, of which each is
divided by the mean of its two neighbors by hand; whole commands one after the other. Medians are printed.
"""

import json
import statistics
import subprocess
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
# Of an epoch: how many are trained, how many batches it has, and how many its validation has; None: all. An epoch of a
# few seconds is close in time to its neighbors.
EPOCHS: dict[str, tuple[int, tuple[int, int] | None]] = {"mlp": (20, None), "cnn": (20, (40, 8))}
# A normal training. Before each of its epochs, one of the plain loop runs, which leaves no trace in the training's
# random numbers, and is not held to deterministic algorithms. An epoch is timed with everything in it.
IN_TURNS = """
import json, os, runpy, sys, time
sys.argv[0] = "train.py"
sys.path[:0] = ["src", os.environ["BENCHMARKS"]]
import torch
from by_hand import ByHand
from reproml.models.array_task import ArrayTask
package, model, count, batches = json.loads(sys.argv.pop(1))
before, found, hand, begun = ArrayTask.on_train_epoch_start, [], None, 0
def by_hand():
    global hand
    with torch.random.fork_rng(devices=[]):
        strict = torch.are_deterministic_algorithms_enabled()
        torch.use_deterministic_algorithms(False)
        torch.manual_seed(len(found))
        hand = hand or ByHand(package, model, count + 1, torch.device("cpu"), batches)
        found.append(hand.epoch())
        torch.use_deterministic_algorithms(strict)
def noted(self):
    global begun
    if found:
        found.append(time.perf_counter() - begun)
    by_hand()
    begun = time.perf_counter()
    before(self)
ArrayTask.on_train_epoch_start = noted
runpy.run_path("train.py", run_name="__main__")
print(json.dumps({"seconds": found, "accuracy": hand.accuracy()}))
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
    """Compare epochs of a training with those of the plain loop before and after each."""
    count, batches = EPOCHS[model]
    program = ["-c", IN_TURNS, json.dumps([project.package, model, count, batches])]
    settings = [f"model={model}", f"training.epochs={count}"]
    if batches:
        settings += [f"+trainer.limit_train_batches={batches[0]}", f"+trainer.limit_val_batches={batches[1]}"]
    said = json.loads(project.train(program, *settings).splitlines()[-1])
    hand, ours = said["seconds"][0::2], said["seconds"][1::2]
    ratios = [each / statistics.mean(hand[number : number + 2]) for number, each in enumerate(ours)][1:]  # one warms up
    tested = json.loads((project.run / "test" / "metrics.json").read_text())
    low, _, high = statistics.quantiles(ratios)
    print(
        f"{model}, an epoch: {statistics.median(ours):.3f} s / by hand {statistics.median(hand):.3f} s = "
        f"{statistics.median(ratios):.3f} (goal {goal}; of {len(ratios)} epochs, the middle half is within {low:.3f} "
        f"and {high:.3f}); test accuracy {tested['accuracy']}, by hand {said['accuracy']}",
        flush=True,
    )


def least(project: Project, folder: Path, count: int) -> Project:
    """Return a pipeline of so many stages that copy a file one after the other: the least that DVC can do."""
    made = copy(project)
    made.folder = folder
    (folder / "0").write_text("")
    stages = [
        f"  copy{number}:\n    cmd: cp {number} {number + 1}\n    deps: ['{number}']\n    outs: ['{number + 1}']\n"
        for number in range(count)
    ]
    (folder / "dvc.yaml").write_text("".join(["stages:\n", *stages]))
    for command in (["git", "init", "--quiet"], ["dvc", "init", "--quiet"], ["dvc", "repro"]):
        made.call(*command)
    return made


def start(project: Project) -> None:
    """Measure how soon a training begins."""
    print(f"train.py --help: {seconds(lambda: project.python('train.py', '--help')):.2f} s (goal 0.3 s)", flush=True)
    pair(
        "first training step / import torch, lightning",
        lambda: project.train(["-c", FIRST_STEP]),
        lambda: project.python("-c", "import torch, lightning"),
        1.5,
    )
    pair(
        "train.py debug=fast / import torch, lightning",
        lambda: project.python("train.py", "debug=fast", "hydra.run.dir=outputs/fast/${now:%H%M%S%f}"),
        lambda: project.python("-c", "import torch, lightning"),
        1.5,
    )


def check(project: Project) -> None:
    """Measure how long the check before sharing takes."""
    command = [sys.executable, "-m", "reproml", "check"]
    call = partial(subprocess.run, command, cwd=project.folder, env=project.environment, capture_output=True)
    found = [seconds(call) for _ in range(2 * ROUNDS)]  # it fails in a new project, since there is no run yet
    print(f"check: {statistics.median(found):.2f} s (goal 1 s)", flush=True)


def pipeline(project: Project) -> None:
    """Measure a pipeline with nothing to do, beside the least that DVC can do."""
    project.call("dvc", "repro")
    stages = project.call("dvc", "stage", "list", "--name-only").split()
    with TemporaryDirectory() as one, TemporaryDirectory() as several:
        pipelines = {"this pipeline": project, "one stage": least(project, Path(one), 1)}
        pipelines[f"{len(stages)} stages"] = least(project, Path(several), len(stages))
        for name, each in pipelines.items():
            repro, status = partial(each.call, "dvc", "repro"), partial(each.call, "dvc", "status")
            pair(f"dvc repro / dvc status, {name}", repro, status, 1.27)


def verify(project: Project) -> None:
    """Measure a rerun beside the training that it repeats."""
    settings = ["model=mlp", "training.epochs=10"]
    project.train(["train.py"], *settings)
    pair(
        "verify / train",
        lambda: project.python("-m", "reproml", "verify", str(project.run.relative_to(project.folder))),
        lambda: project.train(["train.py"], *settings),
        1.05,
    )


PARTS: dict[str, Callable[[Project], None]] = {
    "mlp": partial(epochs, model="mlp", goal=1.10),
    "cnn": partial(epochs, model="cnn", goal=1.03),
    "start": start,
    "check": check,
    "pipeline": pipeline,
    "verify": verify,
}


def main() -> None:
    """Print one line for each ratio."""
    project = Project(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
    project.environment["BENCHMARKS"] = str(Path(__file__).resolve().parent)
    print(f"{machine()}", flush=True)
    project.train(["train.py"], "model=mlp", "training.epochs=1")  # prepares the data
    for part in sys.argv[3:] or PARTS:
        PARTS[part](project)


if __name__ == "__main__":
    main()
