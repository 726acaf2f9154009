"""`report`, `compare`, `spread` and `archive`: runs for others to read, and to keep."""

import argparse
from pathlib import Path
from typing import Any

from .arguments import RUN, RunName


def add(commands: Any) -> None:
    """Declare the commands."""
    report = commands.add_parser(
        "report",
        help="write report.html and report.md into the folder of a run",
        description="What was run, on what, with which results, and whether it was reproduced: docs/report.md.",
    )
    report.add_argument("run", type=RunName, help=f"a finished run: {RUN}")
    report.set_defaults(command=_report)
    compare = commands.add_parser(
        "compare",
        help="write a page with two runs side by side",
        description="Settings, metrics and curves of both, and the first step that differs: docs/report.md.",
    )
    compare.add_argument("run", type=RunName, help=f"a finished run: {RUN}")
    compare.add_argument("other", type=RunName, help="another finished run, named likewise")
    compare.add_argument("--output", type=Path, help="the page (default: outputs/compare-<run>-<run>.html)")
    compare.set_defaults(command=_compare)
    spread = commands.add_parser(
        "spread",
        help="mean and spread of the metrics of several runs, such as folds or seeds",
        description="Says what the runs differ in; std is the sample standard deviation: docs/data.md.",
    )
    spread.add_argument("folders", type=RunName, nargs="+", metavar="RUN", help="finished run, or folder of a sweep")
    spread.set_defaults(command=_spread)
    archive = commands.add_parser(
        "archive",
        help="pack a run as an RO-Crate, archives/<run>.crate.zip",
        description="Model, record, configuration, patch, results, cards and report in one file: docs/report.md.",
    )
    archive.add_argument("run", type=RunName, help=f"a finished run: {RUN}")
    archive.set_defaults(command=_archive)


def _report(arguments: argparse.Namespace) -> int:
    from ..report.render import write_report

    print("\n".join(str(path) for path in write_report(arguments.run)))
    return 0


def _compare(arguments: argparse.Namespace) -> int:
    from ..report.render import write_comparison

    names = "-".join(path.resolve().name for path in (arguments.run, arguments.other))
    output = arguments.output or Path("outputs", f"compare-{names}.html")
    print(f"{write_comparison(arguments.run, arguments.other, output)}\n{output}")
    return 0


def _spread(arguments: argparse.Namespace) -> int:
    from ..report.spread import spread

    print("\n".join(spread(arguments.folders)))
    return 0


def _archive(arguments: argparse.Namespace) -> int:
    from ..report.archive import write_archive

    print(write_archive(arguments.run))
    return 0
