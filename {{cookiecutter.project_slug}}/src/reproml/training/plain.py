"""What a checkpoint may hold: types that are loaded without running code."""

import hashlib
import io
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import torch

from ..errors import ConfigError

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_UNSAVABLE = (pickle.PicklingError, AttributeError, TypeError)  # what pickle says of functions inside others, or locks


def as_plain(value: Any) -> Any:
    """Return hyperparameters with the text of whatever is not plain data in them."""
    if isinstance(value, Mapping):
        return {str(key): as_plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(each) for each in value]
    # without the address, which is another one in each process
    return value if value is None or type(value) in (bool, int, float, str) else _ADDRESS.sub("", repr(value))


def kinds_in(value: Any) -> set[type]:
    """Return the types of all that a checkpoint holds. Whether it can be loaded again depends on them alone."""
    kinds, waiting = set[type](), [value]
    while waiting:
        each = waiting.pop()
        kinds.add(type(each))
        if isinstance(each, Mapping):
            waiting += [*each.keys(), *each.values()]
        elif isinstance(each, list | tuple | set):
            waiting += each
    return kinds


class Writer:
    """Writes the file of a checkpoint, one tensor after the other: it is never in memory as a whole.

    Args:
        stream: of the file.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._digest = stream, hashlib.sha256()
        self._failed: BaseException | None = None

    def save(self, checkpoint: dict[str, Any]) -> str:
        """Write it, and return the SHA-256 of the file's content.

        Raises:
            ConfigError: it cannot be saved, naming what is not plain data.
            OSError: the disk is full, say.
        """
        try:
            # with a path, torch would put the file's name into the bytes
            torch.save(checkpoint, self)  # type: ignore[arg-type]  # it only writes and flushes
        except _UNSAVABLE as error:
            raise _refused(checkpoint, error) from error
        if self._failed is not None:
            raise self._failed
        self.flush()
        return self._digest.hexdigest()

    def write(self, content: bytes | memoryview) -> int:
        """Take a part from torch, whose C++ would end the process at an exception: it is kept until all is over."""
        if self._failed is None:
            try:
                self._stream.write(content)
                self._digest.update(content)
            except BaseException as error:  # of a signal, too
                self._failed = error
        return len(content)

    def flush(self) -> None:
        """Bring what was written to the system."""
        self._stream.flush()


def check_loads(checkpoint: dict[str, Any], path: Path) -> None:
    """Read a checkpoint back, as a resumed run will, though without the numbers in its tensors.

    Args:
        checkpoint: what was saved.
        path: of its file.

    Raises:
        ConfigError: it cannot be loaded, naming what is not plain data.
    """
    try:
        torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise _refused(checkpoint, error) from error


def _refused(checkpoint: dict[str, Any], error: Exception) -> ConfigError:
    culprits = [f"{key}[{name!r}]" for key, part in checkpoint.items() for name in _unloadable(part)]
    return ConfigError(
        f"a checkpoint of this run could not be loaded again, because of {', '.join(culprits) or error}: save "
        "numbers, text, tensors, and lists or dictionaries of them only, in on_save_checkpoint and state_dict"
    )


def _unloadable(part: Any) -> list[str]:
    found = []
    for name, value in part.items() if isinstance(part, Mapping) else [("", part)]:
        try:
            stream = io.BytesIO()
            torch.save(value, stream)
            torch.load(io.BytesIO(stream.getvalue()), map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, *_UNSAVABLE):
            found.append(str(name))
    return found
