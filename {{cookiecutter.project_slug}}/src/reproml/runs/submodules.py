"""The submodules of a commit, taken from where they are checked out already: nothing is fetched."""

from pathlib import Path

from ..errors import RecordError
from . import git
from .held import submodules


def check_out_submodules(project: Path, folder: Path, commit: str) -> None:
    """Write the submodules of a commit, and those inside them, into the folder where it is checked out.

    A submodule outside of src/ that is not here stays empty, since the run may not have had it.

    Args:
        project: the project with the submodules.
        folder: the same project at the commit.
        commit: the commit that was checked out.

    Raises:
        RecordError: a submodule with code is not here, or lacks the commit.
    """
    for name, pinned in submodules(commit, project).items():
        origin, place = project / name, folder / name
        known = (origin / ".git").exists()
        if not known or git.output("cat-file", "-e", pinned, check=False, folder=origin) is None:
            if not name.startswith("src/"):
                continue
            raise RecordError(
                f"the submodule {name} is not checked out at {pinned[:12]}, which commit {commit[:12]} needs: "
                "git submodule update --init --recursive"
            )
        git.output("clone", "--quiet", "--shared", "--no-checkout", "--", str(origin.resolve()), str(place))
        git.output("checkout", "--quiet", "--detach", pinned, folder=place)
        check_out_submodules(origin, place, pinned)
