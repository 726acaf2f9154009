"""Mean and spread of the metrics of several runs, such as those of one sweep over folds or seeds."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from ..errors import RecordError
from ..names import HISTORY, HYDRA, RECORD
from ..runs.changes import Change
from ..runs.completed import CompletedRun
from ..runs.record import what_changed

_CHANCE = {"seed", "data.fold"}  # what the runs of one training may differ in


def spread(folders: Sequence[Path]) -> list[str]:
    """Return the lines of a table: what the runs differ in, and the spread of each metric that all of them have.

    Args:
        folders: runs, and folders that hold runs.

    Raises:
        RecordError: there are fewer than two runs, or one is not finished.
    """
    places = sorted({run.resolve(): run for folder in folders for run in _runs(folder)}.values())
    if len(places) < 2:
        raise RecordError(
            f"{', '.join(map(str, folders))} holds {'one run' if places else 'no run'}: name several runs, or the "
            "folder of a sweep, which python train.py -m makes"
        )
    runs = [CompletedRun.read(place, needs=(HISTORY,)) for place in places]
    differ = sorted({_name(change) for run in runs[1:] for change in what_changed(runs[0].record, run.record)})
    lines = [f"{len(runs)} runs, which differ in: {', '.join(differ) or 'nothing'}"]
    if others := [name for name in differ if name not in _CHANCE]:
        lines.append(f"warning: the spread is not due to chance alone, because of {', '.join(others)}")
    lines.append(f"{'metric':<24} {'mean':>10} {'std':>10} {'least':>10} {'most':>10}")
    metrics = [_metrics(run) for run in runs]
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
    runs = {path.parent for name in (RECORD, HYDRA) for path in folder.rglob(name)}
    for run in sorted(runs):
        if not (run / RECORD).exists():
            raise RecordError(f"{run} has no {RECORD}: start this run again, or name the others one by one")
    return runs


def _name(change: Change) -> str:
    return change.key.removeprefix("config.") if change.key.startswith("config.") else change.kind


def _metrics(run: CompletedRun) -> dict[str, float]:
    """Return the last validation metrics of a run, and those of its test."""
    last: dict[str, str] = next((row for row in reversed(run.epochs()) if row.get("val/loss")), {})
    validation = {name: float(value) for name, value in last.items() if name.startswith("val/")}
    tested = run.record["metrics"].items()
    return validation | {f"test/{name}": value for name, value in tested if isinstance(value, float)}
