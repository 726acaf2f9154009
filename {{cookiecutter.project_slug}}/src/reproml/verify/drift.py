"""Drift: does the project still give the results that it gave when its baseline was committed?

Nothing in a project need change for its results to change: a package, a driver or a processor can do it.
"""

from pathlib import Path
from typing import Any

from ..errors import RecordError
from ..files import write_json, write_text
from ..runs import record
from . import baseline, comparisons
from .baseline import BASELINE, Canonical, Comparison
from .comparisons import DRIFTED, SAME, WITHIN
from .verify import Verdict

HISTORY = Path("reports/drift.csv")
PICTURE = HISTORY.with_suffix(".png")
ALERT = HISTORY.with_suffix(".md")


def update() -> str:
    """Train, write the baseline, and return one line about it."""
    trained = baseline.train()
    made = baseline.made_from(trained.record)
    write_json(BASELINE, made)
    shown = "".join(f", {name} {made['metrics'][name]:.6g}" for name in trained.judged())
    return f"{BASELINE} written: weights {made['weights_sha256'][:12]}{shown}"


def check(tolerance: float) -> Verdict:
    """Train, compare with the baseline, and write history, picture and, where it drifted, the alert.

    Args:
        tolerance: largest difference of a metric that counts as none, in the unit of the metric.

    Raises:
        RecordError: there is no baseline, or the training fails.
    """
    before = baseline.read()
    comparisons.read(HISTORY)  # before the work: a damaged one is refused
    trained = baseline.train()
    run = trained.record
    comparison = baseline.compare(before, run)
    verdict, line = _judge(comparison, before, tolerance)
    _note(verdict, trained)
    ALERT.unlink(missing_ok=True)
    if verdict == DRIFTED:
        write_text(ALERT, _alert(comparison, before, run, tolerance))
    effect = "differs, without effect" if verdict == SAME else "differs"
    return Verdict(int(verdict == DRIFTED), line, [f"{effect}: {change}" for change in comparison.changed])


def summary(folder: Path, branch: str, tolerance: float) -> str:
    """Return the metrics of a canonical run beside those of a branch's baseline, as Markdown.

    Raises:
        RecordError: the folder holds no finished run.
    """
    run = record.read_finished(folder)
    lines = ["## Short training", ""]
    try:
        before = baseline.read_from(branch)
    except RecordError as error:
        rows = [f"| {name} | {value:.6g} |" for name, value in run["metrics"].items()]
        return "\n".join([*lines, "| metric | value |", "|---|---|", *rows, "", f"Nothing to compare: {error}.", ""])
    comparison = baseline.compare(before, run)
    lines += [*comparison.table(), "", f"Compared with {branch}: {_judge(comparison, before, tolerance)[1]}."]
    return "\n".join([*lines, *_named(comparison), ""])


def _judge(comparison: Comparison, before: dict[str, Any], tolerance: float) -> tuple[str, str]:
    """Return the verdict, and the line that says it."""
    since = f"the baseline of {before['date'][:10]} (commit {before['commit'][:12]})"
    if comparison.same_bits:
        return SAME, f"same bits as {since}: weights {before['weights_sha256'][:12]}"
    if not comparison.metrics:
        return DRIFTED, f"drifted from {since}: other weights, and no metric of a test to compare"
    was, now = comparison.metrics[comparison.most_moved]
    figures = f"{comparison.most_moved} was {was:.6g}, is now {now:.6g}; tolerance {tolerance:g}"
    if comparison.within(tolerance):
        return WITHIN, f"same metrics within tolerance as {since}, but other bits: {figures}"
    return DRIFTED, f"drifted from {since}: {figures}"


def _note(verdict: str, trained: Canonical) -> None:
    """Add a line to the history, and draw it again."""
    run, judged = trained.record, trained.judged()
    row = {
        "date": run["sessions"][-1]["ended"],
        "commit": baseline.commit(run),
        "verdict": verdict,
        "weights_sha256": run["weights_sha256"],
        **{name: run["metrics"][name] for name in judged},
    }
    comparisons.add(HISTORY, row)
    if judged:
        comparisons.draw(HISTORY, judged[0], PICTURE)


def _alert(comparison: Comparison, before: dict[str, Any], run: dict[str, Any], tolerance: float) -> str:
    """Return the text of an issue."""
    return "\n".join(
        [
            "# The results have drifted",
            "",
            f"The canonical training {_judge(comparison, before, tolerance)[1]}.",
            f"It ran at commit {baseline.commit(run)}.",
            "",
            *comparison.table(),
            *_named(comparison),
            "",
            "`make drift` repeats the comparison. If the new results are intended, `make baseline` writes them into",
            "`reports/baseline.json`; commit it.",
            "",
        ]
    )


def _named(comparison: Comparison) -> list[str]:
    """Return the changed inputs as Markdown."""
    if not comparison.changed:
        return ["", "No recorded input changed."]
    changed = [f"- {change}" for change in comparison.changed]
    return ["", "What changed since the baseline, the most likely cause first:", "", *changed]
