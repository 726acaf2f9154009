"""Files and folders outside of the data that decide about a run: pretrained weights, a tokenizer, a list of words.

The key `inputs` of the configuration names them, and classes get their paths from there: `${inputs.words}`. The record
holds one SHA-256 for each, of a folder too, so it says what was read, wherever it lies.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..config import trust
from ..errors import ConfigError, RecordError
from ..names import RECORD
from .content import Unreadable, content_digest, files_in
from .imported import stage, watched_places
from .named import bring


def check_inputs(inputs: dict[str, str]) -> None:
    """Check that each input is there, can be read, and is seen by the current DVC stage, without reading its content.

    Raises:
        ConfigError: one is not.
    """
    for name, path in inputs.items():
        with _named(name, path):
            for _, file in files_in(Path(path)):
                if not os.access(file, os.R_OK):
                    raise Unreadable(f"cannot be read: give yourself permission to read {file}")
        check_seen(path, f"inputs.{name}={path}")


def check_seen(path: str, what: str) -> None:
    """Check that the current DVC stage, if any, runs again after a file or folder has changed.

    Args:
        path: of it.
        what: begins the sentence.

    Raises:
        ConfigError: it does not.
    """
    watched = watched_places()
    if watched is not None and not any(Path(path).resolve().is_relative_to(place) for place in watched):
        raise ConfigError(
            f"{what}: `dvc repro` would not see a change there; add it to the deps of the stage {stage()} in dvc.yaml"
        )


def digests(inputs: dict[str, str]) -> dict[str, str]:
    """Return the SHA-256 of each input, see content.py.

    Raises:
        ConfigError: an input is not there, or a part of it cannot be read.
    """
    found = {}
    for name, path in inputs.items():
        with _named(name, path):
            found[name] = content_digest(Path(path))
    return found


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
                f"{recorded[name][:12]}; restore it, or train again"
            )


def locate(before: dict[str, Any], project: Path) -> dict[str, str]:
    """Return where the inputs of a run are: in a checkout of its code, or else here.

    What lies inside the project and is not part of the commit is linked into the checkout: a path in params.yaml has
    been resolved, so the pipeline's configuration can name it in other places, too.

    Args:
        before: the record of the run.
        project: the checkout.

    Raises:
        ConfigError: one is not there, or lies where only the record says so.
        RecordError: one has another content than the one in the record, or the record does not name its content.
    """
    recorded, named = before["inputs"], before["config"].get("inputs", {})
    if set(recorded) != set(named):
        raise RecordError("the record does not hold a digest for each of its inputs: fetch it from where it was made")
    trust.check_inputs(named, Path(RECORD))
    found = {}
    for name, path in named.items():
        place = project / path
        linked = not Path(path).is_absolute() and place.resolve() == Path(path).resolve()  # by an earlier call
        within = linked or place.resolve().is_relative_to(project.resolve())
        refuse_changed({name: recorded[name]}, {name: str(place) if within and place.exists() else path})
        if within and not place.exists():
            bring({path: recorded[name]}, project)
        found[name] = path if within else str(Path(path).resolve())
    return found


@contextmanager
def _named(name: str, path: str) -> Iterator[None]:
    try:
        yield
    except Unreadable as error:
        raise ConfigError(f"inputs.{name}={path} {error}") from error
