"""Mean and spread of the metrics of several runs, such as those of one sweep over folds or seeds."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import RecordError
from ..names import HISTORY, RECORD
from ..runs.changes import Change
from ..runs.folder import BRING_BACK
from ..runs.integrity import finished
from ..runs.record import what_changed
from ..runs.tables import read_rows

_CHANCE = {"seed", "data.fold"}  # what the runs of one training may differ in


def spread(folders: Sequence[Path]) -> list[str]:
    """Return the lines of a table: what the runs differ in, and the spread of each metric that all of them have.

    Args:
        folders: runs, and folders that hold runs.

    Raises:
        RecordError: there are fewer than two runs, or one is not finished.
    """
    runs = sorted({run.resolve(): run for folder in folders for run in _runs(folder)}.values())
    if len(runs) < 2:
        raise RecordError(
            f"{', '.join(map(str, folders))} holds {len(runs)} run(s): name several runs, or the folder of a sweep, "
            "which python train.py -m makes"
        )
    records = [finished(run, needs=(HISTORY,)) for run in runs]
    differ = sorted({_name(change) for record in records[1:] for change in what_changed(records[0], record)})
    lines = [f"{len(runs)} runs, which differ in: {', '.join(differ) or 'nothing'}"]
    if others := [name for name in differ if name not in _CHANCE]:
        lines.append(f"warning: this is not the spread of chance alone, because of {', '.join(others)}")
    lines.append(f"{'metric':<24} {'mean':>10} {'std':>10} {'least':>10} {'most':>10}")
    metrics = [_metrics(run, record) for run, record in zip(runs, records, strict=True)]
    for name in metrics[0]:
        if all(name in found for found in metrics):
            values = [found[name] for found in metrics]
            numbers = (statistics.fmean(values), statistics.stdev(values), min(values), max(values))
            lines.append(f"{name:<24} " + " ".join(f"{number:>10.4f}" for number in numbers))
    return lines


def _runs(folder: Path) -> set[Path]:
    """Return the runs in a folder, or itself if it is one."""
    if (folder / RECORD).exists():
        return {folder}
    # a run that failed before its training has no record, but what Hydra left
    runs = {path.parent for name in (RECORD, ".hydra") for path in folder.rglob(name)}
    for run in sorted(runs):
        if not (run / RECORD).exists():
            raise RecordError(f"{run} has no {RECORD}: start this run anew, or name the others one by one")
    return runs


def _name(change: Change) -> str:
    return change.key.removeprefix("config.") if change.key.startswith("config.") else change.kind


def _metrics(run: Path, record: dict[str, Any]) -> dict[str, float]:
    """Return the last validation metrics of a run, and those of its test."""
    rows = read_rows(run / HISTORY, BRING_BACK)
    last: dict[str, str] = next((row for row in reversed(rows) if row.get("validation/loss")), {})
    validation = {name: float(value) for name, value in last.items() if name.startswith("validation/")}
    return validation | {f"test/{name}": value for name, value in record["metrics"].items() if isinstance(value, float)}
