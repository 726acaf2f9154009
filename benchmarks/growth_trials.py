"""Show what a search takes while its trials grow from 10 to 1,000: opening the study, the next trial, the summary.

Run it with a generated project's environment: `.venv/bin/python benchmarks/growth_trials.py PROJECT [COUNT ...]`. The
study is that of sweep=search, in Optuna's real journal, with the project's own claims, reports and pruner; only the
trainings are left out: a trial reports a formula's value after each of 30 epochs. Prints seconds of processors, which
hardly change with what else the machine does.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from printed import machine, print_by_count

COUNTS = (10, 100, 1_000)
EPOCHS, LAST = 30, 10  # the median of the last trials is shown


def seconds(task: Callable[[], object]) -> float:
    """Return the seconds of processors that a task takes, its threads included."""
    before = time.process_time()
    task()
    return time.process_time() - before


def measured(folder: Path, counts: list[int]) -> dict[str, list[float]]:
    """Let a study grow, and return what each part takes at each number of trials."""
    import optuna
    from reproml.tuning.space import read
    from reproml.tuning.study import claim, open_study
    from reproml.tuning.summary import write_summary

    search, seed, shared = read(["sweep=search", f"search.trials={max(counts)}"])
    study = open_study(folder, search, seed, shared)
    parts: dict[str, list[float]] = {"the next trial": [], "an epoch's report": [], "the end of a trial": []}
    found: dict[str, list[float]] = {name: [] for name in ("opening the study", *parts, "the summary", "journal, MB")}
    for number in range(1, max(counts) + 1):
        claimed: list[Any] = []
        parts["the next trial"].append(seconds(lambda: claimed.append(claim(study, search, seed, folder))))  # noqa: B023
        trial, lock = claimed[0]
        least = abs(trial.params["training.lr"] - 0.01) + trial.params["model.dropout"]

        def report(epoch: int, value: float, trial: optuna.Trial = trial) -> bool:
            trial.report(value, epoch)
            return trial.should_prune()

        state, times = optuna.trial.TrialState.COMPLETE, []
        for epoch in range(EPOCHS):
            pruned: list[bool] = []
            times.append(seconds(lambda: pruned.append(report(epoch, least + 1 / (1 + epoch)))))  # noqa: B023
            if pruned[0]:
                state = optuna.trial.TrialState.PRUNED
                break
        parts["an epoch's report"].append(statistics.median(times))
        value = least + 1 / EPOCHS if state == optuna.trial.TrialState.COMPLETE else None
        parts["the end of a trial"].append(seconds(lambda: study.tell(trial, value, state)))  # noqa: B023
        lock.release()
        if number in counts:
            for name, times in parts.items():
                found[name].append(statistics.median(times[-LAST:]))
            found["opening the study"].append(seconds(lambda: open_study(folder, search, seed, shared)))
            found["the summary"].append(seconds(lambda: write_summary(study, folder)))
            found["journal, MB"].append((folder / "journal.log").stat().st_size / 1e6)
            print(f"{number} trials: done", file=sys.stderr, flush=True)
    return found


def main() -> None:
    """Print the table."""
    counts = sorted(map(int, sys.argv[2:] or COUNTS))
    os.chdir(sys.argv[1])
    sys.path.insert(0, "src")
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder), counts)
    print(f"{machine()}; seconds of processors\n")
    print_by_count("trials", counts, {name: [f"{value:.3f}" for value in values] for name, values in found.items()})


if __name__ == "__main__":
    main()
