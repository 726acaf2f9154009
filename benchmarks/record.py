"""Show what record and step trace cost: train on Fashion-MNIST, and measure the time they take.

Run it with a generated project's environment: `.venv/bin/python benchmarks/record.py PROJECT FOLDER`, where FOLDER
holds the four files of Fashion-MNIST. The network is the small 784-64-128-64-10, with the cheapest steps and so
the relatively most expensive step trace; `model=cnn` after FOLDER measures another. The share is measured inside each
run, because whole trainings differ by more than 2 % from one run to the next anyway.
"""

import json
import re
import statistics
import sys
from pathlib import Path

from project import Project

RUNS = 5
# Times everything that makes the record and the step trace, inside an otherwise normal training.
TIMED = """
import runpy, sys, time
sys.argv[0] = "train.py"
sys.path.insert(0, "src")
from reproml.training import session, step_trace
spent = dict(record=0.0, trace=0.0)
def timed(owner, name, part):
    function = getattr(owner, name)
    def call(*arguments, **named):
        started = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            spent[part] += time.perf_counter() - started
    setattr(owner, name, call)
timed(session, "begin", "record")
timed(session.Session, "finish", "record")
for hook in ("on_train_start", "on_train_batch_end", "on_train_end", "on_save_checkpoint"):
    timed(step_trace.StepTrace, hook, "trace")
started = time.perf_counter()
runpy.run_path("train.py", run_name="__main__")
print("seconds", spent["record"], spent["trace"], time.perf_counter() - started)
"""


def train(project: Project, *overrides: str) -> list[float]:
    """Return the seconds spent on the record, on the step trace, and on the whole training."""
    printed = project.train(["-c", TIMED], *overrides)
    match = re.search(r"^seconds (.*)$", printed, re.MULTILINE)
    assert match
    return [float(number) for number in match[1].split()]


def main() -> None:
    """Print one line for each run, and the median."""
    project = Project(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
    model = sys.argv[3] if len(sys.argv) > 3 else "model=mlp"
    train(project, model, "training.epochs=1")  # prepares the data
    shares = []
    for _ in range(RUNS):
        record, trace, whole = train(project, model)
        shares.append((record + trace) / (whole - record - trace))
        print(
            f"record {record:.2f} s and step trace {trace:.3f} s in {whole:.1f} s: {100 * shares[-1]:.2f} % of the rest"
        )
    print(f"median: {100 * statistics.median(shares):.2f} %")
    sizes = {name: (project.run / name).stat().st_size for name in ("run.json", "changes.patch", "trace.jsonl")}
    print(f"bytes: {json.dumps(sizes)}")


if __name__ == "__main__":
    main()
