"""Which runs can be given to others, in an archive or on the Hugging Face Hub."""

import shlex
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ..errors import RecordError
from ..names import MODEL
from ..verify.verify import finished


def shareable(folder: Path) -> dict[str, Any]:
    """Return the record of a run that others can use.

    Raises:
        RecordError: there is no finished run, it names no commit, its model is missing, a file is not the one that its
            record names, or the record would tell where the home folder is.
    """
    found = finished(folder)
    if not (folder / MODEL).exists():
        raise RecordError(f"{folder / MODEL} is missing: fetch it from where the run was made, or dvc pull")
    refuse_home(found["config"].get("inputs", {}), found["data"].get("files", {}))
    return found


def refuse_home(inputs: dict[str, str], files: Collection[str] = ()) -> None:
    """Refuse to publish where an input lies in somebody's home folder: record and model file name the path.

    Args:
        inputs: name -> path.
        files: what arguments of data and task name.
    """
    named = [(f"inputs.{name}={path}", path) for name, path in inputs.items()] + [(path, path) for path in files]
    for what, path in named:
        if Path(path).is_absolute() and Path(path).is_relative_to(Path.home()):
            link = f"data/external/{Path(path).name}"
            raise RecordError(
                f"{what} would show your home folder to everyone: put a link to it into the project, "
                f"ln -s {shlex.quote(path)} {shlex.quote(link)}, name that instead, and train again"
            )
