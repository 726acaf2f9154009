"""What is written of a study: a table of its trials, and pictures."""

import csv
import io
import warnings
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import optuna
from optuna.trial import FrozenTrial, TrialState
from optuna.visualization import matplotlib as pictures

from ..errors import RecordError
from ..files import write_bytes, write_text
from ..tables import aligned, number
from .study import FAILURE, RUN


def others_at_work(study: optuna.Study) -> bool:
    """Whether no trial came to its end yet, and some are being trained."""
    states = {trial.state for trial in study.get_trials(deepcopy=False)}
    return TrialState.COMPLETE not in states and TrialState.RUNNING in states


def best_trial(study: optuna.Study, folder: Path) -> FrozenTrial:
    """Return the best of the trials that came to their end.

    Raises:
        RecordError: there is none yet.
    """
    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        raise RecordError(f"no trial in {folder} has finished yet: run the search first, or with more trials")
    return study.best_trial


def best_trials(study: optuna.Study, most: int = 10) -> list[str]:
    """Return the lines of a table of the trials that came to their end, the best first, but no more than `most`."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    sign = 1 if study.direction == optuna.study.StudyDirection.MINIMIZE else -1
    ordered = sorted(complete, key=lambda trial: sign * float(trial.value or 0))[:most]
    keys = sorted({key for trial in ordered for key in trial.params})
    rows = [
        [trial.user_attrs[RUN], number(trial.value), *(number(trial.params.get(key)) for key in keys)]
        for trial in ordered
    ]
    numeric = {1, *(place for place, key in enumerate(keys, 2) if all(_is_number(t.params.get(key)) for t in ordered))}
    return aligned([[RUN, "value", *keys], *rows], numeric)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def write_summary(study: optuna.Study, folder: Path) -> None:
    """Write `trials.csv`, and `history.png`, `values.png`, `settings.png` and `importance.png` where they can be drawn.

    Settings are those of all trials against the value; importance needs trials with different values.
    """
    trials = study.get_trials(deepcopy=False)
    keys = sorted({key for trial in trials for key in trial.params})
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow([RUN, "state", "epochs", "value", *keys, FAILURE])
    for trial in trials:
        if RUN in trial.user_attrs:
            told = [trial.user_attrs[RUN], trial.state.name.lower(), len(trial.intermediate_values), trial.value]
            writer.writerow([*told, *(trial.params.get(key) for key in keys), trial.user_attrs.get(FAILURE)])
    write_text(folder / "trials.csv", table.getvalue())
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    drawings: dict[str, Callable[[optuna.Study], object]] = {}
    if any(trial.intermediate_values for trial in trials):
        drawings["values"] = pictures.plot_intermediate_values
    if complete:
        drawings |= {"history": pictures.plot_optimization_history, "settings": pictures.plot_slice}
    if len({trial.value for trial in complete}) > 1:
        drawings["importance"] = pictures.plot_param_importances
    for name, draw in drawings.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Optuna says of each that it is experimental, Matplotlib what fits badly
            draw(study)
            picture = io.BytesIO()
            plt.gcf().savefig(picture, format="png", dpi=120, bbox_inches="tight")
        plt.close("all")
        write_bytes(folder / f"{name}.png", picture.getvalue())
