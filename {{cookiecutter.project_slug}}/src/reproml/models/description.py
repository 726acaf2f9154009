"""What a model file says of itself, read without loading PyTorch."""

import json
from pathlib import Path
from typing import Any

from ..runs import schema


def read_description(path: Path) -> dict[str, Any] | None:
    """Return the network, input and classes that `save_model` wrote into a file, or None if it has none."""
    from safetensors import SafetensorError, safe_open  # only when a model is read

    try:
        with safe_open(path, framework="np") as stream:
            return parse(stream.metadata()["description"])
    except (OSError, SafetensorError, TypeError, KeyError, ValueError):
        return None


def parse(text: str) -> dict[str, Any]:
    """Return the description that a file holds as text.

    Raises:
        ValueError: it is not one that `save_model` writes.
    """
    try:
        found: dict[str, Any] = json.loads(text)
    except RecursionError as error:
        raise ValueError("its description is nested too deeply") from error
    if reason := schema.problem(found, "model"):
        raise ValueError(f"in its description {reason}")
    return found
