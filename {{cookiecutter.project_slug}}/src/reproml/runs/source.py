"""The code of a record as a folder: the commit, and the patch that leads from it to the files that ran."""

import hashlib
import re
import subprocess
from pathlib import Path
from typing import Any

from ..errors import RecordError
from ..files import file_digest
from .git import output as _git
from .git import text as _text
from .submodules import check_out_submodules

COMMIT = re.compile(r"[0-9a-f]{40,64}")
EMPTY = hashlib.sha256(b"").hexdigest()  # of an empty patch


def has_patch(git: dict[str, Any] | None, patch: Path) -> bool:
    """Whether a patch is the one that a record names. Where that is empty, there may be no file."""
    recorded = git["patch_sha256"] if git else EMPTY
    return file_digest(patch) == recorded if patch.is_file() else recorded == EMPTY


def check_out(git: dict[str, Any], patch: Path, folder: Path) -> Path:
    """Write the code of a record into `folder` and return the project's own folder inside.

    Raises:
        RecordError: the commit is not in this repository, the patch is damaged or does not apply, or it lacks the
            folder that the record names.
    """
    commit = git["commit"]
    if _git("cat-file", "-e", "--end-of-options", f"{commit}^" + "{commit}", check=False) is None:
        raise RecordError(
            f"the commit {commit[:12]} is not in this repository: git fetch it, or verify in a clone that has it"
        )
    repository = _text("rev-parse", "--show-toplevel")
    _git("clone", "--quiet", "--shared", "--no-checkout", "--", repository, str(folder))
    _git("-C", str(folder), "checkout", "--quiet", "--detach", commit, "--")
    project = folder / git["folder"]
    if project.is_dir() and project.resolve().is_relative_to(folder.resolve()):  # else the patch may have to make it
        check_out_submodules(Path(repository, git["folder"]), project, commit)
    if not has_patch(git, patch):
        raise RecordError(f"{patch} is missing or is not the patch in the record")
    apply = ("apply", "--binary", "--whitespace=nowarn", "--", str(patch.resolve()))
    if git["patch_sha256"] != EMPTY and _git("-C", str(folder), *apply, check=False) is None:
        raise RecordError(f"{patch} does not apply to the commit {commit[:12]}")
    if not project.is_dir() or not project.resolve().is_relative_to(folder.resolve()):
        raise RecordError(f"git.folder={git['folder']} is not a folder of the commit {commit[:12]}")
    return project


def changed_lines(first: Path, second: Path, path: str) -> list[str]:
    """Return the lines of one file that differ between two folders, as `git diff` marks them with - and +."""
    names = [str(folder / path) for folder in (first, second)]
    command = ["git", "diff", "--no-index", "--unified=0", "--no-color", "--", *names]
    text = subprocess.run(command, capture_output=True, text=True).stdout  # exits with 1 where there is a difference
    return [line for line in text.splitlines()[4:] if line.startswith(("-", "+"))]
