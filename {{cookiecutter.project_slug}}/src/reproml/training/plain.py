"""What a checkpoint may hold: types that are loaded without running code."""

import io
import pickle
from collections.abc import Mapping
from typing import Any

import torch

from ..errors import ConfigError


def as_plain(value: Any) -> Any:
    """Return hyperparameters with the text of whatever is no plain data in them."""
    if isinstance(value, Mapping):
        return {str(key): as_plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(each) for each in value]
    return value if value is None or type(value) in (bool, int, float, str) else repr(value)


def check_loads(checkpoint: dict[str, Any], content: bytes) -> None:
    """Read a checkpoint back, as a resumed run will.

    Args:
        checkpoint: what was saved.
        content: of its file.

    Raises:
        ConfigError: it cannot be loaded, naming what is no plain data.
    """
    try:
        torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        culprits = [f"{key}[{name!r}]" for key, part in checkpoint.items() for name in _unloadable(part)]
        raise ConfigError(
            f"a checkpoint of this run could not be loaded again, because of {', '.join(culprits) or error}: save "
            "numbers, text, tensors, and lists or dictionaries of them only, in on_save_checkpoint and state_dict"
        ) from error


def _unloadable(part: Any) -> list[str]:
    found = []
    for name, value in part.items() if isinstance(part, Mapping) else [("", part)]:
        stream = io.BytesIO()
        torch.save(value, stream)
        try:
            torch.load(io.BytesIO(stream.getvalue()), map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:
            found.append(str(name))
    return found
