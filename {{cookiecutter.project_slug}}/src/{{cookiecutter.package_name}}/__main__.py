"""The commands about runs: `python -m <package> verify outputs/<date>/<time>-<id>`."""

import argparse
import functools
import math
import os
import sys
from pathlib import Path

from . import secrets
from .cli import explain
from .errors import RecordError
from .reproducibility import record
from .reproducibility.verify import NOT_TRIED, verify


def _verify(arguments: argparse.Namespace) -> int:
    if arguments.tolerance is None:
        verdict = verify(arguments.run, arguments.clean)
    else:
        from .reproducibility.statistics import verify_within

        verdict = verify_within(arguments.run, arguments.tolerance, arguments.metric, arguments.seeds, arguments.clean)
    print("\n".join([*verdict.explanation, verdict.line]))
    return verdict.code


def _diff(arguments: argparse.Namespace) -> int:
    from .reproducibility.divergence import compare

    before, after = record.read(arguments.run), record.read(arguments.other)
    divergence = compare(before, after, arguments.run, arguments.other)
    print("\n".join([*divergence.lines(), divergence.summary()]))
    if divergence.what is not None:
        return 1
    return NOT_TRIED if divergence.unfinished else 0


def _serve(arguments: argparse.Namespace) -> int:
    from .serving.server import serve

    limits = (arguments.max_batch, arguments.max_bytes)
    serve(arguments.run, arguments.host, arguments.port, arguments.wait, *limits)
    return 0


def _number(text: str, least: int, most: int) -> int:
    if not text.isdecimal() or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text} is out of range: give a number from {least} to {most}")
    return int(text)


def _seeds(text: str) -> int:
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seeds: give 2 or more")
    return int(text)


def _tolerance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a tolerance: give 0 or a positive number")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description="Commands about runs.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    verification = commands.add_parser(
        "verify",
        help="make a run again from its record, and compare",
        description="Exit code 0: reproduced; 1: differs; 2: could not be tried.",
    )
    verification.add_argument("run", type=Path, help="folder of the run")
    verification.add_argument("--clean", action="store_true", help="build a fresh environment from the lock first")
    verification.add_argument(
        "--tolerance", type=_tolerance, help="compare a metric over several seeds instead of the bits"
    )
    verification.add_argument("--metric", default="accuracy", help="which metric (default: accuracy)")
    verification.add_argument("--seeds", type=_seeds, default=3, help="how many seeds (default: 3)")
    verification.set_defaults(command=_verify)
    diff = commands.add_parser(
        "diff",
        help="find the first step at which two runs differ, and why",
        description="Exit code 0: equal, bit for bit; 1: they differ; 2: one is not finished, or cannot be read.",
    )
    diff.add_argument("run", type=Path, help="folder of a run")
    diff.add_argument("other", type=Path, help="folder of another run")
    diff.set_defaults(command=_diff)
    server = commands.add_parser("serve", help="answer predictions over HTTP", description="See docs/serving.md.")
    server.add_argument("--run", type=Path, default=Path("models"), help="folder of the run (default: models)")
    server.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    port = functools.partial(_number, least=0, most=65535)
    server.add_argument("--port", type=port, default=8000, help="0: a free one, which is printed (default: 8000)")
    server.add_argument("--wait", action="store_true", help="listen at once, and load the run when it is finished")
    limit = functools.partial(_number, least=1, most=10**9)
    server.add_argument("--max-batch", type=limit, default=1024, help="examples of one request (default: 1024)")
    server.add_argument(
        "--max-bytes", type=limit, default=16_000_000, help="bytes of one request's body (default: 16000000)"
    )
    server.set_defaults(command=_serve, failure="error")
    return parser


def main() -> int:
    """Run the command and return its exit code; what goes wrong means that the question could not be answered."""
    arguments = _parser().parse_args()
    try:
        secrets.load()
        if not Path("train.py").exists():
            raise RecordError("there is no train.py here: run the command in the folder of the project")
        return int(arguments.command(arguments))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        print(f"{getattr(arguments, 'failure', 'could not be tried')}: {secrets.mask(explain(error))}", file=sys.stderr)
        return NOT_TRIED


if __name__ == "__main__":
    sys.exit(main())
