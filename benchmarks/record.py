"""Show what record and trail cost: train on Fashion-MNIST with and without, in turn, and print seconds and the ratio.

Run it with a generated project's environment: `.venv/bin/python benchmarks/record.py PROJECT FOLDER`, where FOLDER
holds the four files of Fashion-MNIST. The network is the small 784-64-128-64-10, for which a step is cheapest and so
the trail dearest. Without the trail means `~callbacks.trail`; the record has no switch, so its own time is measured.
"""

import json
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

PAIRS, EPOCHS = 5, 4
# Times the two calls that make the record, inside a training that is otherwise the usual one.
TIMED = """
import runpy, sys, time
sys.path.insert(0, "src")
from {package}.reproducibility import session
spent = 0.0
def timed(function):
    def call(*arguments, **named):
        global spent
        started = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            spent += time.perf_counter() - started
    return call
session.begin, session.Session.finish = timed(session.begin), timed(session.Session.finish)
runpy.run_path("train.py", run_name="__main__")
print("record", spent)
"""


def train(project: Path, package: str, *overrides: str) -> tuple[float, float, Path]:
    """Return the seconds of the epochs after the first, those of making the record, and the run folder."""
    pins = {"PYTHONHASHSEED": "0", "CUBLAS_WORKSPACE_CONFIG": ":4096:8", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(Path.home()), **pins}
    shutil.rmtree(project / "outputs" / "timed", ignore_errors=True)
    script = project / "outputs" / "timed.py"
    script.parent.mkdir(exist_ok=True)
    script.write_text(f"import sys\nsys.argv[0] = 'train.py'\n{TIMED.format(package=package)}")
    command = [sys.executable, str(script), "experiment=fashion_mnist", "model=mlp", "tracking=[none]"]
    command += [f"training.epochs={EPOCHS}", "hydra.run.dir=outputs/timed", *overrides]
    result = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    if result.returncode:
        raise SystemExit(result.stderr)
    folder = project / "outputs" / "timed"
    epochs = [float(found) for found in re.findall(r"\(([\d.]+) s\)", (folder / "train.log").read_text())]
    match = re.search(r"^record ([\d.]+)$", result.stdout, re.MULTILINE)
    assert match
    return sum(epochs[1:]) / (EPOCHS - 1), float(match[1]), folder


def main() -> None:
    """Print one line for each pair, and the medians."""
    project, source = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    package = next(path.name for path in (project / "src").iterdir() if (path / "__main__.py").exists())
    data = f"data.source={source}"
    train(project, package, data)  # prepares the data, and warms the page cache
    ratios, records, epochs = [], [], []
    for number in range(PAIRS):
        order = [(), ("~callbacks.trail",)] if number % 2 else [("~callbacks.trail",), ()]
        seconds = {}
        for overrides in order:
            seconds[not overrides], record, folder = train(project, package, data, *overrides)
            records.append(record)
            if not overrides:
                sizes = {name: (folder / name).stat().st_size for name in ("run.json", "trail.jsonl")}
        ratios.append(seconds[True] / seconds[False])
        epochs.append(seconds[True])
        print(f"epoch with trail {seconds[True]:.3f} s, without {seconds[False]:.3f} s, ratio {ratios[-1]:.3f}")
    print(f"median ratio of an epoch with and without the trail: {statistics.median(ratios):.3f}")
    print(f"record, once for each run: {statistics.median(records):.2f} s; an epoch: {statistics.median(epochs):.2f} s")
    print(f"sizes in bytes after {EPOCHS} epochs: {json.dumps(sizes)}")


if __name__ == "__main__":
    main()
