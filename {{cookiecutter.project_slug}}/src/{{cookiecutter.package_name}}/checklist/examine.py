"""The whole checklist of a project and one of its runs."""

from pathlib import Path
from typing import Any

from ..errors import RecordError
from ..reproducibility import record
from ..runs import RECORD
from ..secrets import mask
from . import after, before, during, sharing
from .facts import Facts, UnreadableError
from .item import Check, Finding, Item, failed
from .mends import restore

_CHECKS = (*sharing.CHECKS, *before.CHECKS, *during.CHECKS, *after.CHECKS)


def examine(project: Path, run: Path | None) -> list[Item]:
    """Return every item of the checklist, with its status, the evidence, and the command that mends it.

    Args:
        project: folder of the project.
        run: folder of a finished run, relative to the project; None: there is none yet.

    Raises:
        RecordError: the run is not finished, or its record is damaged.
    """
    facts = Facts(project, run, None if run is None else record.read_finished(project / run))
    return [_item(check, _found(check, facts)) for check in _CHECKS]


def newest_finished(project: Path) -> Path | None:
    """Return the folder of the finished run that ended last, relative to the project; None: there is none."""
    ended = {}
    for path in [project / "models" / RECORD, *project.glob(f"outputs/**/{RECORD}")]:
        if (found := _finished(path.parent)) is not None:
            ended[path.parent.relative_to(project)] = found["sessions"][-1]["ended"]
    return max(ended, key=lambda folder: ended[folder], default=None)


def _finished(folder: Path) -> dict[str, Any] | None:
    try:
        return record.read_finished(folder)
    except RecordError:
        return None


def _found(check: Check, facts: Facts) -> Finding:
    try:
        return check.find(facts)
    except UnreadableError as error:
        return failed(str(error), restore(facts, error.path))


def _item(check: Check, finding: Finding) -> Item:
    return Item(check.section, check.name, finding.status, mask(finding.evidence), mask(finding.mend), check.required)
