"""The test of a model, read back from the files that write.py wrote. Nothing heavy is imported for it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import RecordError
from ..names import EVALUATION, FIGURES, METRICS, PREDICTIONS, TABLES
from ..runs.completed import CompletedRun
from ..runs.tables import read_rows


@dataclass(frozen=True)
class Metric:
    """A number, its 95 % confidence interval where one was computed, and whether a higher one is better if known."""

    name: str
    value: float | int
    interval: tuple[float, float] | None
    higher_is_better: bool | None = None


@dataclass(frozen=True)
class Table:
    """A table. Columns NAME_low and NAME_high are the confidence interval of the column NAME."""

    name: str
    title: str
    path: Path

    def rows(self) -> list[dict[str, str]]:
        """Return its rows, by column."""
        return _rows(self.path)


@dataclass(frozen=True)
class Picture:
    """A figure, as PNG."""

    name: str
    title: str
    path: Path


@dataclass(frozen=True)
class Written:
    """What the test of a model gave.

    Args:
        folder: where it was written.
        headline: the metric by which two models are compared.
        higher_is_better: whether a higher headline is.
        kind: what the model does, as the Hugging Face Hub calls it.
        examples: how many were tested.
        metrics: by name.
        tables: in their order.
        figures: in their order.
        predictions: a CSV file with a row for each test example; None where the task gives none.
    """

    folder: Path
    headline: str | None
    higher_is_better: bool
    kind: str | None
    examples: int | None
    metrics: dict[str, Metric]
    tables: list[Table]
    figures: list[Picture]
    predictions: Path | None

    def files(self) -> list[Path]:
        """Return all files of the test."""
        fixed = [self.folder / METRICS, self.folder / EVALUATION, *([self.predictions] if self.predictions else [])]
        return [*fixed, *(table.path for table in self.tables), *(figure.path for figure in self.figures)]

    def table(self, name: str) -> list[dict[str, str]]:
        """Return the rows of a table; none where there is no such table."""
        return next((table.rows() for table in self.tables if table.name == name), [])

    def predicted(self) -> list[dict[str, str]]:
        """Return the predictions, a row for each test example; none where the task gives none."""
        return _rows(self.predictions) if self.predictions else []


def evaluation_of(run: CompletedRun) -> Written | None:
    """Return the test of a finished run, or None where it is not here.

    Raises:
        RecordError: it is damaged, or not the one in the record.
    """
    place = run.test_folder()
    return None if place is None else read_evaluation(place)


def read_evaluation(folder: Path) -> Written | None:
    """Return the test that is written in a folder, or None where there is none.

    Raises:
        RecordError: it is damaged.
    """
    try:
        found = json.loads((folder / EVALUATION).read_text(encoding="utf-8"))
        predictions = folder / PREDICTIONS
        return Written(
            folder=folder,
            headline=found["headline"],
            higher_is_better=found["higher_is_better"],
            kind=found["kind"],
            examples=found["examples"],
            metrics={name: _metric(name, metric, found) for name, metric in found["metrics"].items()},
            tables=[Table(*_named(each, folder / TABLES, "csv")) for each in found["tables"]],
            figures=[Picture(*_named(each, folder / FIGURES, "png")) for each in found["figures"]],
            predictions=predictions if predictions.exists() and predictions.stat().st_size else None,
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(
            f"{folder / EVALUATION} is damaged: write it again with python evaluate.py run=<run> output={folder}"
        ) from error


def _metric(name: str, metric: dict[str, Any], found: dict[str, Any]) -> Metric:
    """Return a metric. An earlier version wrote a direction for the headline only."""
    higher = found["higher_is_better"] if name == found["headline"] else metric.get("higher_is_better")
    return Metric(name, metric["value"], tuple(metric["interval"]) if metric["interval"] else None, higher)


def _named(entry: dict[str, str], folder: Path, ending: str) -> tuple[str, str, Path]:
    """Return name, title and path of a table or a figure. Anybody may have written its name."""
    name = entry["name"]
    if Path(name).name != name:
        raise ValueError(f"{name} is not a name of a file")
    return name, entry["title"], folder / f"{name}.{ending}"


def _rows(path: Path) -> list[dict[str, str]]:
    return read_rows(path, f"python evaluate.py run=<run> output={path.parent} writes it again", words=None)
