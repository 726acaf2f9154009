"""The files and folders that the arguments of data and task name: their digests, and their way into a checkout."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..config.trust.names import leaves
from ..errors import ConfigError, RecordError
from ..secrets import is_private
from .content import Unreadable, content_digest


def named_files(settings: Mapping[str, Any], but: Iterable[Path]) -> dict[str, str]:
    """Return the SHA-256 of the files and folders that exist and that settings name, by their names there.

    A single word is taken for a folder only where it ends with a slash: `data` could be the name of anything. So could
    `/`; a folder that the project lies in is not data. A file that is named like one that keeps secrets has no digest:
    the record would tell it.

    Args:
        settings: in plain types.
        but: what is in these is left out: the folder of the run, which makes it itself, and what `inputs` names, of
            which the record has a digest anyway.

    Raises:
        ConfigError: a part of one cannot be read.
    """
    found, others = {}, [path.resolve() for path in but]
    for _, value in leaves(dict(settings)):
        if isinstance(value, str) and _is_data(value):
            if any(Path(value).resolve().is_relative_to(path) for path in others):
                continue
            try:
                found[value] = content_digest(Path(value))
            except Unreadable as error:
                raise ConfigError(f"{value}, which an argument of data or task names, {error}") from error
    return found


def recorded_files(data: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of the files that a record names, of those that the arguments of its run name too.

    Anybody may have written the record. No training writes others, and the arguments of a run are looked at before it
    is read: config/trust/places.py.

    Args:
        data: the part of the record.
        settings: the configuration of the run.
    """
    values = {value for _, value in leaves({group: settings.get(group) for group in ("data", "task")})}
    return {name: digest for name, digest in data.get("files", {}).items() if name in values}


def changed(recorded: Mapping[str, str], project: Path = Path()) -> str | None:
    """Return the first recorded file or folder that is missing or not the recorded one, or None."""
    return next((name for name, digest in recorded.items() if not _is(project / name, digest)), None)


def bring(recorded: Mapping[str, str], project: Path) -> None:
    """Link into a checkout what a run read and its commit does not hold. Only what is as recorded is linked.

    Args:
        recorded: SHA-256 by name, as `named_files` returns them.
        project: folder of the project in the checkout.

    Raises:
        RecordError: a file or folder is missing or not the recorded one, or its name leads out of the checkout.
    """
    for name, digest in recorded.items():
        place = project / name  # which is the name itself where that is absolute
        if _is(place, digest):
            continue
        if not _is(Path(name), digest):
            raise RecordError(f"{name}, which the run read, is missing or not the one in the record")
        if not place.parent.resolve().is_relative_to(project.resolve()) or place.is_dir():
            raise RecordError(f"{name}, which the run read, cannot be put into the code of its commit")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.symlink_to(Path(name).resolve())


def _is(path: Path, digest: str) -> bool:
    try:
        return content_digest(path) == digest
    except Unreadable:
        return False


def _is_data(value: str) -> bool:
    """Whether a value names a file or folder that is there."""
    path = Path(value)
    try:
        if is_private(path) or Path.cwd().is_relative_to(path.resolve()):
            return False
        return path.is_file() or ("/" in value and any(each.is_file() for each in path.rglob("*")))
    except (OSError, ValueError):  # too long for a name
        return False
