"""The code of a run: the commit, what differs from it as a patch, and the way back from both to a folder."""

import hashlib
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

PATCH = "changes.patch"
_LARGEST = 5_000_000  # bytes of a file that git does not know; larger ones are data, which DVC keeps
_PRIVATE = re.compile(
    r"\.env.*|id_[a-z0-9]+|.*\.(pem|key|p12|pfx|keystore)|.*credential.*|\.netrc|\.pgpass", re.IGNORECASE
)


def code_digests() -> dict[str, str]:
    """Return the SHA-256 of every Python file of the project, by its path."""
    paths = [*Path().glob("*.py"), *Path("src").rglob("*.py")]
    return {path.as_posix(): file_digest(path) for path in sorted(paths)}


def describe() -> tuple[dict[str, Any] | None, bytes]:
    """Return the state of git, and the patch that leads from the commit to the files as they are.

    The patch covers changed, deleted, binary and new files of the project that git does not ignore. Left out, and
    named, are large new files and those that hold a secret or are named like one.
    Returns None and no patch where there is no repository or no commit yet.
    """
    commit = _git("rev-parse", "--verify", "--quiet", "HEAD", check=False)
    if commit is None:
        return None, b""
    with tempfile.TemporaryDirectory() as folder:
        real = Path(_text("rev-parse", "--git-path", "objects")).resolve()
        index = Path(folder, "index")  # everything happens in a copy, so the user's staging area stays as it is
        environment = {
            "GIT_INDEX_FILE": str(index),
            "GIT_OBJECT_DIRECTORY": folder,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(real),
        }
        current = Path(_text("rev-parse", "--git-path", "index"))
        if current.exists():
            shutil.copy(current, index)
        left_out = _left_out()
        excluded = [f":(exclude,literal){item['path']}" for item in left_out]
        _git("add", "--all", "--", ".", *excluded, environment=environment)
        patch = _git(
            "diff", "--cached", "--binary", "--no-ext-diff", "--no-color", "HEAD", "--", ".", environment=environment
        )
    assert patch is not None
    return {
        "commit": commit.decode().strip(),
        "branch": _text("rev-parse", "--abbrev-ref", "HEAD"),
        "folder": _text("rev-parse", "--show-prefix"),  # of the project inside the repository
        "dirty": bool(patch),
        "patch_sha256": hashlib.sha256(patch).hexdigest(),
        "left_out": left_out,
    }, patch


def _left_out() -> list[dict[str, Any]]:
    """Return the changed and new files that the patch must not hold, each with the reason."""
    found = []
    new = set(_text("ls-files", "-z", "--others", "--exclude-standard").split("\0"))
    for name in sorted(new | set(_text("ls-files", "-z", "--modified").split("\0"))):
        path = Path(name)
        if not name or not path.is_file():
            continue
        if name in new and path.stat().st_size > _LARGEST:
            reason = "large"
        elif name in new and _PRIVATE.fullmatch(path.name):
            reason = "named like a secret"
        elif any(secret.encode() in path.read_bytes() for secret in secrets.values()):
            reason = "holds a secret"
        else:
            continue
        found.append({"path": name, "reason": reason})
    return found


def check_out(git: dict[str, Any], patch: Path, folder: Path) -> Path:
    """Write the code of a record into `folder` and return the project's own folder inside.

    Raises:
        RecordError: the commit is not in this repository, or the patch is damaged or does not apply.
    """
    commit = git["commit"]
    if not re.fullmatch(r"[0-9a-f]{40,64}", commit):
        raise RecordError(f"git.commit={commit} in the record is not a commit: the record is damaged")
    if _git("cat-file", "-e", f"{commit}^" + "{commit}", check=False) is None:
        raise RecordError(
            f"the commit {commit[:12]} is not in this repository: git fetch it, or verify in a clone that has it"
        )
    repository = _text("rev-parse", "--show-toplevel")
    _git("clone", "--quiet", "--shared", "--no-checkout", "--", repository, str(folder))
    _git("-C", str(folder), "checkout", "--quiet", "--detach", commit)
    if git["dirty"]:
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


def _text(*arguments: str) -> str:
    return (_git(*arguments) or b"").decode().strip()


def _git(*arguments: str, check: bool = True, environment: dict[str, str] | None = None) -> bytes | None:
    """Return what git prints, or None where it fails and that is no error."""
    try:
        result = subprocess.run(["git", *arguments], capture_output=True, env={**os.environ, **(environment or {})})
    except FileNotFoundError as error:
        if not check:
            return None
        raise RecordError("git is not installed: install it, so that the record can name the code of a run") from error
    if result.returncode == 0:
        return result.stdout
    if not check:
        return None
    raise RecordError(f"git {arguments[0]} failed: {result.stderr.decode(errors='replace').strip()}")
