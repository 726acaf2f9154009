"""Writes the test of a model into files, which written.py reads back."""

import logging
from math import isclose
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch.utilities import rank_zero_only

from ..files import write_bytes, write_json, write_text
from ..names import EVALUATION, FIGURES, METRICS, PREDICTIONS, TABLES
from ..runs.tables import as_csv
from ..tables import in_order, number
from ..training.randomness import derive
from .evaluation import Evaluation, Interval, Intervals, Rows
from .figures import as_png, learning_curves
from .intervals import mean_interval

log = logging.getLogger(__name__)

_CURVES = "learning_curves"


@rank_zero_only
def write_evaluation(evaluation: Evaluation, history: Path, folder: Path, seed: int | None = None) -> None:
    """Write metrics, tables, figures and predictions.

    Args:
        evaluation: of the test.
        history: the `metrics.csv` of the training, for the learning curves.
        folder: where the files go. What another test has left there is removed.
        seed: of the run: what is drawn for confidence intervals derives from it. None: they are left out, because they
            can take seconds.
    """
    intervals = Intervals() if seed is None else _intervals(evaluation, derive(seed, "bootstrap"))
    tables = {name: rows for name, rows in {**evaluation.tables, **intervals.tables}.items() if rows}
    figures = {**evaluation.figures}
    if _CURVES not in figures and (drawn := learning_curves(history)):
        figures[_CURVES] = drawn
    _replace(folder / TABLES, {f"{name}.csv": _as_csv(rows).encode() for name, rows in tables.items()})
    _replace(folder / FIGURES, {f"{name}.png": as_png(figure) for name, figure in figures.items()})
    # an empty file where there are none, since a stage of DVC has to write what it declares
    write_text(folder / PREDICTIONS, _as_csv(evaluation.predictions) if evaluation.predictions else "")
    write_json(
        folder / EVALUATION,
        {
            "headline": evaluation.headline,
            "higher_is_better": evaluation.higher_is_better is not False,  # of the headline
            "kind": evaluation.kind,
            "examples": evaluation.examples,
            "metrics": {
                name: {
                    "value": value,
                    "interval": intervals.metrics.get(name),
                    "higher_is_better": evaluation.directions.get(name),
                }
                for name, value in evaluation.metrics.items()
            },
            "tables": [{"name": name, "title": _title(name)} for name in tables],
            "figures": [{"name": name, "title": _title(name)} for name in figures],
        },
    )
    write_json(folder / METRICS, evaluation.recorded())  # last: by these a record knows its test


def in_words(evaluation: Evaluation) -> str:
    """Return the metrics of a test in one line, the headline first."""
    names = in_order(evaluation.metrics, evaluation.headline)
    shown = ", ".join(f"{name} {number(evaluation.metrics[name])}" for name in names)
    of = "" if evaluation.examples is None else f" ({evaluation.examples} examples)"
    return f"{shown or 'nothing logged'}{of}"


def _intervals(evaluation: Evaluation, seed: int) -> Intervals:
    """Return the intervals of the task, and those of the other metrics that have a value for each example."""
    better = evaluation.intervals(seed) if evaluation.intervals else Intervals()
    found: dict[str, Interval | None] = {}
    for name in evaluation.per_example.keys() - better.metrics.keys():
        values, metric = np.asarray(evaluation.per_example[name], np.float64), evaluation.metrics[name]
        if isclose(values.mean(), metric, rel_tol=1e-5, abs_tol=1e-8):
            found[name] = mean_interval(values, seed)
        else:
            log.warning("%s is %s, but not the mean of its values per example: it gets no interval", name, metric)
    return Intervals({**found, **better.metrics}, better.tables)


def _replace(folder: Path, files: dict[str, bytes]) -> None:
    """Have a folder hold these files, and no others."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_bytes(folder / name, content)
    for path in folder.iterdir():
        if path.is_file() and path.name not in files:
            path.unlink()


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _as_csv(rows: Rows) -> str:
    return as_csv([{name: _plain(value) for name, value in row.items()} for row in rows])


def _plain(value: Any) -> Any:
    """Return a number without the array or tensor around it."""
    return value.item() if hasattr(value, "item") else value
