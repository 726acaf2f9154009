"""`publish`: a run on the Hugging Face Hub."""

import argparse
from pathlib import Path
from typing import Any

from .arguments import RUN, RunName


def add(commands: Any) -> None:
    """Declare the command."""
    publish = commands.add_parser(
        "publish",
        help="upload a run to the Hugging Face Hub, after showing its files",
        description="Model, record, configuration and a model card, from which load works again: docs/publish.md.",
    )
    publish.add_argument("run", type=RunName, help=f"a finished run: {RUN}")
    publish.add_argument("--repo", required=True, metavar="OWNER/NAME", help="the repository; made if it is not there")
    publish.add_argument("--public", action="store_true", help="for everyone to see (default: private)")
    publish.add_argument("--yes", action="store_true", help="do not ask")
    publish.set_defaults(command=_publish, failure="not published")


def _publish(arguments: argparse.Namespace) -> int:
    from ..catalog.clean import readable
    from ..hub.contents import contents
    from ..hub.repository import Repository
    from ..names import MODEL
    from ..runs.record import read_finished
    from .asking import agreed

    repository = Repository(arguments.repo, private=not arguments.public)
    files = contents(arguments.run, arguments.repo)
    for name, content in files.items():
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        print(f"{readable(size):>8} {name}")
    new = "" if repository.exists() else "new "
    visibility = "public" if arguments.public else "private"
    question = f"upload these files of {arguments.run} to the {new}{visibility} repository {repository.address}?"
    if not arguments.yes and not agreed(question):
        return 1
    weights = read_finished(arguments.run)["weights_sha256"][:12]
    changed = repository.upload(files, f"Upload {MODEL} with weights {weights}, its record and its card")
    print(f"{repository.address} {'has the run' if changed else 'has these files already: nothing is uploaded'}")
    return 0
