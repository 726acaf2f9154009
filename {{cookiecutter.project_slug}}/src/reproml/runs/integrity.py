"""Whether a run folder holds what its record names. Every command that reads a run checks this first."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ..errors import RecordError
from ..files import file_digest
from ..names import CONFIG, HISTORY, MODEL, PATCH, TRACE
from . import record
from .source import has_patch

_DIGESTS = {MODEL: "model_sha256", HISTORY: "history_sha256", TRACE: "trace_sha256"}
EVERYTHING = (CONFIG, PATCH, *_DIGESTS)


def compared(found: dict[str, Any], folder: Path, needs: Collection[str], reads: Collection[str]) -> dict[str, Any]:
    """Return the record of a run, after checking that the named files, and only these, are as recorded.

    Args:
        found: the record.
        folder: of the run.
        needs: files that must exist.
        reads: files that are used if they exist.

    Raises:
        RecordError: a file is missing, or is not the recorded one.
    """
    for name in dict.fromkeys((*needs, *reads)):
        path = folder / name
        other = altered(folder, name, found)
        if not path.is_file() and (name in needs or other):
            raise RecordError(f"{path} does not exist: fetch it from where the run was made (dvc pull), or train again")
        if other:
            raise RecordError(
                f"{path} is not the file in the record: it was changed after the run or belongs to another "
                "one; fetch it again from where the run was made (dvc checkout), or train again"
            )
    return found


def intact(folder: Path, reads: Collection[str] = EVERYTHING) -> dict[str, Any]:
    """Return the record of a run, finished or not, after checking the files that are recorded so far.

    Raises:
        RecordError: a file is not the recorded one.
    """
    return compared(record.read(folder), folder, (), reads)


def altered(folder: Path, name: str, found: dict[str, Any]) -> bool:
    """Whether a file of a run exists, but is not the one in the record.

    A patch that is missing counts too, unless the record says that it is empty.

    Raises:
        RecordError: it cannot be read.
    """
    path = folder / name
    try:
        if name == PATCH:
            return not has_patch(found["git"], path)
        if not path.exists():
            return False
        if name == CONFIG:
            return _settings(path) != found["config"]
        if found["status"] != "finished":
            return False
        return file_digest(path) != found[_DIGESTS[name]]
    except OSError as error:
        raise RecordError(
            f"{path} cannot be read ({error.strerror}): give yourself permission, or fetch it from where the run was "
            "made (dvc checkout)"
        ) from error


def _settings(path: Path) -> Any:
    """Return the content of a configuration file; None if it cannot be read."""
    try:
        return OmegaConf.to_container(OmegaConf.load(path))
    except Exception:  # from the parser or OmegaConf, or because it is not text
        return None
