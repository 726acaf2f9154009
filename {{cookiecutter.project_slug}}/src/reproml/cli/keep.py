"""`keep`: write the settings of a DVC experiment into configs/."""

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Declare the command."""
    keep = commands.add_parser(
        "keep",
        help="write the settings that a DVC experiment left in params.yaml into configs/",
        description="Writes configs/experiment/NAME.yaml and selects it in configs/config.yaml. Trains nothing.",
    )
    keep.add_argument("name", nargs="?", metavar="NAME", help="name of the experiment in configs/ (default: kept)")
    keep.set_defaults(command=_keep, failure="not kept")


def _keep(arguments: argparse.Namespace) -> int:
    from ..tuning.keep import keep

    path = keep(arguments.name)
    print(f"{path}\nconfigs/config.yaml selects it now: run dvc repro, which trains nothing, then commit")
    return 0
