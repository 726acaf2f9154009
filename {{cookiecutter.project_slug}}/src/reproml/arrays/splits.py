"""Which examples are for training, validation and test: a function of the seed and of what `read` says of each.

All of it is NumPy and keyed by the seed, so no other version of a library draws other splits.
"""

import hashlib

import numpy as np

from ..errors import ConfigError
from ..evaluation.stored import labels_of
from ..training.randomness import derive
from .strategies import NAMES, as_given, by_group, counts, drawn, in_order

Splits = dict[str, np.ndarray]  # name -> positions of its examples, ascending (n,), int32 where they fit, else int64
_HASHED = 1 << 16  # positions at a time


def split(
    targets: np.ndarray,
    official_test: int,
    validation_fraction: float,
    test_fraction: float,
    seed: int,
    folds: int | None = None,
    fold: int | None = None,
    *,
    strategy: str = "stratified",
    groups: np.ndarray | None = None,
    given: np.ndarray | None = None,
) -> Splits:
    """Assign every example to one split.

    Args:
        targets: the class of each example, shape (n,), or a quantity.
        official_test: how many of the last examples are the data set's own test set; 0 where it has none.
        validation_fraction: share of the remaining examples for the validation.
        test_fraction: likewise for the test; not used where there is an official test set.
        seed: another seed draws other examples, unless they are contiguous or given.
        folds: into so many parts training and validation together are shared out; None: by the fraction. The test is
            the same in all.
        fold: which part is the validation, from 0.
        strategy: `stratified`: every class in its share; `random`: regardless of class; `contiguous`: in the order
            as they are read, training first and test last; `group`: no group in two splits; `given`: as `read` says.
        groups: the group of each example, shape (n,), integers.
        given: the split of each example, shape (n,), its place in `NAMES`.

    Raises:
        ConfigError: the strategy lacks what it needs, a split would be empty or share a group with the official test
            set, a class would have no example to train on, or there are more folds than there is to share out.
    """
    check_told(strategy, groups is not None, given is not None)
    own = len(targets) - official_test
    fractions = validation_fraction, 0 if official_test else test_fraction
    # All of this is done in the smallest types that will do: with millions of examples it is what memory goes to.
    kind = _position_type(len(targets))
    labels = labels_of(targets, needed=strategy == "stratified")
    if strategy == "group":
        assert groups is not None
        assigned = by_group(groups, own, fractions, seed, folds, fold)
    elif strategy == "given":
        assert given is not None
        assigned = as_given(given, own)
    elif strategy == "contiguous":
        assigned = in_order(own, fractions, folds, fold)
    else:
        by_label = labels[:own] if labels is not None and strategy == "stratified" else None
        assigned = drawn(by_label, own, kind, fractions, seed, folds, fold)
    splits = {name: np.flatnonzero(assigned == number).astype(kind) for number, name in enumerate(NAMES)}
    # without an official test set, these are none; with one, only a `read` that gives the splits has put others there
    splits["test"] = np.concatenate([splits["test"], np.arange(own, len(targets), dtype=kind)])
    _check_usable(splits, labels, strategy)
    return splits


def subset(positions: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return `count` of the positions (n,), or all if there are fewer, drawn by the seed."""
    order = np.random.Generator(np.random.Philox(key=derive(seed, "subset"))).permutation(positions)
    return np.sort(order[:count])


def split_counts(
    counts_to_split: np.ndarray,
    official_test_counts: np.ndarray,
    validation_fraction: float,
    test_fraction: float,
    strategy: str = "stratified",
    given_counts: np.ndarray | None = None,
) -> dict[str, int] | None:
    """Return how many examples each split has, without folds; None where that depends on the seed: with groups.

    Args:
        counts_to_split: examples of each class outside the official test set, shape (n,); of a quantity, of all (1,).
        official_test_counts: likewise in the official test set, all 0 where there is none.
        validation_fraction: as in `split`.
        test_fraction: as in `split`.
        strategy: as in `split`.
        given_counts: examples per split as `read` gives them, shape (3,).
    """
    if strategy == "group":
        return None
    if strategy == "given" and given_counts is not None:
        return dict(zip(NAMES, given_counts.tolist(), strict=True))
    official = int(official_test_counts.sum())
    parts = counts_to_split if strategy == "stratified" else counts_to_split.sum(keepdims=True)
    pairs = [counts(int(count), validation_fraction, 0 if official else test_fraction) for count in parts]
    validation, test = (sum(column) for column in zip(*pairs, strict=True))
    train = int(counts_to_split.sum()) - validation - test
    return {"train": train, "validation": validation, "test": official or test}


def split_digests(splits: Splits) -> dict[str, str]:
    """Return the SHA-256 of the positions of each split, as 64-bit integers in little-endian order."""
    found = {}
    for name, positions in splits.items():
        digest = hashlib.sha256()
        for start in range(0, len(positions), _HASHED):
            digest.update(positions[start : start + _HASHED].astype("<i8").tobytes())
        found[name] = digest.hexdigest()
    return found


def check_told(strategy: str, groups: bool, given: bool) -> None:
    """Check that `read` says of each example what a strategy needs.

    Raises:
        ConfigError: it does not.
    """
    for name, told, what in (("group", groups, "group"), ("given", given, "split")):
        if strategy == name and not told:
            raise ConfigError(
                f"data.split={name} needs the {what} of each example, and the read of this data yields none: have it "
                f"yield Chunk(inputs, targets, {what}s=...), or choose data.split=stratified"
            )


def _check_usable(splits: Splits, labels: np.ndarray | None, strategy: str) -> None:
    for name, positions in splits.items():
        if not len(positions):
            keys = "data.validation_fraction and data.test_fraction" if name == "train" else f"data.{name}_fraction"
            fix = "have read assign some to it" if strategy == "given" else f"choose another {keys}"
            raise ConfigError(f"no example is left for {name} by data.split={strategy}: {fix}")
    if labels is not None and len(missing := np.setdiff1d(labels, labels[splits["train"]])):
        raise ConfigError(
            f"data.split={strategy} leaves class number {missing[0]} without an example to train on: choose another "
            "data.split or other fractions, or leave the class out in read"
        )


def _position_type(examples: int) -> type[np.signedinteger]:
    return np.int32 if examples <= np.iinfo(np.int32).max else np.int64
