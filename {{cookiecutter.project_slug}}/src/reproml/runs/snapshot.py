"""The state of the code when a run starts: the commit, and what differs from it as a patch."""

import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .. import secrets
from ..errors import RecordError
from ..names import RECORD
from . import git
from .code import deciding_digests
from .held import own_index, unheld
from .source import COMMIT, EMPTY

log = logging.getLogger(__name__)

_LARGEST = 5_000_000  # bytes of a file that git does not know; larger ones are data, which DVC keeps
# The user's own settings of git must not change what a patch looks like.
_PLAIN = ["--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", "--no-relative", "--submodule=short"]
_PLAIN += ["--full-index", "--src-prefix=a/", "--dst-prefix=b/"]


def describe(
    beside: Mapping[str, str] | None = None, elsewhere: Iterable[str] = ()
) -> tuple[dict[str, Any] | None, bytes]:
    """Return the state of git, and the patch that leads from the commit to the files as they are.

    The patch covers changed, deleted, binary and new files of the project. It includes files that git ignores or was
    told to skip, if they are code or decide what the code does. Large new files, other repositories and runs, and files
    that hold a secret or are named like one are left out and named.
    In an image, which holds no repository, the build has named the commit.
    Returns None and no patch, with a warning, if the code cannot be named.

    Args:
        beside: SHA-256 of the files of the project outside of src/ that run, by their paths: see runs/imported.py.
        elsewhere: names of the packages that run and are not part of the project; no patch can hold them.
    """
    try:
        commit = git.text("rev-parse", "--verify", "HEAD")
    except RecordError as error:
        if image := _described_by_image():
            return image, b""
        log.warning("the record cannot name the code, so this run cannot be verified: %s", error)
        return None, b""
    with tempfile.TemporaryDirectory() as folder:
        environment = _copy_of_index(Path(folder))
        deciding = deciding_digests() | dict(beside or {})
        _add_all(deciding, environment)
        left_out = _left_out(environment)
        left_out |= _out_of_reach(deciding, environment, left_out)
        paths = [".", *(f":(exclude,literal){name}" for name in left_out)]
        patch = git.output("diff", "--cached", "--binary", *_PLAIN, "HEAD", "--", *paths, environment=environment)
    assert patch is not None
    left_out |= dict.fromkeys(elsewhere, "a package from outside of the project")
    for name, reason in left_out.items():
        log.warning("%s is not in the record: it is %s", name, reason)
    return {
        "commit": commit,
        "branch": git.text("rev-parse", "--abbrev-ref", "HEAD"),
        "folder": git.text("rev-parse", "--show-prefix"),  # of the project inside the repository
        "dirty": bool(patch or left_out),
        "patch_sha256": hashlib.sha256(patch).hexdigest(),
        "left_out": [{"path": _printable(name), "reason": reason} for name, reason in left_out.items()],
    }, patch


def _described_by_image() -> dict[str, Any] | None:
    """Return the commit that an image was built from, or None if its files differed from it (`<commit>-dirty`)."""
    commit = os.environ.get("IMAGE_REVISION", "")
    if not COMMIT.fullmatch(commit):
        return None
    place = {"commit": commit, "branch": "HEAD", "folder": os.environ.get("IMAGE_FOLDER", "")}
    return {**place, "dirty": False, "patch_sha256": EMPTY, "left_out": []}


def _copy_of_index(folder: Path) -> dict[str, str]:
    """Return variables that make git work on a copy: the user's staging area and objects stay as they are."""
    current = Path(git.text("rev-parse", "--git-path", "index"))
    if current.exists():
        shutil.copy(current, folder / "index")
    return own_index(folder)


def _add_all(deciding: dict[str, str], environment: dict[str, str]) -> None:
    """Put the current files into the index: all that git sees, and those that decide the run even if git does not.

    Files that git cannot read or add stay out, and are found to be left out.
    """
    listed = git.output("ls-files", "-v", "-z", environment=environment)
    flags = {name[2:]: name[0] for name in git.names(listed)}  # in lower case: assumed unchanged; S: skip-worktree
    assumed = [name for name, flag in flags.items() if flag.islower()]
    skipped = [
        name for name, flag in flags.items() if flag in "Ss" and os.path.lexists(name)
    ]  # not those that a sparse checkout lacks
    for names, flag in ((assumed, "--no-assume-unchanged"), (skipped, "--no-skip-worktree")):
        git.output("update-index", flag, "-z", "--stdin", environment=environment, content=_joined(names))
    git.output("add", "--all", "--ignore-errors", "--", ".", check=False, environment=environment)
    hidden = unheld(deciding, None, environment=environment)
    reachable = [name for name in hidden if not any(_leads_away(parent) for parent in Path(name).parents)]
    # out of the index first: git sees no change in a file of the same size and time
    git.output("update-index", "--force-remove", "-z", "--stdin", environment=environment, content=_joined(reachable))
    add = ["--literal-pathspecs", "add", "--force", "--ignore-errors", "--pathspec-from-file=-", "--pathspec-file-nul"]
    if reachable:
        git.output(*add, check=False, environment=environment, content=_joined(reachable))


def _joined(names: list[str]) -> bytes:
    return b"".join(os.fsencode(name) + b"\0" for name in names)


def _leads_away(folder: Path) -> bool:
    """Whether what is in a folder of the project belongs to another repository, or is behind a link."""
    return folder != Path() and (folder.is_symlink() or (folder / ".git").exists())


def _out_of_reach(deciding: dict[str, str], environment: dict[str, str], known: dict[str, str]) -> dict[str, str]:
    """Return what decides the run, is not in the index, and is not known to be left out: path -> reason."""
    found = {}
    for name in unheld(deciding, None, environment=environment):
        path = Path(name)
        if any(str(place) in known for place in (path, *path.parents)):
            continue
        repository = next((parent for parent in path.parents[:-1] if (parent / ".git").exists()), None)
        if any(place.is_symlink() for place in (path, *path.parents[:-1])):
            found[name] = "behind a link to what git does not hold"
        elif repository is None:
            found[name] = "hidden from git"
        elif (repository / ".git").is_dir():
            found[repository.as_posix()] = "another repository"
        else:
            found[name] = "changed in a submodule"
    return found


def _left_out(environment: dict[str, str]) -> dict[str, str]:
    """Return the changes that the patch must not or cannot hold: path -> reason."""

    def listed(command: str, *arguments: str) -> set[str]:
        return set(os.fsdecode(git.output(command, "-z", *arguments, environment=environment) or b"").split("\0")) - {
            ""
        }

    changed = listed("diff", "--cached", "--name-only", *_PLAIN, "--relative", "HEAD", "--", ".")
    new = listed("diff", "--cached", "--name-only", "--diff-filter=A", *_PLAIN, "--relative", "HEAD", "--", ".")
    unread = listed("ls-files", "--others", "--modified", "--exclude-standard")
    found = {}
    for name in sorted(changed | unread):
        path = Path(name)
        if name in unread:
            reason = "unreadable for git"
        elif path.is_dir() and not path.is_symlink():
            reason = "another repository"
        elif name in new and any((parent / RECORD).exists() for parent in path.parents[:-1]):
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
    places = ("HEAD", "")
    before, now = (git.output("show", f"{at}:./{name}", check=False, environment=environment) for at in places)
    return secrets.holds_secret(now or b"", before or b"")
