"""What the test of a model gives: numbers, tables, figures and predictions."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from matplotlib.figure import Figure

Rows = Sequence[Mapping[str, Any]]  # of a table, all with the same columns
Interval = tuple[float, float]
_NAME = re.compile(r"\w[\w.-]*")
OF_EXAMPLES = "examples"  # the number of test examples, as metrics.json calls it


@dataclass(frozen=True)
class Intervals:
    """95 % confidence intervals that a task computes itself, where those of `Evaluation.per_example` are not the best.

    Args:
        metrics: of a metric; None if there is none.
        tables: tables with the columns NAME_low and NAME_high beside NAME, instead of those without.

    Example: `Intervals({"dice": (0.71, 0.78), "loss": None})`, from the function that `Evaluation.intervals` is
    """

    metrics: Mapping[str, Interval | None] = field(default_factory=dict)
    tables: Mapping[str, Rows] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """The test of a model. A task returns it from its method `evaluation`, which is called after the test.

    metrics.json, evaluation.json, a CSV file for each table and a PNG file for each figure are written from it; cards,
    report, comparison, drift and trackers read those.

    Args:
        metrics: by name. What the task logs in `test_step` is added.
        headline: the metric by which two models are compared; None: there is no such metric.
        higher_is_better: whether a higher headline is; None: as the metric of torchmetrics says by which the task logs
            it, or else yes.
        directions: by the name of another metric the same, where no metric of torchmetrics says it.
        kind: what the model does, as the Hugging Face Hub calls it: `image-classification`, `tabular-regression`, ...
        examples: how many were tested.
        tables: by name. One without rows is not written.
        figures: of matplotlib, by name.
        predictions: a row for each test example.
        per_example: by the name of a metric the value of each example (n,), whose mean the metric is. evaluate.py draws
            them again for an interval.
        intervals: returns better intervals; it is given a seed for what it draws.

    Example, of a task that measures how far off it is:

        def evaluation(self) -> Evaluation:
            errors = torch.cat(self.errors).abs()
            return Evaluation({"mae": errors.mean().item()}, "mae", higher_is_better=False, per_example={"mae": errors})
    """

    metrics: Mapping[str, float | int]
    headline: str | None = None
    higher_is_better: bool | None = None
    kind: str | None = None
    examples: int | None = None
    tables: Mapping[str, Rows] = field(default_factory=dict)
    figures: Mapping[str, "Figure"] = field(default_factory=dict)
    predictions: Rows | None = None
    per_example: Mapping[str, "np.ndarray | torch.Tensor | Sequence[float]"] = field(default_factory=dict)
    intervals: Callable[[int], Intervals] | None = None
    directions: Mapping[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what cannot be written.

        Raises:
            ConfigError: the headline is not a metric, or a name cannot be that of a file.
        """
        if self.headline is not None and self.headline not in self.metrics:
            raise ConfigError(
                f"an evaluation has the headline {self.headline}, which is not one of its metrics: "
                f"{', '.join(self.metrics) or 'there are none'}"
            )
        for kind, named in (("table", self.tables), ("figure", self.figures)):
            for name in named:
                if not _NAME.fullmatch(name):
                    raise ConfigError(
                        f"an evaluation has a {kind} called {name!r}, which names a file: use letters, digits, "
                        "hyphens, dots and underscores only"
                    )
        for name in self.per_example:
            if name not in self.metrics:
                raise ConfigError(f"an evaluation has values per example for {name}, which is not one of its metrics")

    def recorded(self) -> dict[str, float | int]:
        """Return the metrics as metrics.json and the record of a run have them: with the number of examples."""
        return {**self.metrics, **({} if self.examples is None else {OF_EXAMPLES: self.examples})}
