"""`drift` and `summary`: whether the project still gives the results of its committed baseline."""

import argparse
from pathlib import Path
from typing import Any

from .arguments import RUN, RunName, tolerance


def add(commands: Any) -> None:
    """Declare the commands."""
    drift = commands.add_parser(
        "drift",
        help="train experiment=canonical again, and compare with reports/baseline.json",
        description="Exit code 0: the same bits, metrics within the tolerance; 1: drifted; 2: could not be compared.",
    )
    drift.add_argument("--update", action="store_true", help="write the baseline instead of comparing with it")
    _add_tolerance(drift)
    drift.set_defaults(command=_drift, failure="could not be compared")
    summary = commands.add_parser(
        "summary",
        help="show a run's metrics beside a branch's baseline, as Markdown",
        description="Also appends the text to the file in GITHUB_STEP_SUMMARY, if that is set.",
    )
    summary.add_argument("run", type=RunName, help=f"a run of experiment=canonical: {RUN}")
    summary.add_argument("--against", default="main", help="branch or commit with the baseline (default: main)")
    _add_tolerance(summary)
    summary.set_defaults(command=_summary)


def _add_tolerance(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tolerance",
        type=tolerance,
        default=0.005,
        help="largest difference of a metric that counts as equal (default: 0.005)",
    )


def _drift(arguments: argparse.Namespace) -> int:
    from ..verify import drift

    if arguments.update:
        print(drift.update())
        return 0
    verdict = drift.check(arguments.tolerance)
    print("\n".join([*verdict.explanation, verdict.line]))
    return verdict.code


def _summary(arguments: argparse.Namespace) -> int:
    import os

    from ..verify.drift import summary

    text = summary(arguments.run, arguments.against, arguments.tolerance)
    print(text, end="")
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(path).open("a", encoding="utf-8") as stream:
            stream.write(text)
    return 0
