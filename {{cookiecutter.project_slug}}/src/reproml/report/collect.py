"""The facts of a run that a reader wants, gathered from its folder."""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ..checklist import ARCHIVED, REPORTED, Item, examine
from ..config.own import is_own
from ..evaluation.worst import worst_examples
from ..evaluation.written import Picture, Written, evaluation_of
from ..names import CONFIG, HISTORY
from ..runs.completed import CompletedRun
from ..runs.folder import read_config
from ..tables import Cell, TextTable, in_order, with_interval
from ..verify.verify import noted
from .pictures import pictures_of

_MADE_HERE = (ARCHIVED, REPORTED)


@dataclass(frozen=True)
class Facts:
    """A finished run in plain types.

    Args:
        folder: of the run, as it was named.
        record: its run.json.
        config: its config.yaml, as text.
        command: what it was started with.
        repeat: the commands that make it again and compare.
        history: a row for each epoch: column of metrics.csv -> value, as text.
        written: what the test wrote, None where that is not here.
        tables: of the test.
        figures: of the test.
        results: the folder of both, as seen from the report.
        verification: what the last verification of this run said, or None.
        checklist: what the checklist says of the project and this run, but for report and archive, which this is for.
        worst: the test examples that the model got most wrong, or None.
        pictures: of these examples, as PNG, one for each; none where they are no images, or the data is not here.
    """

    folder: Path
    record: dict[str, Any]
    config: str
    command: str
    repeat: list[str]
    history: list[dict[str, str]]
    written: Written | None
    tables: list[TextTable]
    figures: list[Picture]
    results: str
    verification: dict[str, Any] | None
    checklist: list[Item]
    worst: TextTable | None
    pictures: list[bytes]

    @property
    def trained(self) -> str:
        """The name of the class that was trained: the network, or the task of the user's own."""
        config = self.record["config"]
        target: str = config["task" if is_own(config) else "model"]["_target_"]
        return target.rpartition(".")[2]

    @property
    def metrics(self) -> dict[str, Cell]:
        """The metrics of the test for a reader, with their intervals where there are such; the headline first."""
        values, found = self.record["metrics"], self.written.metrics if self.written else {}
        names = in_order(values, self.written.headline if self.written else None)
        return {name: with_interval(values[name], found[name].interval if name in found else None) for name in names}

    @property
    def has_intervals(self) -> bool:
        """Whether the test has confidence intervals; the test of a training has none."""
        return any(cell.interval for cell in self.metrics.values())

    @property
    def lacks_tables(self) -> bool:
        """Whether the test is not here that the record has metrics of."""
        return self.written is None and bool(self.record["metrics"])

    @property
    def seconds(self) -> float:
        """The time that all sessions of the training took together, s."""
        return sum(session["seconds"] or 0 for session in self.record["sessions"])


def collect(folder: Path, alone: bool = True) -> Facts:
    """Return the facts of the finished run in `folder`.

    Args:
        folder: of the run.
        alone: whether it is looked at alone: with its checklist, and the worst examples of its test.

    Raises:
        RecordError: there is no run, it is not finished, or its record is damaged.
    """
    run = CompletedRun.read(folder, needs=(CONFIG,), reads=(HISTORY,))
    found, written = run.record, evaluation_of(run)
    worst = worst_examples(written) if written and alone else None
    return Facts(
        folder=folder,
        record=found,
        config=OmegaConf.to_yaml(read_config(str(folder))),
        command=_command(found["command"]),
        repeat=_repeat(folder, found),
        history=run.epochs() if (folder / HISTORY).exists() else [],
        written=written,
        tables=_tables(written) if written else [],
        figures=[figure for figure in written.figures if figure.path.exists()] if written else [],
        results=Path(os.path.relpath(written.folder, folder)).as_posix() if written else "",
        verification=noted(folder),
        checklist=[item for item in examine(Path(), folder) if item.name not in _MADE_HERE] if alone else [],
        worst=worst,
        pictures=pictures_of(run, [int(row[0]) for row in worst.rows]) if worst else [],
    )


def _command(recorded: dict[str, Any]) -> str:
    config = [] if recorded["config"] == "config" else ["-cn", recorded["config"]]
    return shlex.join(["python", recorded["script"], *config, *recorded["overrides"]])


def _repeat(folder: Path, found: dict[str, Any]) -> list[str]:
    commit = found["git"]["commit"] if found["git"] else "<the commit of this code>"
    return [f"git checkout {commit}", "make setup", f"python -m reproml verify {shlex.quote(str(folder))}"]


def _tables(written: Written) -> list[TextTable]:
    there = [table for table in written.tables if table.path.exists()]
    return [TextTable.of(table.name, table.title, rows) for table in there if (rows := table.rows())]
