"""Mean and spread of the metrics of several runs, such as those of one sweep over folds or seeds."""

import csv
import statistics
from pathlib import Path
from typing import Any

from ..errors import RecordError
from ..reproducibility.record import inputs, read_finished
from ..runs import RECORD


def spread(folder: Path) -> list[str]:
    """Return the lines of a table: what the runs below a folder differ in, and the spread of each metric.

    Raises:
        RecordError: there are fewer than two runs, or one is not finished.
    """
    runs = sorted(path.parent for path in folder.rglob(RECORD))
    if len(runs) < 2:
        raise RecordError(
            f"{folder} holds {len(runs)} run(s): name the folder of a sweep, python train.py -m makes one"
        )
    records = [read_finished(run) for run in runs]
    settings = [_flat(inputs(record)["config"]) for record in records]
    differ = sorted(key for key in set().union(*settings) if len({str(item.get(key)) for item in settings}) > 1)
    lines = [f"{len(runs)} runs, which differ in: {', '.join(differ) or 'nothing'}"]
    lines.append(f"{'metric':<24} {'mean':>10} {'std':>10} {'least':>10} {'most':>10}")
    metrics = [_metrics(run, record) for run, record in zip(runs, records, strict=True)]
    for name in metrics[0]:
        values = [found[name] for found in metrics if name in found]
        numbers = (statistics.fmean(values), statistics.stdev(values), min(values), max(values))
        lines.append(f"{name:<24} " + " ".join(f"{number:>10.4f}" for number in numbers))
    return lines


def _metrics(run: Path, record: dict[str, Any]) -> dict[str, float]:
    """Return the last validation metrics of a run, and those of its test."""
    with (run / "metrics.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    last: dict[str, str] = next((row for row in reversed(rows) if row.get("validation/loss")), {})
    validation = {name: float(value) for name, value in last.items() if name.startswith("validation/")}
    return validation | {f"test/{name}": value for name, value in record["metrics"].items() if isinstance(value, float)}


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in settings.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found
