"""The links in the folder of a run."""

import os
import re
from pathlib import Path

from ...errors import RecordError
from .flag import FLAG, given

_IN_CACHE = re.compile(r"files/md5/[0-9a-f]{2}/[0-9a-f]{30}$")  # DVC's, to which it can link from models/
_FOREIGN = "wandb"  # W&B keeps its own files here, with links to its logs; nothing in this project reads them


def check_links(folder: Path) -> None:
    """Refuse links that lead out of the folder of a run: what they lead to would be read, shown and packed as its own.

    What Hydra, a training or a tracker writes into the folder would be written there, too.

    Raises:
        RecordError: there is such a link, and `--trust` was not given.
    """
    if given():
        return
    for place, folders, files in os.walk(folder):
        for path in (Path(place, name) for name in [*folders, *files]):
            if path.is_symlink() and not _stays(path, folder):
                raise RecordError(
                    f"{path} is a link to {path.readlink()}, which is not part of the run: put the file itself there, "
                    f"or add {FLAG} if you made the link"
                )
        if Path(place) == folder and _FOREIGN in folders:
            folders.remove(_FOREIGN)


def _stays(link: Path, folder: Path) -> bool:
    try:
        target = link.resolve()
    except (OSError, RuntimeError):  # it leads round in a circle
        return False
    return target.is_relative_to(folder.resolve()) or bool(_IN_CACHE.search(target.as_posix()))
