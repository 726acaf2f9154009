"""Raw files: fetched once, checked by SHA-256, made read-only, never changed."""

import gzip
import hashlib
import importlib.util
import logging
import os
import shutil
import stat
import zlib
from pathlib import Path
from typing import IO

from ..config.schema import Data
from ..errors import DataError
from ..files import remove_left, working_folder

log = logging.getLogger(__name__)

_WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def fetch(data: Data, folder: Path) -> None:
    """Bring the raw files of `data` into `folder` unless they are there, and check each one.

    Raises:
        DataError: a file cannot be had, or its content is not the one that the configuration names.
    """
    remove_left(folder)
    for name in data.files:
        path = folder / name
        if not path.exists():
            _fetch_one(data, name, path)
        _verify(path, data.files[name])


def open_raw(path: Path) -> IO[bytes]:
    """Open a raw file for reading, uncompressed if its name ends in `.gz`.

    Example: `open_raw(folder / "digits.csv.gz")`, in `ArrayDataModule.read`.
    """
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def uncompressed_digest(path: Path) -> str:
    """Return the SHA-256 of the file's content, which is the same for every way of compressing it."""
    try:
        with open_raw(path) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]  # of gzip, too
    except PermissionError as error:
        raise DataError(f"{path} cannot be read: give yourself permission with chmod u+r") from error
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(
            f"{path} is truncated or damaged ({error}); delete it and run the command again to fetch it"
        ) from error


def _fetch_one(data: Data, name: str, path: Path) -> None:
    with working_folder(path.parent, f".{path.name}.", ".part") as folder:
        part = folder / path.name  # whose ending says how it is compressed
        if "://" in data.source:
            _download(data, name, part)
        else:
            _copy(data, name, part)
        _verify(part, data.files[name], shown=f"{name} from data.source={data.source}")
        part.chmod(part.stat().st_mode & ~_WRITE)
        os.replace(part, path)
    log.info("fetched %s from %s", path, data.source)


def _copy(data: Data, name: str, part: Path) -> None:
    source = _sklearn_folder() if data.source == "sklearn" else Path(data.source)
    if not (source / name).is_file():
        raise DataError(
            f"data.source={data.source} has no file {name}: give a folder that holds {', '.join(data.files)}, "
            "or an address that serves them"
        )
    shutil.copyfile(source / name, part)


def _sklearn_folder() -> Path:
    package = importlib.util.find_spec("sklearn")  # found, not imported: importing it takes half a second
    assert package is not None and package.origin is not None
    return Path(package.origin).parent / "datasets" / "data"


def _download(data: Data, name: str, part: Path) -> None:
    import pooch

    address = data.source.rstrip("/") + "/" + name
    archive = data.archives.get(name)
    try:
        pooch.retrieve(address, known_hash=f"sha256:{archive}" if archive else None, fname=part.name, path=part.parent)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{address} could not be downloaded ({reason}); "
            "try again, or put the files into a folder and give it as data.source=FOLDER"
        ) from error


def _verify(path: Path, expected: str, shown: str = "") -> None:
    found = uncompressed_digest(path)
    if found != expected:
        raise DataError(
            f"{shown or path} is not the file that data.files names (SHA-256 {found[:12]}..., expected "
            f"{expected[:12]}...); delete it and run the command again to fetch it, "
            "or give the new SHA-256 in configs/data if the change is intended"
        )
