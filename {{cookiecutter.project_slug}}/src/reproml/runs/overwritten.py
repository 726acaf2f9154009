"""Data that was overwritten while a run read it: sizes and times tell what to look at, and digests tell the truth.

A run maps its arrays into memory and opens its files again in each worker, so what it reads later is what is there
then. To read all of it a second time at the end would take long, and only says something where a file was touched.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .content import Unreadable, content_digest, files_in
from .digest_cache import marks


class Watch:
    """Remembers how files and folders were when a run began.

    Args:
        digests: SHA-256 by path, as the record of the run has them.
    """

    def __init__(self, digests: Mapping[str, str]) -> None:
        self._digests = dict(digests)
        self._before = {name: _marks(Path(name)) for name in digests}

    def overwritten(self) -> list[str]:
        """Return the files and folders that now are others than when the run began, or are gone."""
        touched = [name for name, before in self._before.items() if _marks(Path(name)) != before]
        return [name for name in touched if _digest(Path(name)) != self._digests[name]]


def _marks(path: Path) -> Any:
    """Return what changes when a file is written to, of all files that are there; None: they cannot be read."""
    try:
        return sorted((inside, marks(file.stat())) for inside, file in files_in(path))
    except (OSError, Unreadable):
        return None


def _digest(path: Path) -> str | None:
    try:
        return content_digest(path)
    except Unreadable:
        return None
