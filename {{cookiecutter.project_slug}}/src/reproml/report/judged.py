"""Two runs by their metrics: which one is better, as far as anybody can say."""

from dataclasses import dataclass
from math import isnan

from ..evaluation.directions import higher_is_better
from ..tables import Cell
from .collect import Facts


@dataclass(frozen=True)
class Judged:
    """One metric of two runs.

    Args:
        name: of the metric.
        cells: its value in the first and in the second run; None where a run does not have it.
        change: second minus first, as text; empty where one is missing.
        verdict: "better", "worse" or "equal", of the second run; empty where nobody said which direction is better.
        overlap: whether the intervals of both overlap, so that chance alone may explain the difference.
    """

    name: str
    cells: tuple[Cell | None, Cell | None]
    change: str
    verdict: str
    overlap: bool


def judge(first: Facts, second: Facts) -> list[Judged]:
    """Return each metric that one of two runs has, the headline first."""
    return [_judged(name, first, second) for name in first.metrics | second.metrics]


def _judged(name: str, first: Facts, second: Facts) -> Judged:
    cells = (first.metrics.get(name), second.metrics.get(name))
    if None in cells:
        return Judged(name, cells, "", "", overlap=False)
    difference = second.record["metrics"][name] - first.record["metrics"][name]
    higher = _higher_is_better(name, first, second)
    verdict = "" if higher is None or isnan(difference) else "better" if (difference > 0) == higher else "worse"
    if verdict and not difference:
        verdict = "equal"
    return Judged(name, cells, f"{difference:+.4g}", verdict, _overlap(name, first, second))


def _higher_is_better(name: str, *runs: Facts) -> bool | None:
    """Return what the first run says that says anything."""
    said = (higher_is_better(name, run.written, run.record["config"]) for run in runs if run.written)
    return next((higher for higher in said if higher is not None), None)


def _overlap(name: str, *runs: Facts) -> bool:
    found = [run.written.metrics[name].interval for run in runs if run.written and name in run.written.metrics]
    intervals = [interval for interval in found if interval]
    return len(intervals) == len(runs) and max(low for low, _ in intervals) <= min(high for _, high in intervals)
