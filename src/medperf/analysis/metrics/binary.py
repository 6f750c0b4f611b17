"""Formulas for one class against the rest: counts of a 2x2 table, ranks, and probabilities.

Every function takes arrays of the same length ``n``: ``reference`` (bool, true for the positive
class), ``predicted`` (bool) or ``probability`` (float in [0, 1], of the positive class), and
answers with a ``MetricValue``. Without cases every value is missing (``no_cases``).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medperf.analysis.metrics.definition import MetricValue, Missing

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

CALIBRATION_BINS = 10


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts of cases by reference label and prediction."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int


def confusion(reference: Bools, predicted: Bools) -> Confusion:
    """Count the four kinds of case."""
    return Confusion(
        true_positive=int(np.count_nonzero(reference & predicted)),
        false_positive=int(np.count_nonzero(~reference & predicted)),
        false_negative=int(np.count_nonzero(reference & ~predicted)),
        true_negative=int(np.count_nonzero(~reference & ~predicted)),
    )


def _proportion(part: int, whole: int, n: int, reason: Missing) -> MetricValue:
    if n == 0:
        return MetricValue.none(Missing.NO_CASES)
    return MetricValue(part / whole, whole) if whole else MetricValue.none(reason)


def accuracy(reference: Bools, predicted: Bools) -> MetricValue:
    """Share of cases predicted right. [0, 1], higher is better."""
    hits = int(np.count_nonzero(reference == predicted))
    return _proportion(hits, len(reference), len(reference), Missing.NO_CASES)


def sensitivity(reference: Bools, predicted: Bools) -> MetricValue:
    """TP / (TP + FN), recall. [0, 1], higher is better; missing without positive cases."""
    c = confusion(reference, predicted)
    positive = c.true_positive + c.false_negative
    return _proportion(c.true_positive, positive, len(reference), Missing.ONE_CLASS)


def specificity(reference: Bools, predicted: Bools) -> MetricValue:
    """TN / (TN + FP). [0, 1], higher is better; missing without negative cases."""
    return sensitivity(~reference, ~predicted)


def positive_predictive_value(reference: Bools, predicted: Bools) -> MetricValue:
    """TP / (TP + FP), precision. [0, 1], higher is better; missing if none is called positive."""
    c = confusion(reference, predicted)
    called = c.true_positive + c.false_positive
    return _proportion(c.true_positive, called, len(reference), Missing.NONE_PREDICTED)


def negative_predictive_value(reference: Bools, predicted: Bools) -> MetricValue:
    """TN / (TN + FN). [0, 1], higher is better; missing if none is predicted negative."""
    return positive_predictive_value(~reference, ~predicted)


def f1(reference: Bools, predicted: Bools) -> MetricValue:
    """2 TP / (2 TP + FP + FN), the harmonic mean of precision and sensitivity.

    [0, 1], higher is better. Missing where neither the reference nor the prediction holds a
    positive case (0/0); zero where only one of them does. van Rijsbergen 1979, chapter 7.
    """
    if len(reference) == 0:
        return MetricValue.none(Missing.NO_CASES)
    c = confusion(reference, predicted)
    whole = 2 * c.true_positive + c.false_positive + c.false_negative
    if whole == 0:
        return MetricValue.none(Missing.ONE_CLASS)
    return MetricValue(2 * c.true_positive / whole, len(reference))


def _both_classes(reference: Bools) -> Missing | None:
    if len(reference) == 0:
        return Missing.NO_CASES
    return Missing.ONE_CLASS if reference.all() or not reference.any() else None


def balanced_accuracy(reference: Bools, predicted: Bools) -> MetricValue:
    """Mean of sensitivity and specificity. [0, 1], higher is better; missing with one class."""
    if reason := _both_classes(reference):
        return MetricValue.none(reason)
    parts = sensitivity(reference, predicted), specificity(reference, predicted)
    return MetricValue(sum(part.value or 0.0 for part in parts) / 2, len(reference))


def matthews_correlation(reference: Bools, predicted: Bools) -> MetricValue:
    """Correlation of reference and prediction. [-1, 1], higher is better, 0 is chance.

    Missing with one reference class; 0 for a constant prediction, the limit that Chicco and Jurman
    2020 argue for. Matthews 1975.
    """
    if reason := _both_classes(reference):
        return MetricValue.none(reason)
    if predicted.all() or not predicted.any():
        return MetricValue(0.0, len(reference))
    spread = reference.std() * predicted.std()
    both = float(np.mean(reference & predicted))
    covariance = both - float(reference.mean()) * float(predicted.mean())
    return MetricValue(float(covariance / spread), len(reference))


def counts_by_threshold(reference: Bools, probability: Floats) -> tuple[Floats, Floats, Floats]:
    """Distinct probabilities, highest first, with the true and false positives at or above each.

    Returns three arrays of equal length; equal probabilities are one threshold, so ties between
    cases cannot be resolved by their order in the file.
    """
    order = np.argsort(-probability, kind="stable")
    ranked, labels = probability[order], reference[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    true_positives = np.cumsum(labels, dtype=np.float64)[last]
    return ranked[last], true_positives, last + 1.0 - true_positives


def auroc(reference: Bools, probability: Floats) -> MetricValue:
    """Area under the ROC curve: P(positive case ranks above a negative one), ties count half.

    [0, 1], higher is better, 0.5 is chance. Missing with one class. Hanley and McNeil 1982.
    """
    if reason := _both_classes(reference):
        return MetricValue.none(reason)
    _, tp, fp = counts_by_threshold(reference, probability)
    new_negatives = np.diff(fp, prepend=0.0)
    above = np.concatenate(([0.0], tp[:-1]))
    pairs = float(np.sum(new_negatives * (above + tp) / 2))
    return MetricValue(pairs / float(tp[-1] * fp[-1]), len(reference))


def average_precision(reference: Bools, probability: Floats) -> MetricValue:
    """Sum over thresholds of precision times the gain in sensitivity, without interpolation.

    (0, 1], higher is better; chance is the prevalence. Missing with one class. Zhu 2004.
    """
    if reason := _both_classes(reference):
        return MetricValue.none(reason)
    _, tp, fp = counts_by_threshold(reference, probability)
    gain = np.diff(tp, prepend=0.0) / tp[-1]
    return MetricValue(float(np.sum(gain * tp / (tp + fp))), len(reference))


def sensitivity_at_specificity(reference: Bools, probability: Floats, level: float) -> MetricValue:
    """The highest sensitivity among thresholds whose specificity is at least ``level``.

    [0, 1], higher is better; no interpolation between thresholds. Missing with one class.
    """
    if reason := _both_classes(reference):
        return MetricValue.none(reason)
    _, tp, fp = counts_by_threshold(reference, probability)
    # Counting instead of dividing: 0.9 * 10 negatives must allow exactly one false positive.
    allowed = fp <= (1 - level) * fp[-1] + 1e-9
    best = float(tp[allowed].max(initial=0.0))
    return MetricValue(best / float(tp[-1]), int(tp[-1]))


def specificity_at_sensitivity(reference: Bools, probability: Floats, level: float) -> MetricValue:
    """The highest specificity among thresholds whose sensitivity is at least ``level``.

    [0, 1], higher is better; no interpolation between thresholds. Missing with one class.
    """
    if reason := _both_classes(reference):
        return MetricValue.none(reason)
    _, tp, fp = counts_by_threshold(reference, probability)
    enough = tp >= level * tp[-1] - 1e-9
    return MetricValue(1.0 - float(fp[enough].min()) / float(fp[-1]), int(fp[-1]))


def brier(reference: Bools, probability: Floats) -> MetricValue:
    """Mean squared difference of probability and outcome (0 or 1).

    [0, 1], lower is better; a constant 0.5 gives 0.25. Defined with one class. Brier 1950, halved
    as is usual for two classes.
    """
    if len(reference) == 0:
        return MetricValue.none(Missing.NO_CASES)
    return MetricValue(float(np.mean((probability - reference) ** 2)), len(reference))


def expected_calibration_error(reference: Bools, probability: Floats) -> MetricValue:
    """Mean over cases of |mean probability - observed share| of the case's bin.

    Ten bins of equal width on [0, 1], each closed below, the last closed above; empty bins count
    nothing. [0, 1], lower is better. Biased upwards for few cases, so compare at similar ``n``.
    Defined with one class. Naeini, Cooper and Hauskrecht 2015, for the positive class.
    """
    if len(reference) == 0:
        return MetricValue.none(Missing.NO_CASES)
    bins = calibration_bins(probability)
    surplus = np.bincount(bins, weights=probability - reference, minlength=CALIBRATION_BINS)
    return MetricValue(float(np.abs(surplus).sum() / len(reference)), len(reference))


def calibration_bins(probability: Floats) -> NDArray[np.int64]:
    """The bin of each probability, from 0 to ``CALIBRATION_BINS - 1``."""
    return np.minimum((probability * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
