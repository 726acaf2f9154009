"""Show that memory stays flat while the data grows: train one epoch on Fashion-MNIST, repeated 1, 10 and 50 times.

Run it with a generated project's environment, as root on Linux: `.venv/bin/python benchmarks/memory.py PROJECT FOLDER`,
where FOLDER holds the four files of Fashion-MNIST. Prints the Markdown table of the project's docs/data.md.
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

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")

LIMIT = 1 << 30  # bytes, for a process and the file pages that it maps


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


def peak_memory(project: Path, limit: Path, script: str, *overrides: str) -> int:
    """Run a script of the project under the limit, and return the most memory that its process held itself, in MiB.

    Pages of mapped files do not count: the system drops them when memory is short. The limit counts them too, so a
    script that needed the whole data at once would be killed.
    """
    command = ["sh", "-c", f'echo $$ > "{limit}/cgroup.procs" && exec "$@"', "sh", sys.executable, script, *overrides]
    process = subprocess.Popen(command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    peak = 0
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        if match := re.search(r"RssAnon:\s+(\d+) kB", status):
            peak = max(peak, int(match[1]))
        time.sleep(0.01)
    if process.returncode:
        assert process.stderr
        raise SystemExit(process.stderr.read() or f"{script} was killed")
    return peak // 1024


@contextmanager
def memory_limit(size: int) -> Iterator[Path]:
    """Yield a control group of Linux whose processes share `size` bytes. Needs root."""
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
    print("| data | examples | size of the arrays | preparing | training |\n|---|---|---|---|---|")
    for times in (1, 10, 50):
        with tempfile.TemporaryDirectory() as folder, memory_limit(LIMIT) as limit:
            raw = Path(folder) / "raw"
            raw.mkdir()
            files = ",".join(f"{name}: {digest}" for name, digest in repeat(source, raw, times).items())
            data = [
                "data=fashion_mnist",
                f"data.source={raw}",
                "~data.files",
                f"+data.files={{{files}}}",
                "data.name=repeated",
                f"paths.raw={folder}/data/raw",
                f"paths.processed={folder}/data/processed",
            ]
            preparing = peak_memory(project, limit, "prepare.py", *data)
            run = [
                f"hydra.run.dir={folder}/run",
                "tracking=none",
                "model=mlp",
                "training.batch_size=512",
                "training.epochs=1",
            ]
            training = peak_memory(project, limit, "train.py", *data, *run)
            size = sum(path.stat().st_size for path in Path(folder).glob("data/processed/*.npy"))
        examples = 60_000 * times + 10_000
        print(f"| {times}x | {examples:,} | {size / 1e6:,.0f} MB | {preparing} MiB | {training} MiB |", flush=True)


if __name__ == "__main__":
    main()
