"""What is read from raw files, converted to the stored types: nothing is silently rounded, wrapped or cut off."""

import numpy as np

from ..config.schema import Data
from ..errors import DataError
from ..evaluation.stored import stored
from .examples import Chunk, Examples


def check_announced(examples: Examples, data: Data) -> None:
    """Check what is announced about the examples, before any of them is read.

    Raises:
        DataError: there are none, or they are of a type that cannot be stored.
    """
    if not 0 <= examples.test_count < max(examples.count, 1) or examples.count < 1:
        raise DataError(
            f"{data._target_} announces {examples.count} examples, {examples.test_count} of them an official test set: "
            "leave at least one to train on"
        )
    try:
        numeric = np.dtype(examples.dtype).kind in "biuf"
    except TypeError:
        numeric = False
    if not numeric:
        raise DataError(
            f"{data._target_} announces inputs of the type {examples.dtype}: choose a numeric type, such as float32"
        )
    if examples.missing and (len(examples.shape) != 1 or np.dtype(examples.dtype).kind != "f"):
        raise DataError(
            f"{data._target_} announces that numbers are missing in inputs of the type {examples.dtype} and the shape "
            f"{tuple(examples.shape)}: NaN can stand for them only in a table of float32 with the shape (features,)"
        )
    if examples.features is not None and examples.shape != (len(examples.features),):
        raise DataError(
            f"{data._target_} names {len(examples.features)} columns, but inputs have the shape "
            f"{tuple(examples.shape)}: name each column of a table, and nothing else"
        )


def as_stored(
    chunk: Chunk | tuple[np.ndarray, np.ndarray], examples: Examples, data: Data
) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs (n, *shape) of the announced type, and targets (n,), as `stored` says it.

    Raises:
        DataError: they do not have the announced shape, or hold values that these types cannot.
    """
    inputs, targets = (np.asarray(part) for part in chunk[:2])
    if targets.ndim != 1:
        raise DataError(
            f"{data._target_} yields targets of shape {targets.shape} for {len(inputs)} examples: a target is "
            f"{data.targets.one}, so the shape must be (n,)"
        )
    if inputs.shape != (len(targets), *examples.shape):
        raise DataError(
            f"{data._target_} announces inputs of shape {tuple(examples.shape)} but yields {inputs.shape} for "
            f"{len(targets)} targets; fix its read"
        )
    kept = stored(targets, data.targets, data._target_)
    return _inputs(inputs, np.dtype(examples.dtype), data, examples.missing), kept


def _inputs(inputs: np.ndarray, dtype: np.dtype, data: Data, missing: bool) -> np.ndarray:
    if inputs.dtype.kind not in "biuf":
        raise DataError(
            f"{data._target_} yields inputs of the type {inputs.dtype}: convert them to numbers in its read"
        )
    if np.isinf(inputs).any() or (np.isnan(inputs).any() and not missing):
        raise DataError(
            f"the raw files of data={data.name} hold values that are not numbers; clean them in "
            f"{data._target_}.read, or have it announce missing=True where NaN stands for a number that is missing"
        )
    if np.can_cast(inputs.dtype, dtype):
        return np.ascontiguousarray(inputs, dtype)
    with np.errstate(over="ignore", invalid="ignore"):  # reported below
        stored = np.ascontiguousarray(inputs, dtype)
        if inputs.dtype.kind == dtype.kind == "f":
            kept = ~np.isinf(stored)  # fewer digits were announced, but no infinity
        else:
            kept = (stored == inputs) & (stored.astype(inputs.dtype) == inputs)
    if not kept.all():
        raise DataError(
            f"{data._target_} announces inputs of the type {dtype} but yields {inputs[~kept][0]}, which it cannot "
            "hold: announce another type, or scale the values in its read"
        )
    return stored
