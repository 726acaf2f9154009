"""What a reader yields, converted to the stored types: nothing is silently rounded, wrapped or cut off."""

import numpy as np

from ..config.schema import Data
from ..errors import DataError
from .examples import Chunk, Examples


def check_announced(examples: Examples, data: Data) -> None:
    """Check what a reader announces about its examples, before any of them is read.

    Raises:
        DataError: there are none, or they are of a type that cannot be stored.
    """
    if not 0 <= examples.test_count < max(examples.count, 1) or examples.count < 1:
        raise DataError(
            f"{data.reader} announces {examples.count} examples, {examples.test_count} of them an official test set: "
            "leave at least one to train on"
        )
    try:
        numeric = np.dtype(examples.dtype).kind in "biuf"
    except TypeError:
        numeric = False
    if not numeric:
        raise DataError(
            f"{data.reader} announces inputs of the type {examples.dtype}: name a numeric type, such as float32"
        )


def as_stored(
    chunk: Chunk | tuple[np.ndarray, np.ndarray], examples: Examples, data: Data
) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs (n, *shape) of the announced type, and targets (n,), int64.

    Raises:
        DataError: they do not have the announced shape, or hold values that these types cannot.
    """
    inputs, targets = (np.asarray(part) for part in chunk[:2])
    if targets.ndim != 1:
        raise DataError(
            f"{data.reader} yields targets of shape {targets.shape} for {len(inputs)} examples: a target is the number "
            "of a class, so the shape must be (n,)"
        )
    if inputs.shape != (len(targets), *examples.shape):
        raise DataError(
            f"{data.reader} announces inputs of shape {tuple(examples.shape)} but yields {inputs.shape} for "
            f"{len(targets)} targets; fix the reader"
        )
    return _inputs(inputs, np.dtype(examples.dtype), data), _targets(targets, data)


def _targets(targets: np.ndarray, data: Data) -> np.ndarray:
    if targets.dtype.kind not in "biuf":
        raise DataError(f"{data.reader} yields targets of the type {targets.dtype}: yield the number of each class")
    fractional = targets[targets != np.floor(targets)] if targets.dtype.kind == "f" else targets[:0]  # NaN is one, too
    if len(fractional):
        raise DataError(
            f"{data.reader} yields the target {fractional[0]}, but a target is the number of a class, from 0 to "
            f"{len(data.classes) - 1}: sort such values into classes in the reader"
        )
    if len(targets) and (targets.min() < 0 or targets.max() >= len(data.classes)):
        raise DataError(
            f"data.classes names {len(data.classes)} classes, but the raw files hold the classes {targets.min()} to "
            f"{targets.max()}; name every class"
        )
    return np.ascontiguousarray(targets, np.int64)


def _inputs(inputs: np.ndarray, dtype: np.dtype, data: Data) -> np.ndarray:
    if inputs.dtype.kind not in "biuf":
        raise DataError(
            f"{data.reader} yields inputs of the type {inputs.dtype}: convert them to numbers in the reader"
        )
    if not np.isfinite(inputs).all():
        raise DataError(
            f"the raw files of data={data.name} hold values that are not numbers; clean them in {data.reader}"
        )
    if np.can_cast(inputs.dtype, dtype):
        return np.ascontiguousarray(inputs, dtype)
    with np.errstate(over="ignore", invalid="ignore"):  # reported below
        stored = np.ascontiguousarray(inputs, dtype)
        if inputs.dtype.kind == dtype.kind == "f":
            kept = np.isfinite(stored)  # fewer digits were announced, but no infinity
        else:
            kept = (stored == inputs) & (stored.astype(inputs.dtype) == inputs)
    if not kept.all():
        raise DataError(
            f"{data.reader} announces inputs of the type {dtype} but yields {inputs[~kept][0]}, which it cannot hold: "
            "announce another type, or scale the values in the reader"
        )
    return stored
