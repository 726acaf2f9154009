"""The code of a run: the files that it consists of, those that decide its bits, and those edited while it ran.

`decides` is the one definition of the code of a run. Resume, comparison, drift, studies, the checklist and, through
`code.yaml`, DVC all ask it.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from ..files import file_digest
from ..packages import own_packages

# Besides the code: files that decide what a training does and how it is started.
_SETTINGS = ["configs/**/*", "params.yaml", "dvc.yaml", "dvc.lock", "pyproject.toml", "Makefile", "*.mk"]
_SETTINGS += ["requirements*.txt", "uv.lock", "poetry.lock", "environment.yml"]

MACHINERY = Path(__file__).parents[1].name  # its folder in src/; whatever else is there is the user's
_SCRIPTS = ("configure.py", "document.py", "evaluate.py")  # which run before or after a training
_ABOUT_RUNS = "is about runs that have finished"
_SAYS = "says what happens, and decides nothing"
_NAMES_INPUTS = "writes into the record what a run stands on, and trains nothing"
# Rooms and files of the machinery that leave a run's bits alone, and why. What is not here decides.
DECIDES_NOTHING = {
    **dict.fromkeys(("cards", "checklist", "cli", "release", "report", "serving", "verify"), _ABOUT_RUNS),
    **dict.fromkeys(("README.md", "__main__.py", "errors.py", "logs.py", "markdown.py"), _SAYS),
    "config/explain.py": _SAYS,
    "config/trust": "refuses runs of strangers, and changes none",
    **dict.fromkeys(("evaluation/directions.py", "evaluation/worst.py"), _ABOUT_RUNS),
    "evaluation/figures.py": "draws what evaluation/classification.py has computed",
    "locks": "compares the lock with pyproject.toml before anything runs",
    "runs/params.py": "writes params.yaml and code.yaml, whose values the record has",
    "runs/tracked.py": "notes what trackers have",
    "runs/integrity.py": "compares the files of a run with its record",
    **{f"runs/{name}.py": _NAMES_INPUTS for name in ("content", "environment", "git", "held", "inputs", "named")},
    "runs/overwritten.py": _NAMES_INPUTS,
    **{f"runs/{name}.py": _NAMES_INPUTS for name in ("snapshot", "source", "submodules")},
    **{f"runs/{name}": "describes the record" for name in ("schema.py", "run.schema.json")},
    "tracking": "sends copies; the configuration of a tracker is not compared either",
    "training/describe.py": _NAMES_INPUTS,
    "tuning": "chooses the settings of many runs, each of which its record has",
}


def decides(name: str) -> bool:
    """Whether a file of the code decides the bits of a run: all of the user's, and these rooms of the machinery.

    Args:
        name: its path in the project, as in `src/package/models/cnn.py`.
    """
    path = PurePosixPath(name)
    if path.parts[:2] != ("src", MACHINERY):  # the user's
        return name not in _SCRIPTS
    inside = PurePosixPath(*path.parts[2:])
    return not any(str(place) in DECIDES_NOTHING for place in (inside, *inside.parents))


def deciding_code(digests: dict[str, str]) -> dict[str, str]:
    """Return the digests of those files that decide the bits of a run."""
    return {name: digest for name, digest in digests.items() if decides(name)}


def summed_up(parts: dict[str, Any]) -> str:
    """Return one digest of several, or of settings, by their names: SHA-256, in hexadecimal digits."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def code_digests(project: Path = Path()) -> dict[str, str]:
    """Return the SHA-256 of every code file, by its path: the scripts, and everything in src/.

    Hidden files and files that Python generates are not code. If there is no src/, as in an image, the installed
    packages are used instead.
    """
    source = project / "src"
    folders = [source] if source.is_dir() else list(own_packages(project).values())
    paths = {path.relative_to(project): path for path in project.glob("*.py")}
    for folder in folders:
        root = folder if folder == source else folder.parent
        paths |= {"src" / path.relative_to(root): path for path in _files(folder)}
    return {name.as_posix(): file_digest(paths[name]) for name in sorted(paths) if not _is_no_code(name)}


def deciding_digests(project: Path = Path()) -> dict[str, str]:
    """Return the SHA-256 of the whole code, and of the files that decide what it does: settings, stages and locks."""
    found = {path.relative_to(project) for pattern in _SETTINGS for path in project.glob(pattern) if path.is_file()}
    settings = sorted(path for path in found if not _is_no_code(path))
    return code_digests(project) | {path.as_posix(): file_digest(project / path) for path in settings}


@cache
def at_start() -> dict[str, str]:
    """Return the digests of the code when this process first asked, before it loaded most of the code."""
    return code_digests()


def edited_since_start() -> list[str]:
    """Return the files of the code of a run that have changed since this process started."""
    before, now = deciding_code(at_start()), deciding_code(code_digests())
    return sorted(name for name in before | now if before.get(name) != now.get(name))


def edited(record: dict[str, Any]) -> list[str]:
    """Return the files of code and data that were edited while a run trained, according to its record."""
    return sorted({name for session in record["sessions"] for name in session["edited"]})


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
