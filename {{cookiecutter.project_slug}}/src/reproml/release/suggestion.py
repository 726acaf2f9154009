"""Which number of the version a change of the model calls for: docs/versions.md has the rules and their reasons."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import RecordError
from ..models.description import read_description
from ..names import MODEL, RECORD
from ..programs import git
from ..runs import record
from ..runs.completed import CompletedRun
from .version import MAJOR, MINOR, PATCH, ReleaseError, Version, model_tag, released

# What people call a part of what a model file says of itself; of any other part, its name.
_NAMES = {"model": "network", "input_shape": "shape of the input", "input_dtype": "type of the input"}
_BUILT = ("model", "task")  # what goes in and comes out matters more


@dataclass(frozen=True)
class Suggestion:
    """What the comparison with an earlier version of the model says.

    Args:
        version: that should follow.
        level: MAJOR, MINOR or PATCH; empty for the first version.
        reasons: what has changed, the most important first.
    """

    version: Version
    level: str
    reasons: list[str]

    def __str__(self) -> str:
        return f"{self.version} ({'; '.join([self.level, *self.reasons[:3]]).strip('; ')})"


def suggest(project: Path, run: Path, below: Version | None = None) -> Suggestion:
    """Compare the model of a run with the newest version that is released, and say which should follow.

    Args:
        project: folder of the project.
        run: folder of the run, relative to the project.
        below: compare with the newest version before this one; None: with the newest of all.

    Raises:
        ReleaseError: the earlier version is in git, and what DVC keeps of it cannot be fetched, or compared.
    """
    earlier = [version for version in released(project) if below is None or version < below]
    if not earlier:
        return Suggestion(Version(1, 0, 0), "", ["the first version"])
    before, after = (
        _kept(project, run, earlier[-1]),
        (_description(project / run), CompletedRun.read(project / run).record),
    )
    level, reasons = compare(*before, *after)
    return Suggestion(earlier[-1].next(level), level, [f"since {earlier[-1]}: {reasons[0]}", *reasons[1:]])


def compare(
    interface: dict[str, Any], before: dict[str, Any], new_interface: dict[str, Any], after: dict[str, Any]
) -> tuple[str, list[str]]:
    """Return the level of the change between two models, and what changed.

    Args:
        interface: what the earlier model's file says of itself: what was trained, what goes in, and what comes out.
        before: the earlier record.
        new_interface: the same of the later model.
        after: the later record.
    """
    names = sorted(dict.fromkeys([*interface, *new_interface]), key=lambda name: name in _BUILT)
    broken = [name for name in names if _part(interface, name) != _part(new_interface, name)]
    if broken:
        return MAJOR, [f"the {_NAMES.get(name, name)} changed" for name in broken]
    changed = record.what_changed(before, after)
    if before["weights_sha256"] == after["weights_sha256"]:
        return PATCH, ["the weights are the same, bit for bit", *map(str, changed)]
    retrained = [str(change) for change in changed if change.of_the_project and change.kind != "code"]
    if retrained:
        return MINOR, retrained
    return PATCH, [*map(str, changed)] or ["the same inputs gave other weights"]


def _part(interface: dict[str, Any], name: str) -> Any:
    """Return what breaks users of a model where it changes. Of a task that is its class: its arguments only train."""
    return interface.get(name, {}).get("_target_") if name == "task" else interface.get(name)


def _kept(project: Path, run: Path, version: Version) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the interface and the record of a released version, from DVC's cache or remote."""
    from dvc.api import DVCFileSystem

    tag = model_tag(project, version)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            files = DVCFileSystem(git(project, "rev-parse", "--show-toplevel"), rev=tag, subrepos=True)
            place = (git(project, "rev-parse", "--show-prefix") or "") + run.as_posix()
            for file in (MODEL, RECORD):
                files.get_file(f"{place}/{file}", str(folder / file))
            found = CompletedRun.read(folder, needs=(MODEL,)).record
            return _description(folder), found
        except record.OtherVersion as error:
            raise ReleaseError(
                f"{tag} was recorded by another version of the machinery and cannot be compared: choose the number "
                "yourself, docs/versions.md"
            ) from error
        except RecordError:
            raise
        except Exception as error:  # of Git, DVC or any kind of storage
            raise ReleaseError(
                f"what DVC keeps of {tag} cannot be read ({type(error).__name__}): fetch it, dvc fetch --all-tags"
            ) from error


def _description(folder: Path) -> dict[str, Any]:
    found = read_description(folder / MODEL)
    if found is None:
        raise ReleaseError(
            f"{folder}/model.safetensors does not describe its network: train it again, dvc repro --force"
        )
    return found
