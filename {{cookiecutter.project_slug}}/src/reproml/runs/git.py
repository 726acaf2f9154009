"""Git for records: every error is one sentence. `programs.git` is for questions that may go unanswered."""

import os
import subprocess
from pathlib import Path

from ..errors import RecordError

# Git's caches of the working tree must not hide a changed file from a record.
_HONEST = ["-c", "core.fsmonitor=false", "-c", "core.untrackedCache=false"]
# Git gives these to its hooks. A checkout elsewhere would be made in the repository that they name, the user's own.
_OF_A_HOOK = {"GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_PREFIX"}
_OF_A_HOOK |= {"GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES"}


def output(
    *arguments: str,
    check: bool = True,
    environment: dict[str, str] | None = None,
    content: bytes | None = None,
    folder: Path = Path(),
) -> bytes | None:
    """Return what git prints, or None if it fails and that is not an error.

    Args:
        arguments: of git.
        check: whether a failure is an error.
        environment: variables besides those of this process.
        content: what git reads from its standard input.
        folder: where it is started.

    Raises:
        RecordError: git fails, or is not installed.
    """
    outer = {name: value for name, value in os.environ.items() if name not in _OF_A_HOOK}
    variables = {**outer, **(environment or {})}
    try:
        result = subprocess.run(
            ["git", *_HONEST, *arguments], capture_output=True, cwd=folder, env=variables, input=content
        )
    except FileNotFoundError as error:
        raise RecordError("git is not installed: install it, so that the record can name the code of a run") from error
    if result.returncode == 0:
        return result.stdout
    if not check:
        return None
    raise RecordError(f"git {arguments[0]} says: {' '.join(os.fsdecode(result.stderr).split())}")


def text(*arguments: str, environment: dict[str, str] | None = None, folder: Path = Path()) -> str:
    """Return what git prints, as text without the space around it.

    Raises:
        RecordError: see `output`.
    """
    return os.fsdecode(output(*arguments, environment=environment, folder=folder) or b"").strip()


def names(listed: bytes | None) -> list[str]:
    """Return the paths that git lists with `-z`."""
    return [name for name in os.fsdecode(listed or b"").split("\0") if name]


def not_committed(changes: list[str]) -> str:
    """Return how many changes are not committed, as `1 change is not committed, such as that of train.py`.

    Args:
        changes: the lines of `git status --porcelain`, at least one.
    """
    many = "1 change is" if len(changes) == 1 else f"{len(changes)} changes are"
    return f"{many} not committed, such as that of {changes[0][3:]}"
