"""`keep`: the settings of an experiment of DVC, in configs/."""

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Declare the command."""
    keep = commands.add_parser(
        "keep",
        help="write what an experiment of DVC left in params.yaml into configs/",
        description="Writes configs/experiment/NAME.yaml, which configs/config.yaml then chooses. Nothing is trained.",
    )
    keep.add_argument("name", nargs="?", metavar="NAME", help="of the experiment in configs/ (default: kept)")
    keep.set_defaults(command=_keep, failure="not kept")


def _keep(arguments: argparse.Namespace) -> int:
    from ..tuning.keep import keep

    path = keep(arguments.name)
    print(f"{path}\nconfigs/config.yaml chooses it: dvc repro notes that and trains nothing; then commit")
    return 0
