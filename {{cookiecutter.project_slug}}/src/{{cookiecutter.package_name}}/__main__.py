"""The commands about runs: `python -m <package> verify outputs/<date>/<time>-<id>`."""

import argparse
import sys
from pathlib import Path

from . import secrets
from .cli import one_sentence
from .errors import RecordError


def _verify(arguments: argparse.Namespace) -> int:
    print("training again from the record; this takes about as long as the run did", file=sys.stderr)
    if arguments.tolerance is None:
        from .reproducibility.verify import verify

        verdict = verify(arguments.run, arguments.clean)
    else:
        from .reproducibility.statistics import verify_within

        verdict = verify_within(arguments.run, arguments.tolerance, arguments.metric, arguments.seeds, arguments.clean)
    print("\n".join([*verdict.explanation, verdict.line]))
    return verdict.code


def _diff(arguments: argparse.Namespace) -> int:
    from .reproducibility import record
    from .reproducibility.divergence import compare

    divergence = compare(record.read(arguments.run), record.read(arguments.other), arguments.run, arguments.other)
    print("\n".join([*divergence.lines(), divergence.summary()]))
    return 0 if divergence.what is None else 1


def _at_least_two(text: str) -> int:
    if int(text) < 2:
        raise argparse.ArgumentTypeError(f"{text} is too few for a deviation: give 2 or more")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description="Commands about runs.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    verify = commands.add_parser(
        "verify",
        help="make a run again from its record, and compare",
        description="Exit code 0: reproduced; 1: differs; 2: could not be tried.",
    )
    verify.add_argument("run", type=Path, help="folder of the run")
    verify.add_argument("--clean", action="store_true", help="build a fresh environment from the lock first")
    verify.add_argument("--tolerance", type=float, help="compare a metric over several seeds instead of the bits")
    verify.add_argument("--metric", default="accuracy", help="which metric (default: accuracy)")
    verify.add_argument("--seeds", type=_at_least_two, default=3, help="how many seeds (default: 3)")
    verify.set_defaults(command=_verify)
    diff = commands.add_parser(
        "diff",
        help="find the first step at which two runs differ, and why",
        description="Exit code 0: equal, bit for bit; 1: they differ.",
    )
    diff.add_argument("run", type=Path, help="folder of a run")
    diff.add_argument("other", type=Path, help="folder of another run")
    diff.set_defaults(command=_diff)
    return parser


if __name__ == "__main__":
    with one_sentence():
        if not Path("train.py").exists():
            raise RecordError("there is no train.py here: run the command in the folder of the project")
        secrets.load()
        arguments = _parser().parse_args()
        sys.exit(arguments.command(arguments))
