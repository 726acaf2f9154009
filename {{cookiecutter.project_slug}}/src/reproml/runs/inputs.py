"""Files and folders outside of the data that decide about a run: pretrained weights, a tokenizer, a list of words.

The key `inputs` of the configuration names them, and classes get their paths from there: `${inputs.words}`. The record
holds one SHA-256 for each, of a folder too, so it says what was read, wherever it lies.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..config import trust
from ..errors import ConfigError, RecordError
from ..files import file_digest
from ..names import RECORD
from .imported import watched_places


def check_inputs(inputs: dict[str, str]) -> None:
    """Check that each input is there, can be read, and is seen by the current DVC stage, without reading its content.

    Raises:
        ConfigError: one is not.
    """
    for name, path in inputs.items():
        for _, file in _files(name, Path(path)):
            if not os.access(file, os.R_OK):
                raise ConfigError(f"inputs.{name}={path} cannot be read: give yourself the right to read {file}")
        if (watched := watched_places()) is None:
            continue
        if not any(Path(path).resolve().is_relative_to(place) for place in watched):
            raise ConfigError(
                f"inputs.{name}={path}: `dvc repro` would not see a change there; add it to the deps of the stage "
                f"{os.environ['DVC_STAGE'].rpartition(':')[2]} in dvc.yaml"
            )


def digests(inputs: dict[str, str]) -> dict[str, str]:
    """Return the SHA-256 of each input. Every file is read once.

    That of a file is the digest of its content. That of a folder depends on the relative names and the contents of all
    files in it, and on nothing else: not on where it lies, nor on whether a file is one or a link to one.

    Raises:
        ConfigError: an input is not there, or a part of it cannot be read.
    """
    return {name: _digest(name, Path(path)) for name, path in inputs.items()}


def refuse_changed(recorded: dict[str, str], inputs: dict[str, str]) -> None:
    """Refuse inputs that are not those of a run.

    Args:
        recorded: SHA-256 of each, as in the record of the run.
        inputs: the path of each.

    Raises:
        ConfigError: one is not there.
        RecordError: one has another content.
    """
    for name, digest in digests({name: path for name, path in inputs.items() if name in recorded}).items():
        if digest != recorded[name]:
            raise RecordError(
                f"the input {name} changed: {inputs[name]} has the SHA-256 {digest[:12]}, and the run was made with "
                f"{recorded[name][:12]}; put that back, or train again"
            )


def locate(before: dict[str, Any], project: Path) -> dict[str, str]:
    """Return where the inputs of a run are: in a checkout of its code, where the commit holds them, or else here.

    Args:
        before: the record of the run.
        project: the checkout.

    Raises:
        ConfigError: one is not there, or lies where only the record says so.
        RecordError: one has another content than the record names, or the record does not name its content.
    """
    recorded, named = before.get("inputs", {}), before["config"].get("inputs", {})
    if set(recorded) != set(named):
        raise RecordError("the record does not hold a digest for each of its inputs: fetch it from where it was made")
    trust.check_inputs(named, Path(RECORD))
    found = {}
    for name, path in named.items():
        inside = (project / path).resolve().is_relative_to(project.resolve()) and (project / path).exists()
        found[name] = path if inside else str(Path(path).resolve())
        refuse_changed({name: recorded[name]}, {name: str(project / path) if inside else path})
    return found


def _digest(name: str, path: Path) -> str:
    try:
        found = {inside: file_digest(file) for inside, file in _files(name, path)}
    except OSError as error:
        raise ConfigError(f"inputs.{name}={path} cannot be read: {error.filename}: {error.strerror}") from error
    if list(found) == [b""]:
        return found[b""]
    total = hashlib.sha256()
    for inside in sorted(found):
        total.update(inside + b"\0" + found[inside].encode() + b"\n")
    return total.hexdigest()


def _files(name: str, path: Path) -> Iterator[tuple[bytes, Path]]:
    """Yield every file of an input with its name inside of it; the name of an input that is a file is empty.

    Links to files count as what they lead to, as in a cache of the Hugging Face Hub. Links to folders could lead round
    in a circle, and reading a pipe or a device might never end.
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
                    raise ConfigError(
                        f"inputs.{name}={path} holds {Path(place, each)}, a link to a folder: put the folder itself "
                        "there, or name it as an input of its own"
                    )
            for each in files:
                file, found = Path(place, each), True
                if not stat.S_ISREG(file.stat().st_mode):
                    raise ConfigError(f"inputs.{name}={path} holds {file}, which is no file: remove it, or name a part")
                yield os.fsencode(file.relative_to(path).as_posix()), file
    except FileNotFoundError as error:
        place = "" if error.filename == str(path) else f" because {error.filename} leads nowhere"
        raise ConfigError(f"inputs.{name}={path} is not there{place}: fetch it, or give the path to it") from error
    except OSError as error:
        raise ConfigError(f"inputs.{name}={path} cannot be read: {error.filename}: {error.strerror}") from error
    if not found:
        raise ConfigError(f"inputs.{name}={path} holds no file: fetch what belongs there, or give another path")


def _raise(error: OSError) -> None:
    raise error
