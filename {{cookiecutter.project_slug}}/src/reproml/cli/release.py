"""`release`: a version of the pipeline's model."""

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Declare the command."""
    release = commands.add_parser(
        "release",
        help="give the pipeline's model a version",
        description="Without VERSION: say which should come next. Exit code 0: done; 2: refused. See docs/versions.md.",
    )
    release.add_argument("version", nargs="?", default="", metavar="VERSION", help="such as 1.2.0")
    release.set_defaults(command=_release, failure="not released")


def _release(arguments: argparse.Namespace) -> int:
    from ..names import MODELS
    from ..release.publish import release
    from ..release.suggestion import suggest
    from ..release.version import parse

    if arguments.version:
        print("\n".join(release(Path(), parse(arguments.version))))
    else:
        print(f"nothing is released; the next version should be {suggest(Path(), MODELS)}")
    return 0
