"""The two tags of a version, for the code and for the model: written together, and completed if one is missing.

Both tags are first made as objects, still invisible, and then named in one transaction of git. A kill before it leaves
no version. If a kill during it leaves only one of the two, or somebody removed one, the same release adds the other.
"""

import shlex
from collections.abc import Callable
from pathlib import Path

from ..programs import ProgramError, git, tell_git
from .version import ReleaseError, released


def missing(project: Path, tags: list[str], message: Callable[[], str]) -> list[str]:
    """Return which tags of a version are still to be written: both, or the one that an interrupted release left out.

    Args:
        project: folder of the project.
        tags: that of the code and that of the model.
        message: returns the message of both tags, which also identifies a tag that exists already.

    Raises:
        ReleaseError: the version exists, here or in a remote repository that can be reached, this commit has another
            version, or GTO could not read the tag of the model.
    """
    from gto.exceptions import GTOException
    from gto.tag import parse_name

    try:
        parse_name(tags[1])
    except GTOException as error:
        raise ReleaseError(f"GTO refuses {tags[1]} ({error}): give the folder of the project another name") from error
    here = set((git(project, "tag", "--list") or "").splitlines())
    there: set[str] = set()
    for remote in (git(project, "remote") or "").split():  # asked if it can be reached
        listed = (git(project, "ls-remote", "--tags", remote) or "").splitlines()
        there |= {line.partition("refs/tags/")[2] for line in listed}
    found = [tag for tag in tags if tag in here]
    if len(found) == 1:
        [lost] = [tag for tag in tags if tag not in found]
        if lost not in there and _is_of(project, found[0], message()):
            return [lost]
        raise ReleaseError(
            f"{found[0]} exists without {lost}, probably from an interrupted release of another model: choose the next "
            f"version, or, if nobody needs the tag, remove it with git tag --delete {found[0]}"
        )
    if existing := [tag for tag in tags if tag in here | there]:
        raise ReleaseError(f"{existing[0]} exists, and a version is never reused: choose the next one")
    if others := released(project, "--points-at", "HEAD"):
        raise ReleaseError(
            f"this commit is version {others[-1]} already: change something, commit it, and release that"
        )
    return tags


def _is_of(project: Path, tag: str, message: str) -> bool:
    """Whether a release of the checked-out commit wrote a tag, with this message."""
    commit = git(project, "rev-parse", "--verify", f"refs/tags/{tag}" + "^{commit}")
    said = git(project, "for-each-ref", "--format=%(objecttype) %(contents)", f"refs/tags/{tag}") or ""
    return commit == git(project, "rev-parse", "--verify", "HEAD") and said.strip() == f"tag {message}"


def write(project: Path, tags: list[str], message: str) -> None:
    """Write annotated tags of the checked-out commit: all or none.

    Raises:
        ReleaseError: git cannot write them.
    """
    tagger = git(project, "var", "GIT_COMMITTER_IDENT")
    if tagger is None:
        raise ReleaseError("git does not know your name for the tags: set user.name and user.email with git config")
    commit = git(project, "rev-parse", "--verify", "HEAD")
    lines = []
    for tag in tags:
        content = f"object {commit}\ntype commit\ntag {tag}\ntagger {tagger}\n\n{message}\n"
        lines.append(f"create refs/tags/{tag} {_told(project, tags, content, 'mktag')}\n")
    _told(project, tags, "".join(["start\n", *lines, "prepare\n", "commit\n"]), "update-ref", "--stdin")


def _told(project: Path, tags: list[str], text: str, *command: str) -> str:
    try:
        return tell_git(project, text, *command)
    except ProgramError as error:
        place = git(project, "rev-parse", "--git-path", "refs/tags") or ""
        said = str(error)
        if locks := [path for tag in tags if (project / (path := f"{place}/{tag}.lock")).exists()]:
            said = f"a git process that was killed, or still runs, left a lock; if none runs: rm {shlex.join(locks)}"
        raise ReleaseError(f"git cannot write {' and '.join(tags)}: {said}") from error
