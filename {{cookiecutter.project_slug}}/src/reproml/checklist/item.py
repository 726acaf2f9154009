"""What a check is, and what it finds."""

from collections.abc import Callable
from dataclasses import dataclass

from .facts import Facts

PASS, FAIL, NOT_APPLICABLE = "pass", "fail", "not applicable"


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Args:
        status: PASS, FAIL or NOT_APPLICABLE.
        evidence: what was read, and where.
        fix: one command, where it failed.
        pending: whether it failed because nobody has done it yet, not because something is wrong.
    """

    status: str
    evidence: str
    fix: str = ""
    pending: bool = False


@dataclass(frozen=True)
class Check:
    """One item of the checklist, and the function that examines it.

    Args:
        section: the part of the checklist.
        name: what people call it.
        find: examines the project and its run.
        required: whether a failure fails the whole checklist, and stops a release.
    """

    section: str
    name: str
    find: Callable[[Facts], Finding]
    required: bool = True


@dataclass(frozen=True)
class Item:
    """One examined item of the checklist."""

    section: str
    name: str
    status: str
    evidence: str
    fix: str
    required: bool
    pending: bool = False


def passed(evidence: str) -> Finding:
    """Return that an item is met."""
    return Finding(PASS, evidence)


def failed(evidence: str, fix: str) -> Finding:
    """Return that an item is not met, and the command that fixes it."""
    return Finding(FAIL, evidence, fix)


def not_done(evidence: str, fix: str) -> Finding:
    """Return that an item is not met because nobody has done it yet, and the command that does it."""
    return Finding(FAIL, evidence, fix, pending=True)


def not_applicable(evidence: str) -> Finding:
    """Return that an item cannot be asked here, and why."""
    return Finding(NOT_APPLICABLE, evidence)
