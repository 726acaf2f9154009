"""The baseline: the accepted result of `experiment=canonical`, and what it depended on; committed to git."""

import json
import math
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from ..errors import RecordError
from ..files import working_folder
from ..logs import announce
from ..programs import git, waited_for
from ..runs import record
from ..runs.changes import Change, changes
from ..runs.code import deciding_code
from ..runs.command import quoted
from .headline import headline, loss
from .rerun import last_line, outer_environment

BASELINE = Path("reports/baseline.json")
VERSION = 1
_PARTS = {"date", "commit", "inputs", *record.RESULTS}
_FIX = "make baseline writes one; commit it"


@dataclass(frozen=True)
class Comparison:
    """How a canonical training compares with a baseline.

    Args:
        same_bits: weights, metrics, history and step trace are equal, bit for bit.
        metrics: name -> (value of the baseline, value now); infinite where there is no such metric.
        changed: the recorded inputs that differ, the most likely cause first.
    """

    same_bits: bool
    metrics: dict[str, tuple[float, float]]
    changed: list[Change]

    @property
    def most_moved(self) -> str:
        """The name of the metric that moved most."""
        return max(self.metrics, key=lambda name: abs(self.metrics[name][1] - self.metrics[name][0]))

    def within(self, tolerance: float) -> bool:
        """Whether no metric moved by more than the tolerance, in its own unit."""
        return all(abs(now - before) <= tolerance for before, now in self.metrics.values())

    def table(self) -> list[str]:
        """Return the metrics as the lines of a Markdown table."""
        rows = [f"| {name} | {a:.6g} | {b:.6g} | {b - a:+.2g} |" for name, (a, b) in self.metrics.items()]
        return ["| metric | baseline | now | difference |", "|---|---|---|---|", *rows]


@dataclass(frozen=True)
class Canonical:
    """A finished canonical training.

    Args:
        record: of the run.
        headline: the metric of its test by which it is compared, where there is one.
    """

    record: dict[str, Any]
    headline: str | None

    def judged(self) -> list[str]:
        """Return the metrics that the history keeps: the headline and the loss, of those that there are."""
        return list(dict.fromkeys(name for name in (self.headline, loss(self.record["metrics"])) if name))


def train() -> Canonical:
    """Train `experiment=canonical` in a temporary folder, untracked.

    Raises:
        RecordError: the training fails.
    """
    announce("training experiment=canonical in a temporary folder, as python train.py experiment=canonical would ...")
    with working_folder(Path(gettempdir()), "reproml-drift-") as temporary:
        folder = temporary / "run"
        arguments = ["experiment=canonical", "tracking=[none]", f"hydra.run.dir={quoted(folder)}"]
        command = [sys.executable, "train.py", *arguments]
        result = waited_for(command, env=outer_environment())
        if result.returncode:
            raise RecordError(f"the canonical training failed: {last_line(result.stderr)}")
        run = record.read(folder)
        return Canonical(run, headline(folder, run))


def made_from(run: dict[str, Any]) -> dict[str, Any]:
    """Return the baseline that a run makes."""
    return {
        "schema_version": VERSION,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(run),
        **{key: run[key] for key in record.RESULTS},
        "inputs": record.inputs(run),
    }


def commit(run: dict[str, Any]) -> str:
    """Return the commit of a run, with `-dirty` where files differed from it."""
    code = run["git"]
    return f"{code['commit']}{'-dirty' if code['dirty'] else ''}" if code else "unknown"


def read() -> dict[str, Any]:
    """Return the baseline in this folder.

    Raises:
        RecordError: there is none, or it is damaged.
    """
    if not BASELINE.exists():
        raise RecordError(f"there is no {BASELINE} to compare with: {_FIX}")
    try:
        return _parsed(BASELINE.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{BASELINE} cannot be read ({error}): {_FIX}") from error


def read_from(branch: str) -> dict[str, Any]:
    """Return the baseline that a branch or commit holds.

    Raises:
        RecordError: it holds none, or there is no such branch.
    """
    text = git(Path(), "show", "--end-of-options", f"{branch}:./{BASELINE.as_posix()}")
    if text is None:
        raise RecordError(f"{branch} holds no {BASELINE} to compare with: {_FIX}")
    return _parsed(text)


def _parsed(text: str) -> dict[str, Any]:
    try:
        baseline = json.loads(text)
        missing = _PARTS - baseline.keys()
        other = missing or baseline["schema_version"] != VERSION
        whole = other or _is_whole(baseline)
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
        raise RecordError(f"{BASELINE} is damaged: {_FIX}") from error
    if other:
        raise RecordError(f"{BASELINE} was written by another version of this code: {_FIX}")
    if not whole:
        raise RecordError(f"{BASELINE} is damaged: {_FIX}")
    return baseline


def _is_whole(baseline: dict[str, Any]) -> bool:
    """Whether a baseline holds what a comparison with it reads."""
    texts = [*(baseline[key] for key in ("date", "commit", "weights_sha256")), *baseline["inputs"]["code"].values()]
    numbers = baseline["metrics"].values()
    return all(isinstance(each, str) for each in texts) and all(type(each) in (int, float) for each in numbers)


def compare(baseline: dict[str, Any], run: dict[str, Any]) -> Comparison:
    """Compare a finished canonical training with a baseline."""
    before, now = baseline["metrics"], run["metrics"]
    return Comparison(
        same_bits=all(baseline[key] == run[key] for key in record.RESULTS),
        metrics={name: (before.get(name, math.inf), now.get(name, math.inf)) for name in {**before, **now}},
        changed=changes(_inputs(baseline), record.inputs(run)),
    )


def _inputs(baseline: dict[str, Any]) -> dict[str, Any]:
    """Return the inputs of a baseline; an older one also names code that decides nothing."""
    return {**baseline["inputs"], "code": deciding_code(baseline["inputs"]["code"])}
