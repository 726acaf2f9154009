"""The SHA-256 of data that was read before, so that a start need not read gigabytes again.

As for git and DVC, a file is the one that was read if its inode, size and times are the same. DVC's own notes are of no
use: they hold MD5, and importing DVC alone takes longer than reading small data.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..files import file_digest, write_text

_CACHE = Path(".dvc/tmp/digests.json")  # in DVC's folder for such files, which git does not see
_IGNORED = "DIGEST_CACHE_IS_IGNORED"  # in the environment, so that processes that are started know it too
_RACY = 2_000_000_000  # ns: a file can change again within the time that its file system tells apart


def file_digests(files: Iterable[Path]) -> dict[Path, str]:
    """Return the SHA-256 of files of data. Those that are as they were when they were last read are not read again.

    Raises:
        OSError: a file cannot be read.
    """
    known = {} if _IGNORED in os.environ else _read()
    found: dict[Path, str] = {}
    read: dict[str, Any] = {}
    try:
        for file in files:
            place, now, state = str(file.absolute()), time.time_ns(), marks(file.stat())
            if known.get(place, [])[:-1] == state:
                found[file] = known[place][-1]
                continue
            found[file] = file_digest(file)
            if marks(file.stat()) == state and now - max(state[-2:]) > _RACY:
                read[place] = [*state, found[file]]
    finally:
        if read:
            _write(read)
    return found


def marks(state: os.stat_result) -> list[int]:
    """Return what changes when a file is written to or replaced.

    The time of the last change is among it, which a program that sets the time of the content back cannot set.
    """
    return [state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns]


@contextmanager
def reading_everything() -> Iterator[None]:
    """Let this process, and those that it starts, read all data: what proves something takes no digest from the cache.

    What was read is noted there all the same.
    """
    before = os.environ.get(_IGNORED)
    os.environ[_IGNORED] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_IGNORED]


def _read() -> dict[str, Any]:
    """Return the entries of the cache: inode, size, times and digest by path. One that is damaged has none."""
    try:
        digest, _, text = _CACHE.read_text(encoding="utf-8").partition("\n")
        return json.loads(text) if digest == _checksum(text) else {}
    except (OSError, ValueError):
        return {}


def _write(new: dict[str, Any]) -> None:
    """Add entries, without those of files that are gone. Of two processes that write at once, one does so in vain."""
    if not _CACHE.parent.parent.is_dir():  # not in a project
        return
    kept = {place: entry for place, entry in _read().items() if Path(place).exists()}
    text = json.dumps(kept | new)
    with suppress(OSError):  # a disk that is full, or only read, costs the next start some time
        write_text(_CACHE, f"{_checksum(text)}\n{text}")


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
