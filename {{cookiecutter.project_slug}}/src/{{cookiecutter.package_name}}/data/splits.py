"""Which examples are for training, validation and test: a function of the seed, with every class in its share."""

import numpy as np

from ..errors import ConfigError
from ..training.randomness import derive

Splits = dict[str, np.ndarray]  # name -> positions of its examples, ascending (n,), int32 where they fit, else int64
_NAMES = ("train", "validation", "test")


def split(
    targets: np.ndarray,
    official_test: int,
    validation_fraction: float,
    test_fraction: float,
    seed: int,
    folds: int | None = None,
    fold: int | None = None,
) -> Splits:
    """Assign every example to one split.

    Args:
        targets: the class of each example, shape (n,).
        official_test: how many of the last examples are the data set's own test set; 0 where it has none.
        validation_fraction: share of the remaining examples, of each class, for validation.
        test_fraction: likewise for the test; not used where there is an official test set.
        seed: another seed draws other examples; the counts stay.
        folds: into so many parts, of each class, training and validation together are shared out; None: by the
            fraction. The test is the same in all.
        fold: which part is the validation, from 0.

    Raises:
        ConfigError: a class has fewer examples than there are folds.
    """
    own = len(targets) - official_test
    # All of this is done in the smallest types that will do: with millions of examples it is what memory goes to.
    order = np.arange(own, dtype=_position_type(len(targets)))
    np.random.Generator(np.random.Philox(key=derive(seed, "split"))).shuffle(order)
    labels = targets[:own].astype(np.min_scalar_type(targets.max(initial=0)))[order]
    assigned = np.zeros(own, np.uint8)  # of each example: where its split stands in _NAMES
    for number, label in enumerate(np.unique(labels)):
        members = order[labels == label]
        validation, test = _counts(len(members), validation_fraction, 0 if official_test else test_fraction)
        rest = np.concatenate([members[:validation], members[validation + test :]])
        if folds is not None and len(rest) < folds:
            raise ConfigError(
                f"data.folds={folds} is more than the {len(rest)} examples outside the test that class number {label} "
                "has, and each fold needs one: choose fewer folds"
            )
        start, stop = (0, validation) if folds is None or fold is None else _bounds(len(rest), folds, fold, number)
        assigned[rest[start:stop]] = _NAMES.index("validation")
        assigned[members[validation : validation + test]] = _NAMES.index("test")
    splits = {name: np.flatnonzero(assigned == number).astype(order.dtype) for number, name in enumerate(_NAMES)}
    if official_test:
        splits["test"] = np.arange(own, len(targets), dtype=order.dtype)
    return splits


def subset(positions: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return `count` of the positions (n,), or all if there are fewer, drawn by the seed."""
    order = np.random.Generator(np.random.Philox(key=derive(seed, "subset"))).permutation(positions)
    return np.sort(order[:count])


def split_counts(
    class_counts: np.ndarray, official_test_counts: np.ndarray, validation_fraction: float, test_fraction: float
) -> dict[str, int]:
    """Return how many examples each split has, which does not depend on the seed.

    Args:
        class_counts: examples per class outside the official test set, shape (classes,).
        official_test_counts: examples per class in the official test set, shape (classes,), all 0 where there is none.
        validation_fraction: as in `split`.
        test_fraction: as in `split`.
    """
    official = int(official_test_counts.sum())
    pairs = [_counts(int(count), validation_fraction, 0 if official else test_fraction) for count in class_counts]
    validation, test = (sum(column) for column in zip(*pairs, strict=True))
    return {"train": int(class_counts.sum()) - validation - test, "validation": validation, "test": official or test}


def _position_type(examples: int) -> type[np.signedinteger]:
    return np.int32 if examples <= np.iinfo(np.int32).max else np.int64


def _counts(members: int, validation_fraction: float, test_fraction: float) -> tuple[int, int]:
    return round(members * validation_fraction), round(members * test_fraction)


def _bounds(members: int, folds: int, fold: int, number: int) -> tuple[int, int]:
    """Return first and last position (exclusive) of a fold among the members of class `number`."""
    part = (fold + number) % folds  # so that the larger parts of the classes are not all in the first folds
    return members * part // folds, members * (part + 1) // folds
