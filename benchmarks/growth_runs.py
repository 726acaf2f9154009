"""Show what commands about runs take while the runs in outputs/ grow from 10 to 10,000, and the runs in MLflow's store.

Run it with a generated project's environment: `.venv/bin/python benchmarks/growth_runs.py PROJECT [COUNT ...]`, where
PROJECT is committed to git. 10,000 runs need 2 GB in TMPDIR. One run is trained, tracked by MLflow; the others are
copies of its folder, and of its rows in the store, with another time, id, setting and result, and one in ten is
interrupted. Their large files are links to its own. Prints seconds of processors, which hardly change with what else
the machine does, and the time by the clock.
"""

import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from printed import machine, print_by_count
from project import package_of, variables

COUNTS = (10, 100, 1_000, 10_000)
LARGE = {"model.safetensors", "trace.jsonl", "last.ckpt"}
TRAIN = ("train.py", "experiment=canonical", "training.epochs=1")
LAST = datetime.now(UTC).replace(microsecond=0)


class Project:
    """A copy of a project with only what its commands need, and one run of its own.

    Args:
        source: the generated project.
        folder: that it is copied to.
    """

    def __init__(self, source: Path, folder: Path) -> None:
        self.folder, self.package = folder, package_of(source)
        subprocess.run(["git", "clone", "--quiet", source, folder], check=True)
        self.environment = variables()
        self.train("first")
        self.first = folder / "outputs" / "first"
        self.record = json.loads((self.first / "run.json").read_text())

    def python(self, *arguments: str) -> tuple[float, float]:
        """Run Python, which answers no question, and return its seconds of processors and by the clock."""
        before, started = _used(), time.perf_counter()
        result = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )  # fmt: skip
        if "Traceback" in result.stderr:
            raise SystemExit(f"{' '.join(arguments)}\n{result.stdout}\n{result.stderr}")
        return _used() - before, time.perf_counter() - started

    def train(self, name: str) -> tuple[float, float]:
        """Train in outputs/NAME, and return the seconds."""
        return self.python(*TRAIN, f"hydra.run.dir=outputs/{name}")

    def copy(self, number: int) -> None:
        """Make the run with a number: a minute older than the one before it."""
        began = LAST - timedelta(minutes=number)
        place = self.folder / "outputs" / f"{began:%Y-%m-%d}" / f"{began:%H-%M-%S}-{number:06x}"
        shutil.copytree(self.first, place, copy_function=_linked)
        record: dict[str, Any] = json.loads((place / "run.json").read_text())
        record["sessions"][-1] |= {"started": began.isoformat(), "ended": (began + timedelta(seconds=9)).isoformat()}
        record["config"]["seed"] = number
        record["config"]["paths"]["run"] = str(place.relative_to(self.folder))
        record["command"]["overrides"] = [f"seed={number}"]
        record["metrics"]["accuracy"] = 1 - 1 / (2 + number % 97)
        if number % 10 == 9:
            record |= {"status": "running", "metrics": None}
            shutil.rmtree(place / "test")
        (place / "run.json").write_text(json.dumps(record, indent=2))
        os.utime(place / "run.json", 2 * ((began + timedelta(seconds=9)).timestamp(),))


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _linked(source: str, target: str) -> None:
    if Path(source).name in LARGE:
        os.link(source, target)
    else:
        shutil.copyfile(source, target)


def fill_store(path: Path, first: str, count: int) -> None:
    """Copy the rows of a run in MLflow's database until there are so many runs, each with its own id."""
    with closing(sqlite3.connect(path)) as database:
        there = database.execute("SELECT count(*) FROM runs").fetchone()[0]
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            columns = [each[1] for each in database.execute(f"PRAGMA table_info({table})")]
            if "run_uuid" not in columns or table.startswith("sqlite_"):
                continue
            named = ", ".join(f'"{column}"' for column in columns)
            own = ", ".join("?" if column == "run_uuid" else f'"{column}"' for column in columns)
            ids = ((f"{number:032x}", first) for number in range(there, count))
            database.executemany(f"INSERT INTO {table} ({named}) SELECT {own} FROM {table} WHERE run_uuid = ?", ids)
        database.commit()


def main() -> None:
    """Print the table."""
    counts = [int(each) for each in sys.argv[2:]] or COUNTS
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(sys.argv[1]).resolve(), Path(folder) / "project")
        about, name = ("-m", "reproml"), "from reproml.catalog.find import find_run; find_run"
        newest = "from reproml.runs.folder import Status, newest; newest(Status.FINISHED)"
        commands = {
            "`runs`": (*about, "runs"),
            "`runs --sort loss`": (*about, "runs", "--sort", "loss"),
            "the name `last`": ("-c", f"{name}('last')"),
            "the name `best`": ("-c", f"{name}('best')"),
            "the beginning of a name": ("-c", f"{name}('{1:06x}')"),
            "the newest finished run, for a hint": ("-c", newest),
            "`clean --failed`, up to the question": (*about, "clean", "--failed"),
            "`clean --keep-last 5`, up to the question": (*about, "clean", "--keep-last", "5"),
            "`dvc status`": ("-m", "dvc", "status", "--quiet"),
        }
        tracking = json.loads((project.first / "tracking.json").read_text())
        run_id = next(iter(tracking.values()))["mlflow"]
        found: dict[str, list[str]] = {name: [] for name in [*commands, "a training, tracked by MLflow"]}
        made = 1  # the first
        for count in counts:
            for number in range(made, count):
                project.copy(number)
            made = count
            fill_store(project.folder / "mlflow.db", run_id, count)
            project.python(*about, "runs")  # reads from disk what later calls find in memory
            for name, command in commands.items():
                found[name].append("{:.1f} ({:.1f})".format(*project.python(*command)))
            seconds = project.train(f"of{count}")
            found["a training, tracked by MLflow"].append("{:.1f} ({:.1f})".format(*seconds))
            shutil.rmtree(project.folder / "outputs" / f"of{count}")
            print(f"{count} runs: done", file=sys.stderr, flush=True)
    print(f"{machine()}; seconds of processors (by the clock)\n")
    print_by_count("runs in outputs/", counts, found)


if __name__ == "__main__":
    main()
