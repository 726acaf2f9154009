"""One process that works on a study: it trains trial after trial, each by a `train.py` of its own."""

import csv
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import optuna
from optuna.trial import TrialState

from ..config.schema import Search
from ..errors import ConfigError, TrainingError
from ..names import HISTORY, RECORD
from ..programs import stop
from ..runs.command import quoted
from ..runs.record import read
from .space import as_overrides
from .study import FAILURE, RUN, claim

_POLL = 0.2  # seconds between two looks at the metrics


def work(study: optuna.Study, search: Search, seed: int, overrides: list[str], folder: Path) -> None:
    """Train until the study has enough trials.

    Raises:
        TrainingError: a trial failed before any succeeded.
        ConfigError: the metric is not in metrics.csv.
    """
    while claimed := claim(study, search, seed, folder):
        trial, lock = claimed
        with lock:
            _try(study, trial, search, overrides, folder / "trials" / trial.user_attrs[RUN])


def _try(study: optuna.Study, trial: optuna.Trial, search: Search, overrides: list[str], run: Path) -> None:
    chosen = as_overrides(trial.params)
    print(f"{run}: {' '.join(chosen)}", flush=True)
    try:
        value = _train(trial, [*overrides, *chosen], run, search.metric)
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
        print(f"{run}: stopped early", flush=True)
    except TrainingError as error:
        succeeded = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        trial.set_user_attr(FAILURE, str(error))
        study.tell(trial, state=TrialState.FAIL)
        if not succeeded:
            raise
        print(f"{run}: {error}", flush=True)
    else:
        study.tell(trial, value)
        print(f"{run}: {search.metric} {value:.4f}", flush=True)


def _train(trial: optuna.Trial, settings: list[str], run: Path, metric: str) -> float:
    """Train, or resume what an interruption left, and return the metric of the last epoch.

    Raises:
        TrialPruned: the values so far are worse than those of other trials.
        TrainingError: the training failed.
        ConfigError: the metric is not in metrics.csv.
    """
    process = None
    held = _wait_for_training(run)
    if not (run / RECORD).exists() or read(run)["status"] != "finished":
        command = [sys.executable, "train.py", *settings, f"hydra.run.dir={quoted(run)}", "resume=auto"]
        # a trial is not the job that the search may be: it must not have that queued again when it is stopped
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
        with run.with_suffix(".log").open("ab") as output:
            process = subprocess.Popen(
                command, env=environment, stdout=output, stderr=subprocess.STDOUT, pass_fds=[held.fileno()]
            )
    held.close()
    reported: dict[int, float] = {}
    try:
        while True:
            ended = process is None or process.poll() is not None  # before the file is read for the last time
            for epoch, value in _values(run / HISTORY, metric).items():
                if epoch not in reported:
                    reported[epoch] = value
                    trial.report(value, epoch)
                    if trial.should_prune():
                        raise optuna.TrialPruned
            if ended:
                break
            time.sleep(_POLL)
    finally:
        if process is not None and process.poll() is None:
            stop(process)
    if process is not None and process.returncode:
        lines = run.with_suffix(".log").read_text(encoding="utf-8", errors="replace").splitlines()
        raise TrainingError(f"{run} failed: {lines[-1] if lines else 'it printed nothing'}")
    if not reported:
        raise ConfigError(f"search.metric={metric} has no value in {run}/metrics.csv: search for one that it has")
    return reported[max(reported)]


def _wait_for_training(run: Path) -> IO[bytes]:
    """Wait for a training whose search was killed, and return the file that the next one holds locked.

    The system keeps such a lock until the last process that was given the file has ended. The one inside the run folder
    is only taken when the training begins.
    """
    file = run.with_suffix(".training").open("ab")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def _values(path: Path, metric: str) -> dict[int, float]:
    """Return the metric of the epochs so far; epochs without validation have none."""
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = list(rows[-1]) if rows else []
    kind = metric.partition("/")[0]  # of a validation, all columns come together, but not in every epoch
    if metric not in names and any(name.startswith(f"{kind}/") for name in names):
        raise ConfigError(f"search.metric={metric} is not a column of metrics.csv (there are: {', '.join(names)})")
    return {int(row["epoch"]): float(row[metric]) for row in rows if row.get(metric)}
