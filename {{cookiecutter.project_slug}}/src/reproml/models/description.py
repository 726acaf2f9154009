"""What a model file says of itself, read without loading PyTorch."""

import json
from pathlib import Path
from typing import Any

from ..runs import schema

_METADATA = "__metadata__"
_SIZE, _LONGEST = 8, 100_000_000  # bytes: of the number that the file begins with, and of a header, as in safetensors


def read_description(path: Path) -> dict[str, Any] | None:
    """Return the network, input and classes that `save_model` wrote into a file, or None if it has none.

    Only the header of the file is read; safetensors itself would import NumPy or PyTorch for that. A file that was cut
    has no description.
    """
    try:
        with path.open("rb") as stream:
            size = int.from_bytes(stream.read(_SIZE), "little")
            header = json.loads(stream.read(size)) if size <= _LONGEST else {}
        ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != _METADATA]
        if path.stat().st_size != _SIZE + size + max(ends, default=0):
            return None
        return parse(header[_METADATA]["description"])
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
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
