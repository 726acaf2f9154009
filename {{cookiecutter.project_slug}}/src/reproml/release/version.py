"""Semantic versions (https://semver.org), and which of them are in git."""

import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError
from ..programs import git

MAJOR, MINOR, PATCH = "major", "minor", "patch"
_FORM = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


class ReleaseError(UserError):
    """The model must not be released as it is, or not under this version."""


@dataclass(frozen=True, order=True)
class Version:
    """A version such as 1.2.0. Later ones are greater."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    def next(self, level: str) -> "Version":
        """Return the version that follows with a change of that level."""
        if level == MAJOR:
            return Version(self.major + 1, 0, 0)
        if level == MINOR:
            return Version(self.major, self.minor + 1, 0)
        return Version(self.major, self.minor, self.patch + 1)


def parse(text: str) -> Version:
    """Return the version that is written.

    Raises:
        ReleaseError: it is not three whole numbers with points between.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise ReleaseError(f"VERSION={text} is not a version: give three numbers, such as 1.2.0")
    return Version(*map(int, match.groups()))


def model_name(project: Path) -> str:
    """Return the name under which GTO and DVC know the model: `model`, or `<folder of the project>:model`."""
    folder = (git(project, "rev-parse", "--show-prefix") or "").rstrip("/")
    return f"{folder}:model" if folder else "model"


def model_tag(project: Path, version: Version) -> str:
    """Return the git tag of a version of the model, as GTO writes it."""
    return f"{model_name(project).replace(':', '=')}@v{version}"


def released(project: Path, *options: str) -> list[Version]:
    """Return the versions of the model that are in git, in their order.

    Args:
        project: folder of the project.
        options: options of `git tag --list`, such as `--points-at HEAD`.
    """
    start = model_tag(project, Version(0, 0, 0)).removesuffix("0.0.0")
    tags = (git(project, "tag", "--list", *options, f"{start}*") or "").splitlines()
    return sorted(parse(text) for tag in tags if _FORM.fullmatch(text := tag.removeprefix(start)))
