"""Files appear whole or not at all: written beside their place, flushed to the disk, then moved there.

Unfinished work is held by a lock that ends with its process. So what a kill left is told from the work of a process
that lives, in this container or in another one.
"""

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

if sys.platform != "win32":
    import fcntl

_PARTS = ".*.part"


@contextmanager
def whole_file(path: Path, renamed: Callable[[Path], Path] = Path) -> Iterator[IO[bytes]]:
    """Yield a stream whose content becomes the file in one step at the end of the context; an error changes nothing.

    A reader, or a crash, finds the old content or the new, never a part.

    Args:
        path: of the file.
        renamed: returns the path after all, in the same folder, where that depends on what was written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")

    def make() -> Path:
        part.touch()
        return part

    try:
        with _held(make):
            with part.open("wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(part, renamed(path))
    finally:
        part.unlink(missing_ok=True)
    sync_folder(path.parent)


@contextmanager
def whole_path(path: Path) -> Iterator[Path]:
    """Yield a path for a library that writes a file by itself; it becomes `path` as in `whole_file`."""
    with working_folder(path.parent, f".{path.name}.", ".part", private=False) as folder:
        part = folder / path.name
        yield part
        part.chmod(folder.stat().st_mode & 0o666)  # as other files: some libraries let only this user read theirs
        with part.open("rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(part, path)
    sync_folder(path.parent)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file in one step, as `whole_file` does."""
    with whole_file(path) as stream:
        stream.write(content)


def write_text(path: Path, content: str) -> None:
    """Write a text file in one step, with `\\n` line ends on every platform."""
    write_bytes(path, content.encode())


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file in one step. Keys keep their order, so equal content gives equal bytes."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextmanager
def working_folder(place: Path, name: str, suffix: str = "", private: bool = True) -> Iterator[Path]:
    """Yield a new folder, and remove it in the end. First, those of this name that killed processes left are removed.

    Args:
        place: the folder that it is made in.
        name: what its own name begins with; nothing else in `place` may be named so.
        suffix: what its own name ends with.
        private: whether only this user may read it; otherwise that is the user's own setting, the umask.
    """

    def make() -> Path:
        if private:
            return Path(tempfile.mkdtemp(suffix, name, place))
        folder = place / f"{name}{uuid4().hex}{suffix}"
        folder.mkdir()
        return folder

    place.mkdir(parents=True, exist_ok=True)
    remove_left(place, f"{escape(name)}*{escape(suffix)}")
    with _held(make) as folder:
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def remove_left(folder: Path, pattern: str = _PARTS) -> None:
    """Remove the files and folders in a folder that killed processes left. What a living one holds stays.

    Args:
        folder: which may be missing.
        pattern: of their names.
    """
    if sys.platform == "win32":  # it has no such locks, so nothing tells the two apart
        return
    for path in folder.glob(pattern):
        with suppress(OSError):  # it is held, somebody else has removed it, or the file system has no locks
            descriptor = _open(path)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()
            finally:
                os.close(descriptor)


@contextmanager
def _held(make: Callable[[], Path]) -> Iterator[Path]:
    """Make a file or folder, and hold it with a lock that ends with this process, for `remove_left`."""
    if sys.platform == "win32":
        yield make()
        return
    while True:
        path = make()
        with suppress(FileNotFoundError):  # it was taken for one that a kill left: make it again
            descriptor = _open(path)
            with suppress(OSError):  # a file system without locks, on which nothing is removed either
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                break
            os.close(descriptor)
    try:
        yield path
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)  # which locks of NFS ask for


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Make a rename inside `folder` survive a power cut, where the platform can (Windows cannot)."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
