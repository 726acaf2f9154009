"""Show what a second thread and data workers give, and whether two threads give the same bits each time.

Run it with a generated project's environment: `.venv/bin/python benchmarks/threads.py PROJECT FOLDER [ROUNDS]`, where
PROJECT is committed to git and FOLDER holds the four files of Fashion-MNIST. Needs two cores that nothing else uses.
The networks are the template's two, on Fashion-MNIST, and a transformer, a U-Net and a classifier of photos from
examples/; the number of threads is pinned, and everything else is as the project has it: strict, with record and step
trace. Settings are measured in turns, in processes of their own; each figure is a median over all epochs but the first.
Prints the tables of docs/promises.md.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from printed import machine
from project import package_of, variables

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
ROUNDS = 3
# Notes when each epoch begins; the time between two is a whole epoch with everything in it.
TIMED = """
import json, runpy, sys, time
sys.argv[0] = "train.py"
sys.path.insert(0, "src")
from reproml.training.history import History
begun, before = [], History.on_train_epoch_start
def noted(*arguments):
    begun.append(time.perf_counter())
    before(*arguments)
History.on_train_epoch_start = noted
runpy.run_path("train.py", run_name="__main__")
print(json.dumps([after - first for first, after in zip(begun, begun[1:])]))
"""
# Photos of 320 to 640 pixels with noise, like those of a camera: most of an epoch is spent on decoding them.
PHOTOS = """
import sys
from pathlib import Path
import numpy as np
from PIL import Image
draw = np.random.default_rng(0)
for number in range(int(sys.argv[2])):
    height, width = draw.integers(320, 641, 2).tolist()
    coarse = Image.fromarray(draw.integers(0, 256, (12, 12, 3), np.uint8)).resize((width, height))
    pixels = np.asarray(coarse) + draw.normal(0, 8, (height, width, 3))
    path = Path("data/raw/large", str(number % 10), f"{number:04}.{sys.argv[1]}")
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
"""
# The task decides nothing here: it looks at one number of each image.
LOOK = """
import torch
from lightning import LightningModule
from torch import nn


class Look(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Linear(3, 10)

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        return nn.functional.cross_entropy(self.network(batch[0][:, :, 0, 0]), batch[1])

    def test_step(self, batch: list[torch.Tensor], batch_idx: int) -> None:
        self.log("loss", self.training_step(batch, batch_idx))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)
"""
Result = tuple[list[float], str]  # the seconds of each epoch but the last, and the digest of the weights


class Copy:
    """A copy of a project with the examples in it, whose trainings are timed.

    Args:
        source: the generated project.
        folder: that it is copied to.
    """

    def __init__(self, source: Path, folder: Path) -> None:
        self.folder = folder
        subprocess.run(["git", "clone", "--quiet", source, folder], check=True)
        package = package_of(folder)
        for example in ("segmentation", "text", "photos"):
            for path in (EXAMPLES / example).rglob("*"):
                if path.is_file() and path.suffix != ".pyc":
                    place = folder / str(path.relative_to(EXAMPLES / example)).replace("my_project", package)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_text(path.read_text().replace("my_project", package))
        (folder / "src" / package / "tasks" / "look.py").write_text(LOOK)
        (folder / "configs" / "task" / "look.yaml").write_text(f"_target_: {package}.tasks.look.Look\n")
        shutil.copytree(folder / "docs", folder / "data" / "raw" / "text")
        self._python(str(EXAMPLES / "segmentation" / "scripts" / "make_scenes.py"))

    def photos(self, kind: str, count: int) -> None:
        """Write so many photos of a kind, in place of others."""
        shutil.rmtree(self.folder / "data" / "raw" / "large", ignore_errors=True)
        self._python("-c", PHOTOS, kind, str(count))

    def train(self, *overrides: str, threads: int) -> Result:
        """Train with so many threads."""
        run = self.folder / "outputs" / "measured"
        shutil.rmtree(run, ignore_errors=True)
        given = ["tracking=[none]", f"reproducibility.threads={threads}", "hydra.run.dir=outputs/measured"]
        printed = self._python("-c", TIMED, *overrides, *given, threads=threads)
        record = json.loads((run / "run.json").read_text())
        assert record["environment"]["torch"]["threads"] == threads
        return json.loads(printed.splitlines()[-1]), record["weights_sha256"]

    def _python(self, *arguments: str, threads: int = 1) -> str:
        result = subprocess.run(
            [sys.executable, *arguments], cwd=self.folder, env=variables(threads), capture_output=True, text=True
        )
        if result.returncode:
            raise SystemExit(f"{' '.join(arguments)[-300:]}\n{result.stdout}\n{result.stderr}")
        return result.stdout


def threads_table(project: Copy, source: Path, rounds: int) -> None:
    """Print seconds of an epoch with one and two threads, and what the weights say."""
    fashion = ["experiment=fashion_mnist", f"data.source={source}"]
    kinds = {
        "MLP, Fashion-MNIST": [*fashion, "model=mlp", "training.epochs=3"],
        "CNN, Fashion-MNIST": [*fashion, "model=cnn", "training.epochs=3", "+trainer.limit_train_batches=100"],
        "transformer, text": ["data=text", "task=language_model", "training.epochs=3", "data.stride=64"],
        "U-Net, scenes": ["data=scenes", "task=segmentation", "training.epochs=4"],
    }
    print(
        "| | 1 thread | 2 threads | ratio | same bits: 1 thread | 2 threads | 1 and 2 |\n|---|---|---|---|---|---|---|"
    )
    for name, overrides in kinds.items():
        found: dict[int, list[Result]] = {1: [], 2: []}
        for _ in range(max(2, rounds)):  # bits are compared with those of another run
            for threads, results in found.items():
                results.append(project.train(*overrides, threads=threads))
        one, two = (_median(results) for results in found.values())
        bits = {threads: {digest for _, digest in results} for threads, results in found.items()}
        same = [len(bits[1]) == 1, len(bits[2]) == 1, bits[1] == bits[2]]
        shown = " | ".join("yes" if each else "no" for each in same)
        print(f"| {name} | {one:.2f} s | {two:.2f} s | {two / one:.2f} | {shown} |", flush=True)


def workers_table(project: Copy, rounds: int) -> None:
    """Print seconds of an epoch that mostly decodes files, with 0, 1 and 2 data workers."""
    print("\n| | 0 workers | 1 worker | 2 workers | same bits |\n|---|---|---|---|---|")
    for kind, count in (("png", 300), ("jpg", 300)):
        project.photos(kind, count)
        found: dict[int, list[Result]] = {0: [], 1: [], 2: []}
        given = ["data=photos", "task=look", "data.folder=data/raw/large", "data.batch_size=16", "training.epochs=3"]
        for _ in range(rounds):
            for workers, results in found.items():
                results.append(project.train(*given, f"data.num_workers={workers}", threads=1))
        seconds = [_median(results) for results in found.values()]
        same = "yes" if len({digest for results in found.values() for _, digest in results}) == 1 else "no"
        cells = [f"{each:.2f} s ({each / seconds[0]:.2f})" for each in seconds]
        print(f"| {count} {kind.upper()} files | {' | '.join(cells)} | {same} |", flush=True)


def _median(results: list[Result]) -> float:
    return statistics.median(seconds for epochs, _ in results for seconds in epochs)


def main() -> None:
    """Print the tables."""
    load = os.getloadavg()[0]
    print(f"{machine()}, load {load:.1f} at the start\n", flush=True)
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else ROUNDS
    with TemporaryDirectory() as folder:
        project = Copy(Path(sys.argv[1]).resolve(), Path(folder) / "project")
        threads_table(project, Path(sys.argv[2]).resolve(), rounds)
        workers_table(project, rounds)


if __name__ == "__main__":
    main()
