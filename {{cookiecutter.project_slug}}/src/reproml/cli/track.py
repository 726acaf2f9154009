"""`sync`: send a finished run to a tracker that missed it."""

import argparse
from typing import Any

from .arguments import RUN, RunName


def add(commands: Any) -> None:
    """Declare the command."""
    sync = commands.add_parser(
        "sync",
        help="send a finished run to a tracker that missed it",
        description="Sends what the tracker lacks. Exit code 0: it has everything; 2: it cannot be reached.",
    )
    sync.add_argument("run", type=RunName, help=f"the run: {RUN}")
    sync.add_argument("--to", action="append", default=[], metavar="TRACKER", help="mlflow, wandb or tensorboard")
    sync.set_defaults(command=_sync, failure="not sent")


def _sync(arguments: argparse.Namespace) -> int:
    from ..tracking.sync import sync

    for line in sync(arguments.run, arguments.to):
        print(line)
    return 0
