"""What is uploaded of a run: what `load` needs, its history and its card; no data, no secret, no path of a person."""

import json
import re
from pathlib import Path

from ..cards.hub_card import hub_card
from ..errors import RecordError
from ..models.description import read_description
from ..names import CONFIG, HISTORY, MODEL, PATCH, RECORD
from ..report.shareable import shareable
from ..runs.completed import CompletedRun
from ..secrets import holds_secret

CARD, _LICENSE = "README.md", "LICENSE"
_TEXTS = (RECORD, CONFIG, PATCH, HISTORY)
ALL = (CARD, MODEL, *_TEXTS, _LICENSE)  # every name that an upload can have


def contents(folder: Path, repo: str) -> dict[str, Path | bytes]:
    """Return the files to upload, by their names in the repository: their content, or where a large one is.

    Args:
        folder: of the run.
        repo: the name of the repository, `OWNER/NAME`.

    Raises:
        RecordError: the run cannot be given to others, as `shareable` says, or a file holds a secret, or names a path
            in the home folder.
        CardError: as in `hub_card`.
    """
    record = shareable(folder)
    found = {name: (folder / name).read_bytes() for name in _TEXTS if (folder / name).exists()}
    found[CARD] = hub_card(CompletedRun(folder, record), repo).encode()
    if Path(_LICENSE).exists():
        found[_LICENSE] = Path(_LICENSE).read_bytes()
    for name, content in {**found, MODEL: json.dumps(read_description(folder / MODEL)).encode()}.items():
        _refuse_private(name, content)
    return {name: folder / MODEL if name == MODEL else found[name] for name in ALL if name in found or name == MODEL}


def _refuse_private(name: str, content: bytes) -> None:
    if holds_secret(content):
        raise RecordError(
            f"{name} holds a secret of your environment, or a token or key, which others would read: remove it, "
            "commit, and train again"
        )
    home = str(Path.home()).rstrip("/")
    if home and re.search(rb"(?<![\w./-])" + re.escape(home.encode()) + rb"(?![\w.-])", content):
        raise RecordError(
            f"{name} names a path in your home folder, which others would read: put a link to it into the project, "
            "name that instead, and train again"
        )
