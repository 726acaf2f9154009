"""What a model file says of itself, read without loading PyTorch."""

import json
from pathlib import Path
from typing import Any

_KEYS = {"model", "input_shape", "input_dtype", "classes"}


def read_description(path: Path) -> dict[str, Any] | None:
    """Return the network, input and classes that `save_model` wrote into a file, or None where it tells nothing."""
    from safetensors import SafetensorError, safe_open  # only where a model is looked at

    try:
        with safe_open(path, framework="np") as stream:
            found: dict[str, Any] = json.loads(stream.metadata()["description"])
    except (OSError, SafetensorError, TypeError, KeyError, ValueError):
        return None
    return found if found.keys() >= _KEYS else None
