"""The facts of a run that a reader wants, gathered from its folder."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ..checklist import ARCHIVED, REPORTED, Item, examine
from ..config.own import is_own
from ..errors import DataError
from ..names import CONFIG, HISTORY
from ..runs.folder import BRING_BACK, read_config, results_of
from ..runs.integrity import finished
from ..runs.tables import read_rows
from ..verify.verify import noted

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
        per_class: a row for each class: precision, recall, F1 and number of examples, as text.
        confusion: number of test examples, a row for each true class, a column for each predicted one.
        classes: names of the classes.
        confusion_picture: the same as PNG, where it was drawn.
        verification: what the last verification of this run said, or None.
        checklist: what the checklist says of the project and this run, but for report and archive, which this is for.
    """

    folder: Path
    record: dict[str, Any]
    config: str
    command: str
    repeat: list[str]
    history: list[dict[str, str]]
    per_class: list[dict[str, str]]
    confusion: list[list[int]]
    classes: list[str]
    confusion_picture: bytes | None
    verification: dict[str, Any] | None
    checklist: list[Item]

    @property
    def trained(self) -> str:
        """The name of the class that was trained: the network, or the task of the user's own."""
        config = self.record["config"]
        target: str = config["task" if is_own(config) else "model"]["_target_"]
        return target.rpartition(".")[2]

    @property
    def data(self) -> str:
        """The name of the data, and how many classes they have where they have some."""
        name, config = self.record["data"]["name"], self.record["config"]
        return name if is_own(config) else f"{name}: {len(config['data']['classes'])} classes"

    @property
    def lacks_tables(self) -> bool:
        """Whether the test made tables that are not here."""
        return not self.per_class and not is_own(self.record["config"])

    @property
    def seconds(self) -> float:
        """The time that all sessions of the training took together, s."""
        return sum(session["seconds"] or 0 for session in self.record["sessions"])


def collect(folder: Path, checked: bool = True) -> Facts:
    """Return the facts of the finished run in `folder`.

    Args:
        folder: of the run.
        checked: whether to go through the checklist as well.

    Raises:
        RecordError: there is no run, it is not finished, or its record is damaged.
    """
    found = finished(folder, needs=(CONFIG,), reads=(HISTORY,))
    tests = results_of(folder, found["metrics"])
    write = f"python evaluate.py run={folder} output={tests} writes it again"
    confusion = _table(tests, "confusion_matrix.csv", write, "actual")
    classes = [row["actual"] for row in confusion]
    picture = tests / "confusion_matrix.png" if tests else None
    return Facts(
        folder=folder,
        record=found,
        config=OmegaConf.to_yaml(read_config(str(folder))),
        command=_command(found["command"]),
        repeat=_repeat(folder, found),
        history=read_rows(folder / HISTORY, BRING_BACK, numbers=["epoch"]) if (folder / HISTORY).exists() else [],
        per_class=_table(tests, "per_class.csv", write, "class"),
        confusion=[[int(float(count)) for count in list(row.values())[1:]] for row in confusion],
        classes=classes,
        confusion_picture=picture.read_bytes() if picture and picture.exists() else None,
        verification=noted(folder),
        checklist=[item for item in examine(Path(), folder) if item.name not in _MADE_HERE] if checked else [],
    )


def _command(recorded: dict[str, Any]) -> str:
    config = [] if recorded["config"] == "config" else ["-cn", recorded["config"]]
    return shlex.join(["python", recorded["script"], *config, *recorded["overrides"]])


def _repeat(folder: Path, found: dict[str, Any]) -> list[str]:
    commit = found["git"]["commit"] if found["git"] else "<the commit of this code>"
    return [f"git checkout {commit}", "make setup", f"python -m reproml verify {shlex.quote(str(folder))}"]


def _table(tests: Path | None, name: str, fix: str, words: str) -> list[dict[str, str]]:
    """Return the rows of a table of the test, none where there is no file. The first column holds words."""
    if tests is None or not (tests / name).exists():
        return []
    rows = read_rows(tests / name, fix, [words])
    if any("" in row.values() for row in rows):
        raise DataError(f"{tests / name} is damaged (a value is missing): {fix}")
    return rows
