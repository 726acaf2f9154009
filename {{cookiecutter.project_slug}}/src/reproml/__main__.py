"""The commands about runs: `python -m reproml verify outputs/<date>/<time>-<id>`; cli/ has them all."""

from .interrupts import CODE, end_in_one_line, interrupted

end_in_one_line(__name__)
import argparse
import os
import signal
import sys
import traceback
from pathlib import Path

from . import __version__, secrets
from .cli import (
    check,
    completion,
    data,
    drift,
    export,
    hub,
    keep,
    predict,
    proof,
    rate,
    rehearse,
    release,
    report,
    runs,
    schema,
    serve,
    track,
    tune,
)
from .cli.arguments import resolve
from .config import trust
from .config.explain import explain
from .errors import RecordError

_FAILED = 2  # what was asked could not be answered


def _parser(package: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {package}", description="Commands about runs.")
    parser.set_defaults(parser=parser)
    parser.add_argument(
        "--version", action="version", version=f"reproml {__version__}", help="show the template's version"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listed = (
        runs,
        data,
        rehearse,
        proof,
        drift,
        check,
        report,
        release,
        rate,
        tune,
        keep,
        track,
        predict,
        serve,
        export,
        hub,
        schema,
        completion,
    )
    for module in listed:
        module.add(commands)
    for command in commands.choices.values():
        command.add_argument(
            trust.FLAG, action="store_true", help="trust the run folder, and the classes, places and links in it"
        )
    return parser


def main(package: str = "reproml") -> int:
    """Run the command and return its exit code; what goes wrong means that the question could not be answered.

    Args:
        package: the name that the command was called by.
    """
    arguments = _parser(package).parse_args()
    # what a command has begun, its trainings included, ends with it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    trust.accept([trust.FLAG] if arguments.trust else [])
    try:
        secrets.load()
        if not Path("train.py").exists():
            raise RecordError("there is no train.py here: run the command in the folder of the project")
        resolve(arguments)
        return int(arguments.command(arguments))
    except (KeyboardInterrupt, Exception) as error:
        if isinstance(error, KeyboardInterrupt) or interrupted(error):
            print("interrupted", file=sys.stderr)
            return CODE
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            print(secrets.mask(traceback.format_exc()), file=sys.stderr)
            return _FAILED
        print(f"{getattr(arguments, 'failure', 'error')}: {secrets.mask(explain(error))}", file=sys.stderr)
        return _FAILED


if __name__ == "__main__":
    sys.exit(main())
