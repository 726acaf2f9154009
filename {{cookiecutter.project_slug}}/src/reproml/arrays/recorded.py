"""What the record of a run says of its data, and whether data is that.

An edited `read` can have made other arrays since, and edited code can draw other splits.
"""

from pathlib import Path
from typing import Any

from ..config.schema import Data
from ..errors import DataError


def recorded(data: Data, manifest: dict[str, Any], splits: dict[str, str] | None = None) -> dict[str, Any]:
    """Return what the record of a run says of its data.

    Args:
        data: the configuration.
        manifest: of the prepared data.
        splits: the SHA-256 of the positions of each split; None: they are not drawn yet.
    """
    prepared = {name: file["sha256"] for name, file in manifest["files"].items()}
    found = {"name": data.name, "raw": data.files, "prepared": prepared}
    return found if splits is None else {**found, "splits": splits}


def refuse_other(now: dict[str, Any], then: dict[str, Any], folder: Path) -> None:
    """Refuse data that is not what a run was trained and tested with.

    Args:
        now: as `recorded` returns it.
        then: the same in the record of the run. Earlier versions did not write the splits.
        folder: of the prepared data.

    Raises:
        DataError: a file is missing, is another one, or was not there; or a split has other examples.
    """
    found, before = now["prepared"], then["prepared"]
    for name in sorted(before | found):
        if before.get(name) != found.get(name):
            raise DataError(
                f"{folder / name} is not the file that the run was trained and tested with: check out the commit of "
                "the run, whose code prepares that one, or fetch it (dvc checkout), or train again"
            )
    if "splits" in now and "splits" in then:
        for name in sorted(now["splits"]):
            if now["splits"][name] != then["splits"].get(name):
                raise DataError(
                    f"the code here puts other examples into {name} than the run was trained and tested with: check "
                    "out the commit of the run, or train again"
                )
