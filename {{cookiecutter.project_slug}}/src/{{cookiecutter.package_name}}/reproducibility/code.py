"""The code of a run: the files that it consists of, and those that were edited while it ran."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from ..files import file_digest

# Besides the code: files that decide what a training does and how it is started.
_SETTINGS = ["configs/**/*", "params.yaml", "dvc.yaml", "dvc.lock", "pyproject.toml", "Makefile", "*.mk"]
_SETTINGS += ["requirements*.txt", "uv.lock", "poetry.lock", "environment.yml"]


def code_digests(project: Path = Path()) -> dict[str, str]:
    """Return the SHA-256 of every code file, by its path: the scripts, and everything in src/.

    Hidden files and files that Python generates are not code. If there is no src/, as in an image, the installed
    package is used instead.
    """
    source, package = project / "src", Path(__file__).parents[1]
    root, found = (source, _files(source)) if source.is_dir() else (package.parent, _files(package))
    paths = {path.relative_to(project): path for path in project.glob("*.py")}
    paths |= {"src" / path.relative_to(root): path for path in found}
    return {name.as_posix(): file_digest(paths[name]) for name in sorted(paths) if not _is_no_code(name)}


def deciding_digests(project: Path = Path()) -> dict[str, str]:
    """Return the SHA-256 of the code, and of the files that decide what it does: settings, stages and locks."""
    found = {path.relative_to(project) for pattern in _SETTINGS for path in project.glob(pattern) if path.is_file()}
    settings = sorted(path for path in found if not _is_no_code(path))
    return code_digests(project) | {path.as_posix(): file_digest(project / path) for path in settings}


@cache
def at_start() -> dict[str, str]:
    """Return the digests of the code when this process first asked, before it loaded most of the code."""
    return code_digests()


def edited_since_start() -> list[str]:
    """Return the code files that have changed since this process started."""
    before, now = at_start(), code_digests()
    return sorted(name for name in before | now if before.get(name) != now.get(name))


def edited(record: dict[str, Any]) -> list[str]:
    """Return the code files that were edited while a run trained, according to its record."""
    return sorted({name for session in record["sessions"] for name in session.get("edited", [])})


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder. Links to folders are followed once, as imports follow them."""
    seen = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        place = os.path.realpath(parent)
        if place in seen:
            folders.clear()
            continue
        seen.add(place)
        yield from (path for name in names if (path := Path(parent, name)).is_file())


def _is_no_code(path: Path) -> bool:
    made = path.suffix == ".pyc" or any(part.endswith(".egg-info") for part in path.parts)
    return made or any(part.startswith(".") for part in path.parts)
