"""`verify` and `diff`: whether a run can be reproduced, and where two runs diverge."""

import argparse
import sys
from typing import Any

from .arguments import RUN, RunName, seeds, tolerance


def add(commands: Any) -> None:
    """Declare the commands."""
    verify = commands.add_parser(
        "verify",
        help="rerun a run from its record, and compare",
        description="Exit code 0: reproduced; 1: differs; 2: could not be verified.",
    )
    verify.add_argument("run", type=RunName, help=f"the run: {RUN}")
    verify.add_argument("--clean", action="store_true", help="build a fresh environment from the lock first")
    verify.add_argument("--tolerance", type=tolerance, help="compare a metric over several seeds instead of the bits")
    verify.add_argument("--metric", help="which test metric (default: the headline)")
    verify.add_argument("--seeds", type=seeds, default=3, help="how many seeds (default: 3)")
    verify.set_defaults(command=_verify, failure="could not be verified")
    diff = commands.add_parser(
        "diff",
        help="find the first step at which two runs diverge, and why",
        description="Exit code 0: equal, bit for bit; 1: they differ; 2: one is not finished, or cannot be read.",
    )
    diff.add_argument("run", type=RunName, help=f"a run: {RUN}")
    diff.add_argument("other", type=RunName, help="another run, named likewise")
    diff.set_defaults(command=_diff, failure="could not be compared")


def _verify(arguments: argparse.Namespace) -> int:
    from ..verify.verify import note, verify

    if arguments.tolerance is None:
        verdict = verify(arguments.run, arguments.clean)
    else:
        from ..verify.statistics import verify_within

        verdict = verify_within(arguments.run, arguments.tolerance, arguments.metric, arguments.seeds, arguments.clean)
    try:
        note(verdict, arguments.run, arguments.clean)
    except OSError as error:  # somebody else's folder: show the verdict anyway
        print(f"the verdict could not be saved beside the run: {error}", file=sys.stderr)
    print("\n".join([*verdict.explanation, verdict.line]))
    return verdict.code


def _diff(arguments: argparse.Namespace) -> int:
    from ..runs.integrity import intact
    from ..verify.divergence import compare
    from ..verify.verify import NOT_TRIED

    before, after = intact(arguments.run), intact(arguments.other)
    divergence = compare(before, after, arguments.run, arguments.other)
    print("\n".join([*divergence.lines(), divergence.summary()]))
    if divergence.what is not None:
        return 1
    return NOT_TRIED if divergence.unfinished else 0
