"""Show what resume points and the step trace cost for models of 1 to 300 million parameters, in seconds and in memory.

Run it with a generated project's environment, on Linux: `.venv/bin/python benchmarks/size.py PROJECT [MILLIONS ...]`.
300 million parameters need 12 GB of memory and 11 GB in TMPDIR. Prints the table of docs/promises.md.

A point is saved after every batch, to time each save; the last columns say how often one would be saved with a
project's settings, and what share of the time that takes. With `--minutes 10`, each model is trained for ten minutes
with a project's settings instead, and the share that its points took is measured.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from printed import machine

STEPS = 6
MILLIONS = (1, 10, 100, 300)  # parameters
EVERY, SHARE = 30, 0.02  # as in configs/callbacks/default.yaml of a project
# A network of four square layers with Adam, trained like any other: a point holds three times the weights.
MODULE = """
import torch
from lightning import LightningDataModule, LightningModule
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Numbers(LightningDataModule):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.numbers = TensorDataset(torch.zeros(BATCH * STEPS, width))

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.numbers, BATCH)

    test_dataloader = train_dataloader


class Square(LightningModule):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.network = nn.Sequential(*(nn.Linear(width, width, bias=False) for _ in range(4)))

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        return (self.network(batch[0]) - 1).square().mean()

    def test_step(self, batch: list[torch.Tensor], batch_idx: int) -> None:
        self.log("loss", 0.0)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters())
""".replace("BATCH", "32").replace("STEPS", str(STEPS))
# Times saves, digests and the steps between them, and measures the extra memory that a save takes.
TIMED = """
import json, re, runpy, sys, time
from pathlib import Path
sys.argv[0] = "train.py"
sys.path.insert(0, "src")
spent, peaks = {"save": [], "point": [], "digest": [], "fit": []}, []
def memory(name):
    return int(re.search(rf"{name}:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024
def timed(owner, name, part):
    function = getattr(owner, name)
    def call(*arguments, **named):
        if part == "save":
            Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here on
        before, started = memory("VmRSS"), time.perf_counter()
        function(*arguments, **named)
        spent[part].append(time.perf_counter() - started)
        if part == "save":
            peaks.append(memory("VmHWM") - before)
    setattr(owner, name, call)
from reproml import recipe
ready = recipe.ready
def ready_and_timed(cfg):
    config = ready(cfg)  # sets what torch reads when it is imported
    from lightning import Trainer
    from reproml.training.resume import ResumePoint
    from reproml.training.step_trace import StepTrace
    timed(ResumePoint, "_save", "point")
    timed(Trainer, "save_checkpoint", "save")
    timed(Trainer, "fit", "fit")
    timed(StepTrace, "_note_weights", "digest")
    return config
recipe.ready = ready_and_timed
runpy.run_path("train.py", run_name="__main__")
print("measured", json.dumps({**spent, "peaks": peaks}))
"""


def trained(project: Path, millions: int, *arguments: str) -> dict[str, list[float]]:
    """Train a model with that many million parameters, and return the seconds of each part of it."""
    width = round((millions * 1e6 / 4) ** 0.5)
    (project / "src" / "square.py").write_text(MODULE)
    for group, name in (("data", "Numbers"), ("task", "Square")):
        (project / "configs" / group / "square.yaml").write_text(f"_target_: square.{name}\nwidth: {width}\n")
    result = subprocess.run(
        [sys.executable, "-c", TIMED, "data=square", "task=square", "tracking=none", "hydra.run.dir=outputs/square",
         *arguments],
        cwd=project, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": "src"},
    )  # fmt: skip
    match = re.search(r"^measured (.*)$", result.stdout, re.MULTILINE)
    if match is None:
        raise SystemExit(f"{result.stdout}\n{result.stderr}")
    shutil.rmtree(project / "outputs")
    found: dict[str, list[float]] = json.loads(match[1])
    return found


def measured(project: Path, millions: int) -> dict[str, float]:
    """Train for a few steps.

    Returns medians: seconds of a `save`, a `digest` and a `step`; and `peak`, the most MiB that a save took.
    """
    found = trained(project, millions, "training.epochs=1", "callbacks.resume_point.every_seconds=0")
    step = (sum(found["fit"]) - sum(found["save"]) - sum(found["digest"])) / STEPS
    seconds = {part: statistics.median(found[part]) for part in ("save", "digest")}
    return {**seconds, "step": step, "peak": max(found["peaks"])}


@contextmanager
def copied(project: Path) -> Iterator[Path]:
    """Yield a copy of a project, without its data and runs."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        for name in ("configs", "src"):
            shutil.copytree(project / name, copy / name)
        for name in ("train.py", "pyproject.toml"):
            shutil.copy(project / name, copy)
        yield copy


def watched(project: Path, millions: int, minutes: int) -> str:
    """Train for some minutes with a project's settings, and return what the resume points took."""
    # strict refuses to stop by the clock
    stop = (f"+trainer.max_time=00:00:{minutes:02}:00", "training.epochs=1000000", "reproducibility=fast")
    found = trained(project, millions, *stop)
    points, whole = found["point"], sum(found["fit"])
    each = " + ".join(f"{seconds:.2f}" for seconds in points)
    share = 100 * sum(points) / whole
    return (
        f"{millions} million parameters, {whole:.0f} s: {len(points)} points took {each} s, {share:.2f} % of the time"
    )


def main() -> None:
    """Print the table, or what was watched."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("millions", type=int, nargs="*", default=MILLIONS)
    parser.add_argument("--minutes", type=int)
    arguments = parser.parse_args()
    print(f"{machine()}\n")
    if arguments.minutes:
        for millions in arguments.millions:
            with copied(arguments.project) as project:
                print(watched(project, millions, arguments.minutes), flush=True)
        return
    print(
        "| parameters | state | a save | memory that it takes | a digest of the weights | a step | a point every "
        "| share of the time |\n|---|---|---|---|---|---|---|---|"
    )
    for millions in arguments.millions:
        with copied(arguments.project) as project:
            found = measured(project, millions)
        every = max(EVERY, found["save"] * (1 / SHARE - 1))
        print(
            f"| {millions} million | {12 * millions:,} MB | {found['save']:.2f} s | {found['peak']:,.0f} MiB "
            f"| {found['digest']:.2f} s | {found['step']:.2f} s | {every:.0f} s "
            f"| {100 * found['save'] / (every + found['save']):.1f} % |",
            flush=True,
        )


if __name__ == "__main__":
    main()
