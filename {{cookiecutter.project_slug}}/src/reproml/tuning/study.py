"""A study: a folder with Optuna's journal, that any number of processes work on, now or later.

The folder holds `journal.log`, the runs in `trials/`, and what `summary.py` writes. A trial belongs to the process that
holds the lock `trials/<number>.lock`. The system releases it however the process ends, so a trial that runs in the
journal without a lock was interrupted, and another process resumes its run, from its newest resume point.
"""

from dataclasses import asdict
from pathlib import Path

import optuna
from filelock import FileLock, Timeout
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ..config.schema import Search
from ..errors import ConfigError
from ..runs.code import code_digests, deciding_code, summed_up
from ..training.randomness import derive
from . import space

RUN = "run"  # a trial's attribute: the name of its run folder, which a resumed trial takes over
FAILURE = "failure"  # likewise: why its training failed


def open_study(folder: Path, search: Search, seed: int, overrides: list[str]) -> optuna.Study:
    """Return the study in a folder, which is made where there is none.

    Raises:
        ConfigError: it was begun with other settings, code or files that trials read.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    (folder / "trials").mkdir(parents=True, exist_ok=True)
    # what the results depend on; the number of trials may grow
    settings = {**asdict(search), "trials": None, "seed": seed, "overrides": sorted(overrides)}
    digests = {"configs": space.settings(overrides), "code": deciding_code(code_digests())}
    if read := space.files(overrides):  # studies of earlier versions know none
        digests["files"] = read
    settings |= {name: summed_up(parts)[:12] for name, parts in digests.items()}
    with FileLock(folder / ".lock"):
        study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(folder / "journal.log"))),
            study_name="study",
            direction=StudyDirection[search.direction.upper()],
            pruner=_pruner(search),
            load_if_exists=True,
        )
        begun = study.user_attrs.setdefault("settings", settings)
        if begun == settings:
            study.set_user_attr("settings", settings)
    for key, value in settings.items():
        if (before := begun.get(key)) != value:
            raise ConfigError(
                f"the study in {folder} was started with {key}={before}, not {value}: undo that, or choose another "
                "study with --study"
            )
    return study


def claim(study: optuna.Study, search: Search, seed: int, folder: Path) -> tuple[optuna.Trial, FileLock] | None:
    """Return a trial for this process, with the lock that makes it its own, or None where there are enough.

    An interrupted trial comes first. The sampler is seeded by the search's seed and the number of runs before, so one
    process alone repeats a search exactly, interruptions or not, and a restart does not repeat trials.
    """
    with FileLock(folder / ".lock"):
        for running in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            _give_back(study, running, folder)
        known = study.get_trials(deepcopy=False)
        waiting = any(each.state == TrialState.WAITING for each in known)
        runs = {each.user_attrs[RUN] for each in known if RUN in each.user_attrs}
        if not waiting and len(runs) >= search.trials:
            return None
        study.sampler = TPESampler(seed=derive(seed, "search", len(runs)) & 0xFFFFFFFF)
        trial = study.ask()
        space.suggest(trial, search.space)
        run = trial.user_attrs.get(RUN, f"{len(runs):04d}")
        lock = FileLock(folder / "trials" / f"{run}.lock")
        lock.acquire()
        trial.set_user_attr(RUN, run)
        return trial, lock


def _give_back(study: optuna.Study, trial: FrozenTrial, folder: Path) -> None:
    """Put an interrupted trial in the queue again, with its settings and its run."""
    run = trial.user_attrs.get(RUN)
    if run is not None:  # else the process ended before the training began
        try:
            with FileLock(folder / "trials" / f"{run}.lock", timeout=0):
                study.enqueue_trial(trial.params, user_attrs={RUN: run})
        except Timeout:
            return  # another process works on it
    study.tell(trial.number, state=TrialState.FAIL)


def _pruner(search: Search) -> BasePruner:
    return MedianPruner(n_startup_trials=search.startup_trials) if search.pruner == "median" else NopPruner()
