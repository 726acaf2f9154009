"""Digests of any value, part by part: two values are equal, bit for bit, where the digests of all parts are."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from ...runs.digest import tensor_digest

_DIGITS = 16


def parts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the parts of a value with their paths: digests of tensors and arrays, and scalars as text.

    An object counts by its attributes. What has none counts by its type.
    """
    if isinstance(value, torch.Tensor):
        dense = value.detach() if value.layout == torch.strided else value.detach().to_dense()
        yield path, tensor_digest(dense)[:_DIGITS]
    elif isinstance(value, np.ndarray) and value.dtype != object:
        content = f"{value.dtype} {value.shape}\n".encode() + np.ascontiguousarray(value).tobytes()
        yield path, hashlib.sha256(content).hexdigest()[:_DIGITS]
    elif value is None or isinstance(value, bool | int | float | complex | str | bytes | np.generic):
        yield path, repr(value)
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from parts(each, f"{path} {key}".lstrip())
    elif isinstance(value, list | tuple):
        for number, each in enumerate(value):
            yield from parts(each, f"{path} {number}".lstrip())
    else:
        yield path, type(value).__qualname__
        yield from parts(getattr(value, "__dict__", {}), path)


def digest(value: Any) -> str:
    """Return one digest of a value."""
    return hashlib.sha256(repr(list(parts(value))).encode()).hexdigest()[:_DIGITS]
