"""Metrics of all cases together as functions of the weights of cases.

They are neither means nor ratios of sums over cases, so their error is that of bootstrap replicates
over patients (Efron and Tibshirani 1993, chapter 6). With every weight 1 each is, to the last
digits that floats add differently, the metric of the same name in ``analysis.metrics``.

Each function takes the metric's columns (shape ``n`` each) and answers with the statistic of the
weights (``b x n``), which is NaN where the metric has no value.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from medperf.analysis.bootstrap import Statistic
from medperf.analysis.estimates import Bools, Floats
from medperf.analysis.metrics.binary import CALIBRATION_BINS, calibration_bins
from medperf.domain.case_table import Evidence, level_of

_SLACK = 1e-9  # counting instead of dividing: 0.9 * 10 negatives must allow one false positive
_NOTHING = 1e-12  # a spread this small beside the whole is what rounding leaves of none


def weighted_metric(
    metric: str, evidence: Evidence, columns: Sequence[Floats], n_classes: int
) -> Statistic:
    """The statistic of ``metric``, which follows from ``columns`` as ``evidence`` says.

    ``n_classes`` is how many classes the whole dataset shows, where columns hold their numbers.
    """
    if evidence in _AT_LEVEL:
        return _AT_LEVEL[evidence](columns[0] > 0, columns[1], level_of(metric) or 0.0)
    if evidence in _OF_CLASSES:
        return _OF_CLASSES[evidence](*(column.astype(np.int64) for column in columns), n_classes)
    if evidence in _OF_SCORES:
        return _OF_SCORES[evidence](columns[0] > 0, columns[1])
    return _OF_NUMBERS[evidence](*columns)


def rests_on(evidence: Evidence, columns: Sequence[Floats]) -> list[Bools]:
    """Groups of cases of which each must be large enough for the value to be told.

    The cases of either kind for what is read from a ranking, those of each reference class for what
    is made of classes, else all of them.
    """
    first = columns[0]
    if evidence in _AT_LEVEL or evidence is Evidence.AVERAGE_PRECISION:
        return [first > 0, first <= 0]
    if evidence in _OF_CLASSES:
        return [first == k for k in np.unique(first)]
    return [np.ones(first.shape, dtype=np.bool_)]


# --- scores of two kinds of case ---


def average_precision(positive: Bools, scores: Floats) -> Statistic:
    """Sum over distinct scores of precision times the gain in sensitivity."""
    descent = _Descent(positive, scores)

    def statistic(weights: Floats) -> Floats:
        true, false = descent.counts(weights)
        gain = np.diff(true, axis=1, prepend=0.0)
        return _over((gain * true / (true + false)).sum(axis=1), true[:, -1])

    return _with_both(positive, statistic)


def sensitivity_at_specificity(positive: Bools, scores: Floats, level: float) -> Statistic:
    """The highest sensitivity among thresholds whose specificity is at least ``level``."""
    descent = _Descent(positive, scores)

    def statistic(weights: Floats) -> Floats:
        true, false = descent.counts(weights)
        allowed = false <= (1 - level) * false[:, -1:] + _SLACK
        return _over(np.max(true, axis=1, initial=0.0, where=allowed), true[:, -1])

    return _with_both(positive, statistic)


def specificity_at_sensitivity(positive: Bools, scores: Floats, level: float) -> Statistic:
    """The highest specificity among thresholds whose sensitivity is at least ``level``."""
    descent = _Descent(positive, scores)

    def statistic(weights: Floats) -> Floats:
        true, false = descent.counts(weights)
        enough = true >= level * true[:, -1:] - _SLACK
        least = np.min(false, axis=1, initial=np.inf, where=enough)
        return 1.0 - _over(least, false[:, -1])

    return _with_both(positive, statistic)


def calibration_error(positive: Bools, scores: Floats) -> Statistic:
    """Mean over cases of the gap between the mean score and the observed share of the bin."""
    bins = calibration_bins(scores)
    surplus = np.zeros((scores.size, CALIBRATION_BINS))
    surplus[np.arange(scores.size), bins] = scores - positive

    def statistic(weights: Floats) -> Floats:
        return _over(np.abs(weights @ surplus).sum(axis=1), weights.sum(axis=1))

    return statistic


class _Descent:
    """Cases in the order of falling scores; equal scores are one threshold."""

    def __init__(self, positive: Bools, scores: Floats) -> None:
        self._order = np.argsort(-scores, kind="stable")
        ranked = scores[self._order]
        self._last = np.append(np.flatnonzero(np.diff(ranked)), ranked.size - 1)
        self._positive = positive[self._order]

    def counts(self, weights: Floats) -> tuple[Floats, Floats]:
        """Weight of the positive and of the negative cases at or above each distinct score."""
        ordered = weights[:, self._order]
        true = np.cumsum(ordered * self._positive, axis=1)[:, self._last]
        false = np.cumsum(ordered * ~self._positive, axis=1)[:, self._last]
        return true, false


def _with_both(positive: Bools, statistic: Statistic) -> Statistic:
    """NaN for every replicate where there is one kind of case only."""
    if positive.any() and not positive.all():
        return statistic
    return lambda weights: np.full(len(weights), np.nan)


# --- classes ---


def matthews_correlation(
    reference: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int
) -> Statistic:
    """Correlation of two classifications; 0 for a constant prediction. Gorodkin 2004."""
    n = max(n_classes, int(predicted.max(initial=0)) + 1)
    of_reference, of_predicted = np.eye(n)[reference], np.eye(n)[predicted]
    right = (reference == predicted).astype(np.float64)

    def statistic(weights: Floats) -> Floats:
        whole = weights.sum(axis=1)
        there, said = (
            weights @ of_reference / whole[:, None],
            weights @ of_predicted / whole[:, None],
        )
        covariance = weights @ right / whole - (there * said).sum(axis=1)
        spreads = [1.0 - (each**2).sum(axis=1) for each in (there, said)]
        spread_there, spread_said = (np.where(each > _NOTHING, each, 0.0) for each in spreads)
        found = np.zeros(len(weights))
        both = spread_there * spread_said
        np.divide(covariance, np.sqrt(both), out=found, where=both > 0)
        return np.where(spread_there > 0, np.clip(found, -1.0, 1.0), np.nan)

    return statistic


def balanced_accuracy(
    reference: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int
) -> Statistic:
    """Mean over all classes of the share of a class that is predicted right."""
    members = np.eye(max(n_classes, 2))[reference]
    right = (reference == predicted).astype(np.float64)

    def statistic(weights: Floats) -> Floats:
        hits, whole = (weights * right) @ members, weights @ members
        return np.asarray(_over(hits, whole).mean(axis=1), dtype=np.float64)

    return statistic


# --- numbers ---


def root_mean(squares: Floats) -> Statistic:
    """The root of the mean of squared errors."""
    return lambda weights: np.sqrt(_over(weights @ squares, weights.sum(axis=1)))


def median(values: Floats) -> Statistic:
    """The value that half of the weight reaches; of two that share it, the mean."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]

    def statistic(weights: Floats) -> Floats:
        reached = np.cumsum(weights[:, order], axis=1)
        half = reached[:, -1:] / 2
        near = _NOTHING * reached[:, -1:]
        lower = np.argmax(reached >= half - near, axis=1)
        upper = np.argmax(reached > half + near, axis=1)
        return np.asarray((ordered[lower] + ordered[upper]) / 2, dtype=np.float64)

    return statistic


def r2(reference: Floats, predicted: Floats) -> Statistic:
    """1 - residual over total sum of squares."""
    squares = (reference - predicted) ** 2

    def statistic(weights: Floats) -> Floats:
        total = _spread(weights, reference)
        return 1.0 - _over(weights @ squares / weights.sum(axis=1), total)

    return statistic


def pearson(reference: Floats, predicted: Floats) -> Statistic:
    """Linear correlation; 0 for a constant prediction."""

    def statistic(weights: Floats) -> Floats:
        one, two = _spread(weights, reference), _spread(weights, predicted)
        shared = _shared(weights, reference, predicted)
        found = np.zeros(len(weights))
        np.divide(shared, np.sqrt(one * two), out=found, where=one * two > 0)
        return np.where(one > 0, np.clip(found, -1.0, 1.0), np.nan)

    return statistic


def lin_concordance(reference: Floats, predicted: Floats) -> Statistic:
    """Agreement with the line of identity, with sums of squares over n."""

    def statistic(weights: Floats) -> Floats:
        one, two = _spread(weights, reference), _spread(weights, predicted)
        apart = _over(weights @ (reference - predicted), weights.sum(axis=1)) ** 2
        found = _over(2 * _shared(weights, reference, predicted), one + two + apart)
        return np.where(one > 0, found, np.nan)

    return statistic


def _spread(weights: Floats, values: Floats) -> Floats:
    """The weighted variance of each replicate; exactly 0 for values that are all the same."""
    if np.ptp(values) == 0:
        return np.zeros(len(weights))
    return np.maximum(_shared(weights, values, values), 0.0)


def _shared(weights: Floats, one: Floats, two: Floats) -> Floats:
    """The weighted covariance; centered first, so that little is lost of what is left."""
    first, second = one - one.mean(), two - two.mean()
    whole = weights.sum(axis=1)
    means = (weights @ first) * (weights @ second) / whole**2
    return np.asarray(weights @ (first * second) / whole - means, dtype=np.float64)


def _over(above: Floats, below: Floats) -> Floats:
    """Element by element, NaN where there is nothing below."""
    found = np.full(np.broadcast_shapes(above.shape, below.shape), np.nan)
    np.divide(above, below, out=found, where=below > 0)
    return found


_OF_SCORES: Mapping[Evidence, Callable[[Bools, Floats], Statistic]] = {
    Evidence.AVERAGE_PRECISION: average_precision,
    Evidence.CALIBRATION_ERROR: calibration_error,
}
_AT_LEVEL: Mapping[Evidence, Callable[[Bools, Floats, float], Statistic]] = {
    Evidence.SENSITIVITY_AT_SPECIFICITY: sensitivity_at_specificity,
    Evidence.SPECIFICITY_AT_SENSITIVITY: specificity_at_sensitivity,
}
_OF_CLASSES: Mapping[Evidence, Callable[..., Statistic]] = {
    Evidence.MATTHEWS_CORRELATION: matthews_correlation,
    Evidence.BALANCED_ACCURACY: balanced_accuracy,
}
_OF_NUMBERS: Mapping[Evidence, Callable[..., Statistic]] = {
    Evidence.ROOT_MEAN: root_mean,
    Evidence.MEDIAN: median,
    Evidence.R2: r2,
    Evidence.PEARSON: pearson,
    Evidence.LIN_CONCORDANCE: lin_concordance,
}
