"""The statistical level: do the metrics agree within a stated interval, over several seeds?"""

from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from statistics import mean, stdev

from ..errors import RecordError
from ..runs import record
from ..runs.record import what_changed
from ..training.randomness import derive
from .headline import headline
from .rerun import checked_out, left_out, python_for, train_again
from .verify import DIFFERS, REPRODUCED, Verdict, finished


@dataclass(frozen=True)
class Sample:
    """The values of one metric over several seeds."""

    values: list[float]
    confidence: float = 0.95

    @property
    def mean(self) -> float:
        """The mean of the values."""
        return mean(self.values)

    @property
    def deviation(self) -> float:
        """The standard deviation of the values, with n - 1."""
        return stdev(self.values)

    @property
    def interval(self) -> tuple[float, float]:
        """The confidence interval of the mean, by Student's t distribution (Student, Biometrika 6, 1908)."""
        from scipy.stats import t

        half = float(t.ppf((1 + self.confidence) / 2, len(self.values) - 1)) * self.deviation / sqrt(len(self.values))
        return self.mean - half, self.mean + half


def verify_within(folder: Path, tolerance: float, metric: str | None, seeds: int, clean: bool = False) -> Verdict:
    """Train again with several other seeds, and compare the mean of a test metric with the recorded value.

    The recorded value is reproduced if it is within `tolerance` of the mean.

    Args:
        folder: of the run.
        tolerance: largest accepted distance, in the unit of the metric.
        metric: its name in the record; None: the headline of the test.
        seeds: number of trainings, 2 or more.
        clean: build a fresh environment from the recorded lock first.

    Raises:
        RecordError: it could not be verified.
    """
    before = finished(folder)
    metric, there = metric or headline(folder, before), ", ".join(before["metrics"]) or "none"
    if metric is None:
        raise RecordError(f"the test of {folder} names no headline: choose --metric=NAME; there are: {there}")
    if metric not in before["metrics"]:
        raise RecordError(f"--metric={metric} is not recorded; there are: {there}")
    if before["restored"] and before["restored"]["file"]:  # pretrained weights were split by nobody
        raise RecordError(
            f"{folder} is built on {before['restored']['run']}, whose splits another seed would mix: verify that run"
        )
    values, lines = [], left_out(before)
    with checked_out(before, folder) as project:
        python = python_for(project, clean)
        for number in range(seeds):
            seed = derive(before["seeds"]["seed"], "verification", number) % 2**31
            again = record.read(train_again(before, project, python, f"seed={seed}"))
            values.append(float(again["metrics"][metric]))
            lines.append(f"seed {seed}: {metric} {values[-1]:.6g}")
    lines += [f"differs: {change}" for change in what_changed(before, again) if change.kind != "seed"]
    sample, recorded = Sample(values), float(before["metrics"][metric])
    low, high = sample.interval
    distance = abs(recorded - sample.mean)
    line = (
        f"{metric} recorded {recorded:.6g}; over {seeds} seeds mean {sample.mean:.6g}, "
        f"deviation {sample.deviation:.2g}, 95 % confidence interval of the mean {low:.6g} to {high:.6g}; "
        f"distance {distance:.2g}, tolerance {tolerance:g}"
    )
    if distance <= tolerance:
        return Verdict(REPRODUCED, f"reproduced within the tolerance: {line}", lines)
    return Verdict(DIFFERS, f"differs: {line}", lines)
