"""`schema`: what editors know about the files in configs/."""

import argparse
import sys
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Declare the command."""
    schema = commands.add_parser(
        "schema",
        help="write the JSON Schemas of configs/, for completion and checks in an editor",
        description="Made from the signatures and docstrings of the classes named in configs/.",
    )
    schema.set_defaults(command=_schema)


def _schema(arguments: argparse.Namespace) -> int:
    from ..config.editor.documents import FOLDER, write

    missing = write(Path())
    for sentence in missing:
        print(f"left out: {sentence}", file=sys.stderr)
    print(f"{FOLDER} holds the schemas of configs/ for your editor")
    return 0
