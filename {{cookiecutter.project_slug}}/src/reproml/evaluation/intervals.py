"""How far the numbers of a test can be trusted: 95 % confidence intervals, by SciPy."""

from collections.abc import Callable

import numpy as np
from scipy.stats import binomtest, bootstrap

from .evaluation import Interval

LEVEL = 0.95
RESAMPLES = 2000
_BATCH = 50  # resamples in memory at a time


def wilson(successes: int, trials: int) -> Interval | None:
    """Return the score interval of a share, or None where nothing was tried.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the
    American Statistical Association 22 (1927).
    """
    if trials == 0:
        return None
    low, high = binomtest(successes, trials).proportion_ci(confidence_level=LEVEL, method="wilson")
    return float(low), float(high)


def mean_interval(values: np.ndarray, seed: int) -> Interval | None:
    """Return the percentile bootstrap interval of the mean of values (n,), or None where they do not differ.

    Source: B. Efron, "Bootstrap methods: another look at the jackknife", The Annals of Statistics 7 (1979).
    """
    [interval] = bootstrapped(len(values), lambda rows: values[rows].mean(-1)[None], seed)
    return interval


def f1_intervals(
    actual: np.ndarray, predicted: np.ndarray, classes: int, seed: int
) -> tuple[Interval | None, list[Interval | None]]:
    """Return the percentile bootstrap intervals of macro F1, and of each class's F1.

    Examples are drawn with replacement, `RESAMPLES` times. Where F1 is the same in all draws, as without any mistake,
    the interval has no width and would promise what is not known: it is None.

    Args:
        actual: the true class of each example, shape (n,).
        predicted: the predicted one, shape (n,).
        classes: how many there are.
        seed: of the draws; the same one gives the same intervals.
    """
    # the last column is macro F1, so that one bootstrap serves all
    pairs = bootstrapped(len(actual), lambda rows: _f1(actual[rows], predicted[rows], classes), seed)
    return pairs[-1], pairs[:-1]


def bootstrapped(examples: int, statistic: Callable[[np.ndarray], np.ndarray], seed: int) -> list[Interval | None]:
    """Return the percentile bootstrap intervals of statistics, or None where one is the same in all draws.

    Args:
        examples: how many there are to draw from.
        statistic: returns the statistics, shape (statistics, draws), for the positions of drawn examples (draws, n).
        seed: of the draws; the same one gives the same intervals.
    """
    if examples < 2:
        return [None] * len(statistic(np.arange(examples)[None]))
    result = bootstrap(
        (np.arange(examples),),
        lambda rows, axis: statistic(rows),
        n_resamples=RESAMPLES,
        batch=_BATCH,
        vectorized=True,
        axis=-1,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.Generator(np.random.Philox(key=seed)),
    )
    low, high = result.confidence_interval
    return [(float(a), float(b)) if a < b else None for a, b in zip(low, high, strict=True)]


def _f1(actual: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return F1 of each class, and last their mean, shape (classes + 1, ...); the inputs have shape (..., n).

    F1 is 2 TP / (2 TP + FP + FN), and 0 where a class neither occurs nor is predicted, as in the test.
    """
    scores = []
    for label in range(classes):
        is_actual, is_predicted = actual == label, predicted == label
        both = is_actual.sum(-1) + is_predicted.sum(-1)
        scores.append(2 * (is_actual & is_predicted).sum(-1) / np.maximum(both, 1))
    return np.stack([*scores, np.mean(scores, axis=0)])
