"""Which of the files that ran a commit, a patch or git's index holds. `git status` does not look at all of them.

It skips what any ignore file names, what was marked as unchanged, and what is inside other repositories.
"""

import hashlib
import os
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from . import git

_LINK, _SUBMODULE = "120000", "160000"  # modes of git
_MOST_LINKS = 10  # followed one after the other

Objects = dict[str, tuple[str, str]]  # path -> mode and name of the object


def first_unlike(digests: dict[str, str], commit: str, patch: Path | None = None, project: Path = Path()) -> str | None:
    """Return the first file that a commit lacks or holds in another version; None: it holds all of them.

    Args:
        digests: SHA-256 of the files, by their paths in the project.
        commit: the commit that should hold them.
        patch: a patch to apply to the commit first.
        project: its folder.

    Raises:
        RecordError: the commit is not here, or the patch does not apply.
    """
    if patch is None:
        return next(iter(unheld(digests, commit, project)), None)
    with TemporaryDirectory() as temporary:
        environment = own_index(Path(temporary), project)
        git.output("read-tree", "--end-of-options", commit, environment=environment, folder=project)
        top = Path(git.text("rev-parse", "--show-toplevel", folder=project))
        apply = ["apply", "--cached", "--binary", "--whitespace=nowarn", str(patch.resolve())]
        git.output(*apply, environment=environment, folder=top)
        return next(iter(unheld(digests, None, project, environment)), None)


def unheld(
    digests: dict[str, str], commit: str | None, project: Path = Path(), environment: dict[str, str] | None = None
) -> list[str]:
    """Return the files that a commit, or git's index, lacks or holds in another version.

    A link counts as the file that it leads to. Files of a submodule are looked up in its commit, if that is here.

    Args:
        digests: SHA-256 of the files, by their paths in the project.
        commit: to look into; None: the index.
        project: its folder.
        environment: variables for git, such as those of `own_index`.
    """
    objects = _objects(commit, project, environment)
    links = {name: identity for name, (mode, identity) in objects.items() if mode == _LINK}
    targets = _contents(set(links.values()), project, environment)
    leads_to = {name: os.fsdecode(targets[identity]) for name, identity in links.items()}
    places = {name: _followed(name, leads_to) for name in digests}
    there = {name: objects[place][1] for name, place in places.items() if place in objects}
    content = _contents(set(there.values()), project, environment)

    def is_held(name: str) -> bool:
        if name not in there:
            return False
        if _fits(digests[name], content[there[name]]):
            return True
        # as git would check it out: .gitattributes decides about filters and line ends
        place = f"{commit or ''}:./{places[name]}"
        shown = git.output("cat-file", "--filters", place, check=False, environment=environment, folder=project)
        return shown is not None and _fits(digests[name], shown)

    lost = [name for name in digests if not is_held(name)]
    for module, pinned in _submodules(objects).items():
        inside = {name.removeprefix(f"{module}/"): digests[name] for name in lost if name.startswith(f"{module}/")}
        if inside and (project / module / ".git").exists():
            still = {f"{module}/{name}" for name in unheld(inside, pinned, project / module)}
            lost = [name for name in lost if name in still or not name.startswith(f"{module}/")]
    return lost


def submodules(commit: str, project: Path = Path()) -> dict[str, str]:
    """Return the commits of the submodules in a commit, by their paths in the project."""
    return _submodules(_objects(commit, project, None))


def own_index(folder: Path, project: Path = Path()) -> dict[str, str]:
    """Return variables that make git use an index in `folder`, and keep new objects there.

    The user's staging area and repository stay as they are.
    """
    objects = project / git.text("rev-parse", "--git-path", "objects", folder=project)
    return {
        "GIT_INDEX_FILE": str((folder / "index").resolve()),
        "GIT_OBJECT_DIRECTORY": str(folder.resolve()),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(objects.resolve()),
    }


def _objects(commit: str | None, project: Path, environment: dict[str, str] | None) -> Objects:
    command = ["ls-files", "--stage", "-z"] if commit is None else ["ls-tree", "-r", "-z", "--end-of-options", commit]
    found = {}
    for line in git.names(git.output(*command, check=False, environment=environment, folder=project)):
        about, name = line.split("\t", 1)
        # `mode object stage` in the index, `mode type object` in a commit
        mode, second, third = about.split(" ")
        found[name] = (mode, second if commit is None else third)
    return found


def _submodules(objects: Objects) -> dict[str, str]:
    return {name: identity for name, (mode, identity) in objects.items() if mode == _SUBMODULE}


def _followed(name: str, leads_to: dict[str, str]) -> str:
    """Return where the content of a path is, with the links in it followed."""
    for _ in range(_MOST_LINKS):
        path = PurePosixPath(name)
        link = next((str(part) for part in (path, *path.parents) if str(part) in leads_to), None)
        if link is None:
            return name
        name = os.path.normpath(f"{PurePosixPath(link).parent}/{leads_to[link]}/{path.relative_to(link)}")
    return name


def _contents(identities: set[str], project: Path, environment: dict[str, str] | None) -> dict[str, bytes]:
    """Return the content of files in git by the names of their objects; submodules have none."""
    if not identities:
        return {}
    question = "".join(f"{identity}\n" for identity in identities).encode()
    answer = git.output("cat-file", "--batch", environment=environment, folder=project, content=question) or b""
    found, place = dict.fromkeys(identities, b""), 0
    while place < len(answer):
        end = answer.index(b"\n", place)
        identity, *about = answer[place:end].decode().split(" ")
        place = end + 1
        if len(about) == 2:  # type and size; else it is missing
            found[identity] = answer[place : place + int(about[1])]
            place += int(about[1]) + 1
    return found


def _fits(digest: str, content: bytes) -> bool:
    """Whether a file with this digest has the content, as it is or with Windows line ends."""
    versions = (content, content.replace(b"\n", b"\r\n"))
    return any(hashlib.sha256(version).hexdigest() == digest for version in versions)
