"""Whether prepared data is what the record of a run names. An edited reader can have made other arrays since."""

from pathlib import Path
from typing import Any

from ..errors import DataError


def refuse_other(manifest: dict[str, Any], recorded: dict[str, str], folder: Path) -> None:
    """Refuse prepared data that is not what a run was trained and tested with.

    Args:
        manifest: of the prepared data.
        recorded: SHA-256 of the prepared files, as in the record of the run.
        folder: of the prepared data.

    Raises:
        DataError: a file is missing, is another one, or was not there.
    """
    found = {name: file["sha256"] for name, file in manifest["files"].items()}
    for name in sorted(recorded | found):
        if recorded.get(name) != found.get(name):
            raise DataError(
                f"{folder / name} is not the file that the run was trained and tested with: check out the commit of "
                "the run, whose code prepares that one, or fetch it (dvc checkout), or train again"
            )
