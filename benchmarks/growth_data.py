"""Show that a training's steps and memory stay flat while its data grows 1,000 times: made in memory, and on disk.

Run it with a generated project's environment, on Linux: `.venv/bin/python benchmarks/growth_data.py PROJECT FOLDER
[TIMES ...]`, where FOLDER holds the four files of Fashion-MNIST; 1,000 times needs 2 GB in TMPDIR. The data are the
first 600 training images of Fashion-MNIST, repeated, trained with the small network; `made` are as many random images
that a data module of the user's own makes in memory. benchmarks/memory.py measures larger data under a limit of memory.
"""

import gzip
import hashlib
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from memory import FILES
from printed import machine
from project import variables

TIMES = (1, 10, 100, 1_000)
IMAGES, TESTED, BATCH, STEPS = 600, 100, 32, 400
MADE = """
import torch
from lightning import LightningDataModule, LightningModule
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Made(LightningDataModule):
    def __init__(self, images: int) -> None:
        super().__init__()
        self.images = images

    def setup(self, stage: str) -> None:
        pixels = torch.randint(256, (self.images, 1, 28, 28), dtype=torch.uint8)
        self.examples = TensorDataset(pixels, torch.randint(10, (self.images,)))

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.examples, BATCH, shuffle=True, drop_last=True)

    def test_dataloader(self) -> DataLoader:
        return DataLoader(self.examples, 512)


class Small(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        return nn.functional.cross_entropy(self.network(batch[0] / 255), batch[1])

    def test_step(self, batch: list[torch.Tensor], batch_idx: int) -> None:
        self.log("loss", self.training_step(batch, batch_idx))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters())
"""
# Notes the time after each step, in seconds of processors: they hardly change with what else the machine does.
TIMED = """
import json, runpy, sys, time
sys.argv[0] = "train.py"
sys.path.insert(0, "src")
from reproml import recipe
ready = recipe.ready
begun, steps = time.process_time(), []
def ready_and_timed(cfg):
    config = ready(cfg)  # sets what torch reads when it is imported
    from reproml.training.step_trace import StepTrace
    after = StepTrace.on_train_batch_end
    def noted(*arguments):
        after(*arguments)
        steps.append(time.process_time())
    StepTrace.on_train_batch_end = noted
    return config
recipe.ready = ready_and_timed
runpy.run_path("train.py", run_name="__main__")
print("measured", json.dumps([each - begun for each in steps]))
"""


def repeat(source: Path, target: Path, times: int) -> dict[str, str]:
    """Write the files with only the first examples, those for training repeated, and return the SHA-256 of each."""
    digests = {}
    for name in FILES:
        content = gzip.decompress((source / f"{name}.gz").read_bytes())
        count, copies = (IMAGES, times) if name.startswith("train") else (TESTED, 1)
        head, size = (16, 784) if "images" in name else (8, 1)
        first = content[:4] + (count * copies).to_bytes(4, "big") + content[8:head]
        whole = first + content[head : head + count * size] * copies
        (target / name).write_bytes(whole)
        digests[name] = hashlib.sha256(whole).hexdigest()
    return digests


def measured(project: Path, arguments: list[str]) -> tuple[float, float, int]:
    """Train; return seconds to the first step, milliseconds of a later one, and the peak of memory in MiB.

    Pages of mapped files do not count as memory: the system drops them when memory is short.
    """
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", TIMED, *arguments], cwd=project, env=variables(), stdout=output, stderr=output
        )
        peak = 0
        while process.poll() is None:
            if match := re.search(r"RssAnon:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text()):
                peak = max(peak, int(match[1]))
            time.sleep(0.02)
        output.seek(0)
        printed = output.read()
    match = re.search(r"^measured (.*)$", printed, re.MULTILINE)
    if match is None:
        raise SystemExit(printed)
    steps = json.loads(match[1])
    return steps[0], statistics.median(after - before for before, after in pairwise(steps)) * 1e3, peak // 1024


def main() -> None:
    """Print the table."""
    project, source = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    print(f"{machine()}; seconds are of processors\n")
    print("| data | images | to the first step | a step | memory |\n|---|---|---|---|---|", flush=True)
    for times in map(int, sys.argv[3:] or TIMES):
        with tempfile.TemporaryDirectory() as folder:
            copy, raw = Path(folder) / "project", Path(folder) / "raw"
            subprocess.run(["git", "clone", "--quiet", project, copy], check=True)
            raw.mkdir()
            files = ",".join(f"{name}: {digest}" for name, digest in repeat(source, raw, times).items())
            (copy / "src" / "made.py").write_text(MADE.replace("BATCH", str(BATCH)))
            (copy / "configs" / "data" / "made.yaml").write_text("_target_: made.Made\nimages: 600\n")
            (copy / "configs" / "task" / "small.yaml").write_text("_target_: made.Small\n")
            epochs = -(
                -STEPS // (IMAGES * times * 3 // 4 // BATCH)
            )  # at least so many steps, where one epoch has fewer
            common = ["tracking=[none]", f"training.epochs={epochs}", f"+trainer.limit_train_batches={STEPS}"]
            stored = [
                "data=fashion_mnist",
                "~data.files",
                f"+data.files={{{files}}}",
                "data.name=repeated",
                "model=mlp",
            ]
            stored += [f"paths.raw={raw}", f"paths.processed={folder}/processed", f"training.batch_size={BATCH}"]
            ways = {
                "made, in memory": ["data=made", "task=small", f"data.images={IMAGES * times}"],
                "one file, memory-mapped": [*stored, "storage=one_file"],
                "shards": [*stored, "storage=shards"],
            }
            for name, way in ways.items():
                shutil.rmtree(Path(folder) / "processed", ignore_errors=True)
                first, step, memory = measured(copy, [*way, *common, "hydra.run.dir=outputs/measured"])
                shutil.rmtree(copy / "outputs")
                images = f"{IMAGES * times:,} ({times:,}x)"
                print(f"| {name} | {images} | {first:.1f} s | {step:.2f} ms | {memory} MiB |", flush=True)


if __name__ == "__main__":
    main()
