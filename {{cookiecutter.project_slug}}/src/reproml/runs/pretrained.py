"""Weights that no run of this project has left: which files hold them, and their digest."""

import json
from pathlib import Path

from ..errors import DataError
from ..names import CONFIG, RECORD
from .content import combined
from .digest_cache import file_digests

SAFE = ".safetensors"
PICKLED = (".ckpt", ".pt", ".pth", ".bin")
_INDEX = "model.safetensors.index.json"
_WHOLE = ("model.safetensors", "pytorch_model.bin")  # of a folder in the form of the Hugging Face Hub
_MARKS = ("config.json", _INDEX, "pytorch_model.bin")  # one of which such a folder has, and no run


def is_pretrained(path: Path) -> bool:
    """Whether a path is that of a file of weights, or of a folder as the Hugging Face Hub has them, and of no run.

    A run has a `model.safetensors` too. One that has lost its record does not become a folder of the Hub by that.
    """
    if path.is_file():
        return path.suffix in (SAFE, *PICKLED)
    of_a_run = any((path / name).exists() for name in (RECORD, CONFIG))
    return not of_a_run and any((path / name).is_file() for name in _MARKS) and _found(path) is not None


def _found(path: Path) -> Path | None:
    return next((path / name for name in (_INDEX, *_WHOLE) if (path / name).is_file()), None)


def files_of(path: Path) -> list[Path]:
    """Return the files that hold the weights, without what else is in a folder.

    Raises:
        DataError: one that an index names is missing, or lies elsewhere.
    """
    if path.is_file():
        return [path]
    index = path / _INDEX
    if not index.is_file():
        return [found for found in [_found(path)] if found]
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        found = [path / name for name in names]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{index} is damaged or cannot be read: fetch it again") from error
    for file in found:
        if file.parent != path or file.suffix != SAFE or not file.is_file():
            raise DataError(f"{index} names {file.name}, which is no file of weights beside it: fetch all of its files")
    return found


def pretrained_digest(path: Path) -> str:
    """Return the SHA-256 of the weights: of their file, or of all that an index names, whatever else is beside them.

    Raises:
        DataError: as in `files_of`.
    """
    found = files_of(path)
    digests = file_digests(found)
    if len(found) == 1:
        return digests[found[0]]
    return combined({file.name.encode(): digest for file, digest in digests.items()})
