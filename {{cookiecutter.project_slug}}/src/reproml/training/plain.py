"""What a checkpoint may hold: types that are loaded without running code."""

import io
import pickle
import re
from collections.abc import Mapping
from typing import Any

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


def as_bytes(checkpoint: dict[str, Any]) -> bytes:
    """Return the content of a checkpoint's file.

    Raises:
        ConfigError: it cannot be saved, naming what is not plain data.
    """
    try:
        return _saved(checkpoint)
    except _UNSAVABLE as error:
        raise _refused(checkpoint, error) from error


def check_loads(checkpoint: dict[str, Any], content: bytes) -> None:
    """Read a checkpoint back, as a resumed run will.

    Args:
        checkpoint: what was saved.
        content: of its file.

    Raises:
        ConfigError: it cannot be loaded, naming what is not plain data.
    """
    try:
        _load(content)
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
            _load(_saved(value))
        except (pickle.UnpicklingError, *_UNSAVABLE):
            found.append(str(name))
    return found


def _saved(value: Any) -> bytes:
    stream = io.BytesIO()  # with a path, torch would put the file's name into the bytes
    torch.save(value, stream)
    return stream.getvalue()


def _load(content: bytes) -> None:
    torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
