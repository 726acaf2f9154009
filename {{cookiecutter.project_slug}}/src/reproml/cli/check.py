"""`check`: the checklist of the project and a run."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arguments import RUN, RunName

if TYPE_CHECKING:
    from ..checklist import Item

_SECTIONS = ("before sharing", "before experiments", "during training", "after training")


def add(commands: Any) -> None:
    """Declare the command."""
    check = commands.add_parser(
        "check",
        help="go through the checklist for a reproducible project",
        description="Exit code 0: no required item fails; 1: one does; 2: could not be examined.",
    )
    check.add_argument("run", type=RunName, nargs="?", help=f"a finished run: {RUN} (default: the pipeline's, models)")
    check.add_argument("--section", choices=_SECTIONS, action="append", help="check only this section; may be repeated")
    check.add_argument("--json", action="store_true", help="print the items as JSON")
    check.set_defaults(command=_check, failure="could not be examined")


def _check(arguments: argparse.Namespace) -> int:
    from ..checklist import examine, pipeline_run

    run = arguments.run or pipeline_run(Path())
    chosen = arguments.section or _SECTIONS
    items = [item for item in examine(Path(), run) if item.section in chosen]
    broken = [item for item in items if item.status == "fail" and item.required]
    if arguments.json:
        report = {"run": run and str(run), "score": _score(items), "items": [asdict(item) for item in items]}
        json.dump(report, sys.stdout, indent=2, ensure_ascii=False)
        print()
    else:
        print("\n".join(_lines(items, run, len(broken))))
    return int(bool(broken))


def _score(items: "list[Item]") -> dict[str, int]:
    """Return how many items pass, of how many that can be asked, and the share in percent, rounded down."""
    passed = sum(item.status == "pass" for item in items)
    asked = sum(item.status != "not applicable" for item in items)
    return {"passed": passed, "asked": asked, "percent": 100 * passed // max(asked, 1)}


def _lines(items: "list[Item]", run: Path | None, broken: int) -> list[str]:
    lines = [f"run: {run or 'no finished run of the pipeline yet: make run'}"]
    for section in dict.fromkeys(item.section for item in items):
        lines += ["", section]
        for item in (item for item in items if item.section == section):
            status = "FAIL" if item.status == "fail" and item.required else item.status
            evidence = " ".join(item.evidence.split())  # a record can hold line ends, and anybody may have written it
            lines.append(f"  {status:14}  {item.name}: {evidence}")
            lines += [f"  {'':14}  fix: {item.fix}"] if item.fix else []
    score = _score(items)
    lines += [
        "",
        f"{score['passed']} of {score['asked']} items pass ({score['percent']} %); required and failing: {broken}",
    ]
    return lines
