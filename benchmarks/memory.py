"""Show that memory and time per image stay flat while the data grows: Fashion-MNIST, repeated 1, 10 and 100 times.

Run it with a generated project's environment, as root on Linux: `.venv/bin/python benchmarks/memory.py PROJECT FOLDER`,
where FOLDER holds the four files of Fashion-MNIST; TMPDIR needs 16 GB. Prints the table of the project's
docs/streaming.md.
"""

import gzip
import hashlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from printed import machine

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")

LIMIT = 1 << 30  # bytes, for a process and the file pages it maps
SHARDS = ["data.shard_bytes=67108864"]
WINDOW = [*SHARDS, "data.window=2"]
WAYS = {
    "all examples shuffled": SHARDS,
    "`data.window=2`": WINDOW,
    "`data.window=2 data.storage=arrow`": [*WINDOW, "data.storage=arrow"],
}
TRAINED = ["model=mlp", "training.batch_size=512", "training.epochs=1", "tracking=none"]
# Enough for every order to reach new shards many times: 400,000 images, or one epoch if it has fewer.
BATCHES = 780
READ = """
import sys, time
sys.path.insert(0, "src")
from hydra import compose, initialize_config_dir
from pathlib import Path
import reproml.recipe  # its names in configs/
from reproml.config.check import check
from reproml.arrays.datamodule import ArrayDataModule
with initialize_config_dir(str(Path("configs").resolve()), version_base="1.3"):
    data = ArrayDataModule(check(compose("config", sys.argv[1:])))
data.statistics()  # as train.py does: packages are imported and files opened
begun, images = time.perf_counter(), 0
for number, (inputs, _) in enumerate(data.train_dataloader()):
    images += len(inputs)
    if number + 1 == {batches}:
        break
print((time.perf_counter() - begun) / images * 1e6)
"""


def repeat(source: Path, target: Path, times: int) -> dict[str, str]:
    """Write the files with the training examples repeated, and return the SHA-256 of each."""
    digests = {}
    for name in FILES:
        content = gzip.decompress((source / f"{name}.gz").read_bytes())
        copies = times if name.startswith("train") else 1
        head = 16 if "images" in name else 8
        count = int.from_bytes(content[4:8], "big") * copies
        digest = hashlib.sha256()
        with (target / name).open("wb") as file:
            for part in (content[:4] + count.to_bytes(4, "big") + content[8:head], *[content[head:]] * copies):
                file.write(part)
                digest.update(part)
        digests[name] = digest.hexdigest()
    return digests


def measured(project: Path, limit: Path, *arguments: str) -> tuple[int, str]:
    """Run Python in the project under the limit.

    Returns the peak memory of its process, in MiB, and its output.

    Pages of mapped files do not count: the system drops them when memory is short. The limit counts them too, so a
    script that needed the whole data at once would be killed.
    """
    command = ["sh", "-c", f'echo $$ > "{limit}/cgroup.procs" && exec "$@"', "sh", sys.executable, *arguments]
    process = subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak = 0
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        if match := re.search(r"RssAnon:\s+(\d+) kB", status):
            peak = max(peak, int(match[1]))
        time.sleep(0.01)
    if process.returncode:
        assert process.stderr
        raise SystemExit(process.stderr.read() or f"{arguments[0]} was killed")
    assert process.stdout
    return peak // 1024, process.stdout.read()


@contextmanager
def memory_limit(size: int) -> Iterator[Path]:
    """Yield a Linux control group that limits its processes to `size` bytes together. Needs root."""
    first_version = Path("/sys/fs/cgroup/memory")
    group = (first_version if first_version.exists() else Path("/sys/fs/cgroup")) / "memory-benchmark"
    group.mkdir()
    try:
        (group / ("memory.limit_in_bytes" if first_version.exists() else "memory.max")).write_text(str(size))
        yield group
    finally:
        group.rmdir()


def main() -> None:
    """Print the table."""
    project, source = Path(sys.argv[1]), Path(sys.argv[2])
    read = READ.format(batches=BATCHES)
    print(f"{machine()}\n")
    print("| order | data | arrays | preparing | training | reading an image |\n|---|---|---|---|---|---|")
    for times in (1, 10, 100):
        with tempfile.TemporaryDirectory() as folder, memory_limit(LIMIT) as limit:
            raw = Path(folder) / "raw"
            raw.mkdir()
            files = ",".join(f"{name}: {digest}" for name, digest in repeat(source, raw, times).items())
            data = [
                "data=fashion_mnist",
                "~data.files",
                f"+data.files={{{files}}}",
                "data.name=repeated",
                f"paths.raw={raw}",
                f"paths.processed={folder}/processed",
            ]
            for number, (title, way) in enumerate(WAYS.items()):
                preparing, _ = measured(project, limit, "prepare.py", *data, *way)
                _, microseconds = measured(project, limit, "-c", read, *data, *way, *TRAINED)
                few = [f"+trainer.limit_train_batches={BATCHES}", "+trainer.limit_val_batches=100"]
                training, _ = measured(
                    project, limit, "train.py", *data, *way, *TRAINED, *few, f"hydra.run.dir={folder}/run{number}"
                )
                size = sum(path.stat().st_size for path in Path(folder).glob("processed/inputs*"))
                print(
                    f"| {title} | {times}x | {size / 1e6:,.0f} MB | {preparing} MiB | {training} MiB "
                    f"| {float(microseconds):.1f} \u00b5s |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
