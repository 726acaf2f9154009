"""The code of a run: the commit, what differs from it as a patch, and the way back from both to a folder."""

import hashlib
import logging
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from .. import secrets
from ..errors import RecordError
from ..files import file_digest

log = logging.getLogger(__name__)

PATCH = "changes.patch"
_LARGEST = 5_000_000  # bytes of a file that git does not know; larger ones are data, which DVC keeps
_COMMIT = re.compile(r"[0-9a-f]{40,64}")
_EMPTY = hashlib.sha256(b"").hexdigest()
# The user's own settings of git must not change what a patch looks like.
_PLAIN = ["--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", "--no-relative", "--submodule=short"]
_PLAIN += ["--full-index", "--src-prefix=a/", "--dst-prefix=b/"]


def code_digests() -> dict[str, str]:
    """Return the SHA-256 of every file that the code consists of, by its path: the scripts, and all that is in src/.

    Where there is no src/, as in an image, the installed package stands for it.
    """
    source, package = Path("src"), Path(__file__).parents[1]
    root, found = (source, source.rglob("*")) if source.is_dir() else (package.parent, package.rglob("*"))
    paths = {path: path for path in Path().glob("*.py")}
    paths |= {source / path.relative_to(root): path for path in found if path.is_file()}
    return {name.as_posix(): file_digest(paths[name]) for name in sorted(paths) if not _made_by_python(name)}


def _made_by_python(path: Path) -> bool:
    return path.suffix == ".pyc" or any(part.endswith(".egg-info") for part in path.parts)


def describe() -> tuple[dict[str, Any] | None, bytes]:
    """Return the state of git, and the patch that leads from the commit to the files as they are.

    The patch covers changed, deleted, binary and new files of the project that git does not ignore. Left out, and
    named, are large new files, other repositories and runs, and what holds a secret or is named like one.
    In an image, which holds no repository, its build has named the commit.
    Returns None and no patch, with a warning, where the code cannot be named.
    """
    try:
        commit = _text("rev-parse", "--verify", "HEAD")
    except RecordError as error:
        if image := _described_by_image():
            return image, b""
        log.warning("the record cannot name the code, so this run cannot be verified: %s", error)
        return None, b""
    with tempfile.TemporaryDirectory() as folder:
        environment = _copy_of_index(Path(folder))
        # what git cannot read or add is missing from the index, and so is found to be left out below
        _git("add", "--all", "--ignore-errors", "--", ".", check=False, environment=environment)
        left_out = _left_out(environment)
        paths = [".", *(f":(exclude,literal){name}" for name in left_out)]
        patch = _git("diff", "--cached", "--binary", *_PLAIN, "HEAD", "--", *paths, environment=environment)
    assert patch is not None
    for name, reason in left_out.items():
        log.warning("%s is not in the record: it is %s", name, reason)
    return {
        "commit": commit,
        "branch": _text("rev-parse", "--abbrev-ref", "HEAD"),
        "folder": _text("rev-parse", "--show-prefix"),  # of the project inside the repository
        "dirty": bool(patch or left_out),
        "patch_sha256": hashlib.sha256(patch).hexdigest(),
        "left_out": [{"path": _printable(name), "reason": reason} for name, reason in left_out.items()],
    }, patch


def _described_by_image() -> dict[str, Any] | None:
    """Return the commit that an image was built from, or None where its files differed from it (`<commit>-dirty`)."""
    commit = os.environ.get("IMAGE_REVISION", "")
    if not _COMMIT.fullmatch(commit):
        return None
    place = {"commit": commit, "branch": "HEAD", "folder": os.environ.get("IMAGE_FOLDER", "")}
    return {**place, "dirty": False, "patch_sha256": _EMPTY, "left_out": []}


def _copy_of_index(folder: Path) -> dict[str, str]:
    """Return variables that have git work on a copy, so that the user's staging area and objects stay as they are."""
    index, current = folder / "index", Path(_text("rev-parse", "--git-path", "index"))
    if current.exists():
        shutil.copy(current, index)
    objects = Path(_text("rev-parse", "--git-path", "objects")).resolve()
    return {
        "GIT_INDEX_FILE": str(index),
        "GIT_OBJECT_DIRECTORY": str(folder),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(objects),
    }


def _left_out(environment: dict[str, str]) -> dict[str, str]:
    """Return the changes that the patch must not or cannot hold: path -> reason."""

    def listed(command: str, *arguments: str) -> set[str]:
        return set(os.fsdecode(_git(command, "-z", *arguments, environment=environment) or b"").split("\0")) - {""}

    changed = listed("diff", "--cached", "--name-only", *_PLAIN, "--relative", "HEAD", "--", ".")
    new = listed("diff", "--cached", "--name-only", "--diff-filter=A", *_PLAIN, "--relative", "HEAD", "--", ".")
    unread = listed("ls-files", "--others", "--modified", "--exclude-standard")
    found = {}
    for name in sorted(changed | unread):
        path = Path(name)
        if name in unread:
            reason = "unreadable for git"
        elif path.is_dir():
            reason = "another repository"
        elif name in new and any((parent / "run.json").exists() for parent in path.parents[:-1]):
            reason = "part of another run"
        elif name in new and path.exists() and path.stat().st_size > _LARGEST:
            reason = "large"
        elif name in new and secrets.is_private(path):
            reason = "named like a secret"
        elif _holds_secret(name, environment):
            reason = "holding a secret"
        else:
            continue
        found[name] = reason
    return found


def _printable(name: str) -> str:
    return name.encode(errors="replace").decode()  # a name need not be text


def _holds_secret(name: str, environment: dict[str, str]) -> bool:
    """Whether a file holds a secret, as it is or as it was: a patch shows both."""
    before, now = (_git("show", f"{place}:./{name}", check=False, environment=environment) for place in ("HEAD", ""))
    return secrets.holds_secret(now or b"", before or b"")


def check_out(git: dict[str, Any], patch: Path, folder: Path) -> Path:
    """Write the code of a record into `folder` and return the project's own folder inside.

    Raises:
        RecordError: the commit is not in this repository, or the patch is damaged or does not apply.
    """
    commit = git["commit"]
    if not _COMMIT.fullmatch(commit):
        raise RecordError(f"git.commit={commit} in the record is not a commit: the record is damaged")
    if _git("cat-file", "-e", f"{commit}^" + "{commit}", check=False) is None:
        raise RecordError(
            f"the commit {commit[:12]} is not in this repository: git fetch it, or verify in a clone that has it"
        )
    repository = _text("rev-parse", "--show-toplevel")
    _git("clone", "--quiet", "--shared", "--no-checkout", "--", repository, str(folder))
    _git("-C", str(folder), "checkout", "--quiet", "--detach", commit)
    if git["patch_sha256"] != _EMPTY:
        if not patch.is_file() or file_digest(patch) != git["patch_sha256"]:
            raise RecordError(f"{patch} is missing or is not the patch that the record names")
        if (
            _git("-C", str(folder), "apply", "--binary", "--whitespace=nowarn", str(patch.resolve()), check=False)
            is None
        ):
            raise RecordError(f"{patch} does not apply to the commit {commit[:12]}")
    return folder / git["folder"]


def changed_lines(first: Path, second: Path, path: str) -> list[str]:
    """Return the lines of one file that differ between two folders, as `git diff` marks them with - and +."""
    names = [str(folder / path) for folder in (first, second)]
    command = ["git", "diff", "--no-index", "--unified=0", "--no-color", "--", *names]
    text = subprocess.run(command, capture_output=True, text=True).stdout  # exits with 1 where there is a difference
    return [line for line in text.splitlines()[4:] if line.startswith(("-", "+"))]


def _text(*arguments: str, environment: dict[str, str] | None = None) -> str:
    return os.fsdecode(_git(*arguments, environment=environment) or b"").strip()


def _git(*arguments: str, check: bool = True, environment: dict[str, str] | None = None) -> bytes | None:
    """Return what git prints, or None where it fails and that is no error.

    Raises:
        RecordError: git fails, or is not installed.
    """
    try:
        result = subprocess.run(["git", *arguments], capture_output=True, env={**os.environ, **(environment or {})})
    except FileNotFoundError as error:
        raise RecordError("git is not installed: install it, so that the record can name the code of a run") from error
    if result.returncode == 0:
        return result.stdout
    if not check:
        return None
    raise RecordError(f"git {arguments[0]} says: {' '.join(os.fsdecode(result.stderr).split())}")
