"""Verification: a run is made again from its record alone, and compared bit for bit."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import RecordError
from ..files import write_json
from ..names import VERIFICATION
from ..runs import record, schema
from ..runs.completed import CompletedRun
from ..runs.integrity import EVERYTHING
from ..runs.record import what_changed
from .rerun import checked_out, left_out, python_for, train_again

REPRODUCED, DIFFERS, NOT_TRIED = 0, 1, 2  # exit codes


@dataclass
class Verdict:
    """The result of a verification: an exit code, one line, and the lines that explain it."""

    code: int
    line: str
    explanation: list[str] = field(default_factory=list)


def note(verdict: Verdict, folder: Path, clean: bool) -> None:
    """Write the verdict beside the record, for the report and the checklist.

    It is not part of the run: nothing compares it, and another verification replaces it.

    Args:
        verdict: of a verification that could be tried.
        folder: of the run.
        clean: whether a fresh environment was built for it.

    Raises:
        OSError: the folder cannot be written to.
    """
    found = record.read(folder)
    write_json(
        folder / VERIFICATION,
        {
            "code": verdict.code,
            "line": verdict.line,
            "explanation": verdict.explanation,
            "clean": clean,
            "ended": datetime.now(UTC).isoformat(timespec="seconds"),
            "weights_sha256": found["weights_sha256"],
            "run": record.identity(found),
        },
    )


def noted(folder: Path) -> dict[str, Any] | None:
    """Return what the last verification of this very run said; None if there was none, or it was of another run."""
    try:
        found = json.loads((folder / VERIFICATION).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if schema.problem(found, "verification"):
        return None
    run = record.read(folder)
    if found["weights_sha256"] != run["weights_sha256"]:
        return None
    return found if found.get("run", record.identity(run)) == record.identity(run) else None  # older files lack it


def verify(folder: Path, clean: bool = False) -> Verdict:
    """Train again as the record in `folder` says, and compare bit for bit.

    Args:
        folder: of the run. Its record and patch are enough; its step trace and model tell more where bits differ.
        clean: build a fresh environment from the recorded lock first.

    Raises:
        RecordError: it could not be verified.
    """
    before = finished(folder)
    if before["reproducibility"]["level"] == "fast":
        raise RecordError("reproducibility=fast guarantees no bits: compare the metrics instead, with --tolerance")
    with checked_out(before, folder) as project:
        again = train_again(before, project, python_for(project, clean))
        after = record.read(again)
        if not record.same_result(before, after):
            from .divergence import compare  # loads torch, which nothing before needs

            divergence = compare(before, after, folder, again)
            return Verdict(DIFFERS, f"differs: {divergence.summary()}", [*divergence.lines(), *left_out(before)])
        compared = [name for key, name in record.RESULTS.items() if before[key]]
        line = f"reproduced bit for bit: {', '.join(compared)} (weights {before['weights_sha256'][:12]})"
        without_effect = [f"differs, without effect: {item}" for item in what_changed(before, after)]
        return Verdict(REPRODUCED, line, without_effect + left_out(before))


def finished(folder: Path) -> dict[str, Any]:
    """Return the record of a finished run that names its code.

    Raises:
        RecordError: the run is not finished, its code has no name, or a file beside the record is not the recorded one.
    """
    found = CompletedRun.read(folder, reads=EVERYTHING).record
    if found["git"] is None:
        raise RecordError(f"{folder} has no commit in its record: commit the code, and train again")
    return found
