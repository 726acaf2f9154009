"""The whole checklist of a project and one of its runs."""

from pathlib import Path

from ..names import MODELS, PIPELINE, RECORD
from ..runs import record
from ..secrets import mask
from . import after, before, during, sharing
from .facts import Facts, UnreadableError
from .fixes import restore
from .item import Check, Finding, Item, failed

_CHECKS = (*sharing.CHECKS, *before.CHECKS, *during.CHECKS, *after.CHECKS)


def examine(project: Path, run: Path | None) -> list[Item]:
    """Return every item of the checklist, with its status, the evidence, and the command that fixes it.

    Args:
        project: folder of the project.
        run: folder of a finished run, relative to the project; None: there is none yet.

    Raises:
        RecordError: the run is not finished, or its record is damaged.
    """
    facts = Facts(project, run, None if run is None else record.read_finished(project / run))
    return [_item(check, _found(check, facts)) for check in _CHECKS]


def pipeline_run(project: Path) -> Path | None:
    """Return the folder of the pipeline's finished run, relative to the project; None: there is none.

    It is the run that a release is about. Trials, folds, debug runs and all others in outputs/ are only examined where
    they are named, however new they are.

    Raises:
        RecordError: its record is damaged.
    """
    if not (project / MODELS / RECORD).exists():
        return None
    found = record.read(project / MODELS)
    return MODELS if found["status"] == "finished" and found["command"]["config"] == PIPELINE else None


def _found(check: Check, facts: Facts) -> Finding:
    try:
        return check.find(facts)
    except UnreadableError as error:
        return failed(str(error), restore(facts, error.path))


def _item(check: Check, finding: Finding) -> Item:
    evidence, fix = mask(finding.evidence), mask(finding.fix)
    return Item(check.section, check.name, finding.status, evidence, fix, check.required, finding.pending)
