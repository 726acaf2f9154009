"""One digest of a file, or of all that is in a folder."""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from .digest_cache import file_digests


class Unreadable(Exception):
    """A file or folder has no digest. The message follows its name, as in `is not there: fetch it`."""


def content_digest(path: Path) -> str:
    """Return the SHA-256 of a file or folder. Every file is read once, see digest_cache.py.

    That of a file is the digest of its content. That of a folder depends on the relative names and the contents of all
    files in it, and on nothing else: not on where it lies, nor on whether a file is one or a link to one.

    Raises:
        Unreadable: it is not there, or a part of it cannot be read.
    """
    try:
        files = dict(files_in(path))
        digests = file_digests(files.values())
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.filename}: {error.strerror}") from error
    return combined({inside: digests[file] for inside, file in files.items()})


def combined(found: dict[bytes, str]) -> str:
    """Return one SHA-256 of those of some files, by their relative names; that of a file alone, whose name is empty."""
    if list(found) == [b""]:
        return found[b""]
    total = hashlib.sha256()
    for inside in sorted(found):
        total.update(inside + b"\0" + found[inside].encode() + b"\n")
    return total.hexdigest()


def files_in(path: Path) -> Iterator[tuple[bytes, Path]]:
    """Yield every file of a folder with its name inside of it; of a file, itself with an empty name.

    Links to files count as what they lead to, as in a cache of the Hugging Face Hub. Links to folders could lead round
    in a circle, and reading a pipe or a device might never end.

    Raises:
        Unreadable: it is not there, holds no file, or holds something else than files.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            yield b"", path
            return
        found = False
        for place, folders, files in os.walk(path, onerror=_raise):
            for each in sorted(folders):
                if Path(place, each).is_symlink():
                    raise Unreadable(
                        f"holds {Path(place, each)}, a link to a folder: put the folder itself there, or name it as "
                        "an input of its own"
                    )
            for each in files:
                file, found = Path(place, each), True
                if not stat.S_ISREG(file.stat().st_mode):
                    raise Unreadable(f"holds {file}, which is not a file: remove it, or name a part")
                yield os.fsencode(file.relative_to(path).as_posix()), file
    except FileNotFoundError as error:
        place = "" if error.filename == str(path) else f" because {error.filename} leads nowhere"
        raise Unreadable(f"is not there{place}: fetch it, or give the path to it") from error
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.filename}: {error.strerror}") from error
    if not found:
        raise Unreadable("holds no file: fetch what belongs there, or give another path")


def _raise(error: OSError) -> None:
    raise error
