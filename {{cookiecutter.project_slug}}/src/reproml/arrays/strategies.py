"""The ways to share examples out to the splits. Each returns the split of each example, as its place in `NAMES`."""

import heapq

import numpy as np

from ..errors import ConfigError
from ..training.randomness import derive

NAMES = ("train", "validation", "test")
_TRAIN, _VALIDATION, _TEST, _UNUSED = range(4)


def drawn(
    labels: np.ndarray | None,
    own: int,
    kind: type[np.signedinteger],
    fractions: tuple[float, float],
    seed: int,
    folds: int | None,
    fold: int | None,
) -> np.ndarray:
    """Return the split of each example, drawn from each class, or from all together where there are no labels."""
    order = np.arange(own, dtype=kind)
    np.random.Generator(np.random.Philox(key=derive(seed, "split"))).shuffle(order)
    by_class = labels is not None
    labels = np.zeros(own, np.uint8) if labels is None else labels[order]
    assigned = np.zeros(own, np.uint8)
    for number, label in enumerate(np.unique(labels)):
        members = order[labels == label]
        validation, test = counts(len(members), *fractions)
        rest = np.concatenate([members[:validation], members[validation + test :]])
        if folds is not None and len(rest) < folds:
            whose = f"that class number {label} has" if by_class else "there are"
            raise _too_many(folds, f"{len(rest)} examples outside the test {whose}", "fold")
        start, stop = (0, validation) if folds is None or fold is None else _bounds(len(rest), folds, fold, number)
        assigned[rest[start:stop]] = _VALIDATION
        assigned[members[validation : validation + test]] = _TEST
    return assigned


def in_order(own: int, fractions: tuple[float, float], folds: int | None, fold: int | None) -> np.ndarray:
    """Return the split of each example: training, then validation, then test.

    With folds, the examples before the test are cut into one block more than there are folds. A fold trains on all
    blocks before its validation, and leaves out those after it, which a model of that time could not have seen.
    """
    validation, test = counts(own, *fractions)
    rest = own - test
    assigned = np.full(own, _TRAIN, np.uint8)
    assigned[rest:] = _TEST
    start, stop = rest - validation, rest
    if folds is not None and fold is not None:
        if rest <= folds:
            raise _too_many(folds, f"{rest} examples before the test allow", "fold and one more to begin with")
        start, stop = rest * (fold + 1) // (folds + 1), rest * (fold + 2) // (folds + 1)
    assigned[start:stop] = _VALIDATION
    assigned[stop:rest] = _UNUSED
    return assigned


def by_group(
    groups: np.ndarray, own: int, fractions: tuple[float, float], seed: int, folds: int | None, fold: int | None
) -> np.ndarray:
    """Return the split of each example: whole groups, in an order that the seed draws, until a share is best met."""
    names, members, sizes = np.unique(groups[:own], return_inverse=True, return_counts=True)
    if shared := len(np.intersect1d(names, groups[own:])):
        raise ConfigError(
            f"data.split=group allows no group in two splits, but {shared} of the groups are in the official test set "
            "and outside of it: announce no test set in read (test_count=0), or choose another data.split"
        )
    parts, tested = folds or 2, own == len(groups)
    if len(names) < parts + tested:
        raise ConfigError(
            f"data.split=group has {len(names)} groups outside the official test set, but "
            f"{'each fold' if folds else 'each split'} needs one of its own: {parts + tested} groups, or another "
            "data.split"
        )
    order = np.random.Generator(np.random.Philox(key=derive(seed, "split"))).permutation(len(names))
    of_group = np.zeros(len(names), np.uint8)
    test = _share(sizes[order], own * fractions[1], len(order) - parts) if tested else 0
    of_group[order[:test]] = _TEST
    rest = order[test:]
    if folds is None or fold is None:
        of_group[rest[: _share(sizes[rest], own * fractions[0], len(rest) - 1)]] = _VALIDATION
    else:
        of_group[rest[_dealt(sizes[rest], folds) == fold]] = _VALIDATION
    return of_group[members]


def _share(sizes: np.ndarray, wanted: float, most: int) -> int:
    """Return how many of the first groups together come closest to so many examples: one at least, and not all."""
    return int(np.argmin(np.abs(np.cumsum(sizes[:most]) - wanted))) + 1


def _dealt(sizes: np.ndarray, folds: int) -> np.ndarray:
    """Return the fold of each group: the largest groups first, each into the smallest fold so far."""
    lightest = [(0, number) for number in range(folds)]
    found = np.empty(len(sizes), np.int64)
    for group in np.argsort(-sizes, kind="stable"):
        examples, number = heapq.heappop(lightest)
        found[group] = number
        heapq.heappush(lightest, (examples + int(sizes[group]), number))
    return found


def as_given(given: np.ndarray, own: int) -> np.ndarray:
    """Return the split of each example as `read` gives it, which must agree with the official test set."""
    if np.any(given[own:] != _TEST):
        position = own + int(np.argmax(given[own:] != _TEST))
        raise ConfigError(
            f"data.split=given: its read assigns example {position} to {NAMES[given[position]]}, but announces it as "
            "part of the official test set: assign it to test, or announce none (test_count=0)"
        )
    return given[:own]


def counts(members: int, validation_fraction: float, test_fraction: float) -> tuple[int, int]:
    """Return how many of so many examples are for validation and test."""
    return round(members * validation_fraction), round(members * test_fraction)


def _too_many(folds: int, there: str, each: str) -> ConfigError:
    return ConfigError(f"data.folds={folds} is more than the {there}, and each {each} needs one: choose fewer folds")


def _bounds(members: int, folds: int, fold: int, number: int) -> tuple[int, int]:
    """Return first and last position (exclusive) of a fold among the members of class `number`."""
    part = (fold + number) % folds  # so that the larger parts of the labels are not all in the first folds
    return members * part // folds, members * (part + 1) // folds
