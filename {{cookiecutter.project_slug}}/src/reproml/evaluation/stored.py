"""The targets of prepared arrays as stored: converted without loss, and counted by class."""

from typing import Any

import numpy as np

from ..errors import ConfigError, DataError
from .targets import Targets


def stored(values: np.ndarray, targets: Targets, reader: str) -> np.ndarray:
    """Return targets (n,) as they are stored: numbers of classes int64, a quantity float32.

    Args:
        values: as `read` yields them, shape (n,).
        targets: what they are.
        reader: the class that reads them, for messages.

    Raises:
        DataError: they hold values that this type cannot.
    """
    if targets.classes is None:
        return _quantities(values, targets, reader)
    if values.dtype.kind not in "biuf":
        raise DataError(f"{reader} yields targets of the type {values.dtype}: yield the number of each class")
    fractional = values[values != np.floor(values)] if values.dtype.kind == "f" else values[:0]  # NaN is one, too
    if len(fractional):
        raise DataError(
            f"{reader} yields the target {fractional[0]}, but a target is the number of a class, from 0 to "
            f"{targets.outputs - 1}: sort such values into classes in read, or set data.classes=null and "
            "data.target"
        )
    if len(values) and (values.min() < 0 or values.max() >= targets.outputs):
        raise DataError(
            f"data.classes names {targets.outputs} classes, but the raw files have classes {values.min()} to "
            f"{values.max()}: name every class"
        )
    return np.ascontiguousarray(values, targets.dtype)


def _quantities(values: np.ndarray, targets: Targets, reader: str) -> np.ndarray:
    if values.dtype.kind not in "iuf":
        raise DataError(f"{reader} yields targets of the type {values.dtype}: yield {targets.target} as numbers")
    with np.errstate(over="ignore"):  # reported below
        found = np.ascontiguousarray(values, targets.dtype)
    kept = np.isfinite(found) if values.dtype.kind == "f" else found.astype(np.float64) == values
    if not kept.all():
        raise DataError(
            f"{reader} yields the target {values[~kept][0]}, which float32 cannot hold: in read, leave out "
            f"examples without a value of {targets.target}, or scale it"
        )
    return found


def labels_of(values: np.ndarray, needed: bool) -> np.ndarray | None:
    """Return the class of each example, or None where the stored targets (n,) are a quantity.

    Args:
        values: as they are stored.
        needed: whether every class is to have its share of each split.

    Raises:
        ConfigError: they are a quantity, and their classes are needed.
    """
    if values.dtype.kind != "f":
        return values.astype(np.min_scalar_type(values.max(initial=0)))
    if needed:
        raise ConfigError("data.split=stratified needs classes, but the targets are a quantity: choose split=random")
    return None


def counted(values: np.ndarray, targets: Targets) -> dict[str, dict[str, int]]:
    """Return how many of the stored targets (n,) belong to each class; nothing for a quantity."""
    if targets.classes is None:
        return {}
    counts = np.bincount(values, minlength=targets.outputs)
    return {"classes": dict(zip(targets.classes, counts.tolist(), strict=True))}


class Tally:
    """What the manifest of prepared arrays says of the targets.

    `counts` are the examples per class, shape (2, classes): row 0 those to be split, row 1 the official test set. Of a
    quantity all are counted together, shape (2, 1).

    Args:
        targets: what they are.
        to_split: how many examples come before the official test set.
    """

    def __init__(self, targets: Targets, to_split: int) -> None:
        self.targets, self.to_split = targets, to_split
        self.counts = np.zeros((2, targets.outputs), np.int64)
        self.seen = 0
        self._lowest, self._highest = np.inf, -np.inf

    def add(self, values: np.ndarray) -> None:
        """Count the stored targets (n,) of the next examples."""
        boundary = np.clip(self.to_split - self.seen, 0, len(values))
        for row, part in enumerate((values[:boundary], values[boundary:])):
            labels = np.zeros(len(part), np.int64) if self.targets.classes is None else part
            self.counts[row] += np.bincount(labels, minlength=self.targets.outputs)
        self.seen += len(values)
        if self.targets.classes is None:
            self._lowest = min(self._lowest, values.min(initial=np.inf))
            self._highest = max(self._highest, values.max(initial=-np.inf))

    def described(self) -> dict[str, Any]:
        """Return the examples per class, or name, type and range of the quantity."""
        if self.targets.classes is not None:
            return {"class_counts": dict(zip(self.targets.classes, self.counts.sum(0).tolist(), strict=True))}
        extent = {"lowest": float(self._lowest), "highest": float(self._highest)}
        return {"target": {"name": self.targets.target, "dtype": self.targets.dtype, **extent}}
