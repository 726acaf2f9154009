"""What goes into a model: numbers of one shape of prepared arrays, or what the `predict` of another task declares."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import FailFast, Field, PydanticUserError, TypeAdapter

from ..errors import ConfigError, DataError
from ..models.interface import Interface


@dataclass(frozen=True)
class Inputs:
    """One input, as a request has it.

    Args:
        item: its type.
        words: what it is.
        described: the same in plain types, for programs.
        blank: one to begin with.
    """

    item: Any
    words: str
    described: dict[str, Any]
    blank: Any


def of_arrays(interface: Interface) -> Inputs:
    """Return lists in lists of numbers, each of which the stored type can hold; null stands for one that is missing."""
    dtype, shape = np.dtype(interface.input_dtype), interface.input_shape
    item: Any = _number(dtype)
    if interface.missing:
        item = item | None
    for length in reversed(shape):
        item = Annotated[list[item], Field(min_length=length, max_length=length), FailFast()]
    described = {
        name.removeprefix("input_"): value
        for name, value in interface.described().items()
        if name in ("input_shape", "input_dtype", "missing", "features")
    }
    return Inputs(item, _words(dtype, shape, interface.missing), described, np.zeros(shape, dtype).tolist())


def stored(interface: Interface, inputs: Any) -> np.ndarray:
    """Return examples (n, *input_shape) in the type that prepared arrays have, without changing a value.

    Args:
        interface: of the arrays.
        inputs: an array, a tensor, or lists in lists; None or NaN for a number that is missing.

    Raises:
        DataError: they have another shape, or a number that the type cannot hold.
    """
    dtype = np.dtype(interface.input_dtype)
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            # through no other type where it can be: of lists the numbers, and None, are read as what they become
            given = np.asarray(inputs, dtype if dtype.kind == "f" else None)
            found = given.astype(dtype)
            exact = dtype.kind == "f" or bool((found == given).all())
    except (OverflowError, RuntimeError, TypeError, ValueError):
        exact = False
    if not exact or found.shape[1:] != interface.input_shape or not found.ndim:
        raise DataError(f"inputs are not what the model takes: give {of_arrays(interface).words}")
    if found.dtype.kind == "f" and not (np.isfinite(found) | (interface.missing & np.isnan(found))).all():
        raise DataError(
            "inputs hold numbers that are infinite or missing, which the model does not take: leave them out"
        )
    return found


def declared(item: Any, task: type) -> Inputs:
    """Return what a task declares to take a list of.

    Raises:
        ConfigError: it declares nothing, or what no JSON can hold.
    """
    try:
        schema = None if item is None else TypeAdapter(item).json_schema()
    except PydanticUserError:
        schema = None
    if schema is None:
        raise ConfigError(
            f"{task.__module__}.{task.__qualname__} cannot be served, because its predict does not say what one input "
            "is: let it take a list of what JSON can hold, as in predict(self, inputs: list[str])"
        )
    return Inputs(item, "each as /docs says", {"schema": schema}, _blank(schema, schema.get("$defs", {})))


def _number(dtype: np.dtype) -> Any:
    if dtype.kind == "f":
        largest = float(np.finfo(dtype).max)
        return Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-largest, le=largest)]
    bounds = np.iinfo(dtype)
    return Annotated[int, Field(strict=True, ge=int(bounds.min), le=int(bounds.max))]


def _words(dtype: np.dtype, shape: Sequence[int], missing: bool) -> str:
    bounds = "" if dtype.kind == "f" else f" from {np.iinfo(dtype).min} to {np.iinfo(dtype).max}"
    numbers = f"numbers{bounds}" if dtype.kind == "f" else f"whole numbers{bounds}"
    null = ", or null where one is missing" if missing else ""
    if len(shape) == 1:
        return f"each example a list of {shape[0]} {numbers}{null}"
    return f"each example lists in lists of the shape {' x '.join(map(str, shape))}, of {numbers}{null}"


def _blank(schema: dict[str, Any], named: dict[str, Any]) -> Any:
    """Return a value of a type: empty texts, zeros, in a list as many as it must have; None where that is not known."""
    if "$ref" in schema:
        schema = named[schema["$ref"].rpartition("/")[2]]
    if schema.get("type") == "object":
        return {name: _blank(part, named) for name, part in schema.get("properties", {}).items()}
    if schema.get("type") == "array":
        return [_blank(schema.get("items", {}), named) for _ in range(schema.get("minItems", 0))]
    return {"string": "", "integer": 0, "number": 0.0, "boolean": False}.get(schema.get("type", ""))
