"""What a prediction is worth: net benefit, expected cost, and calibration curves.

Arrays as in ``binary``: ``reference`` (bool, shape ``n``), ``predicted`` (bool) or ``probability``
(float in [0, 1], of the positive class).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medperf.analysis.metrics.binary import (
    CALIBRATION_BINS,
    Bools,
    Floats,
    calibration_bins,
    confusion,
)
from medperf.analysis.metrics.definition import MetricValue, Missing


def net_benefit(reference: Bools, probability: Floats, threshold: float) -> MetricValue:
    """True positives per case, less false positives weighted by the odds of the threshold.

    TP/n - FP/n * t/(1-t), where a case is called positive from probability ``t`` on. At most the
    prevalence; 0 is treating nobody. Defined with one class. Vickers and Elkin 2006.
    """
    n = len(reference)
    if n == 0:
        return MetricValue.none(Missing.NO_CASES)
    c = confusion(reference, probability >= threshold)
    odds = threshold / (1.0 - threshold)
    return MetricValue((c.true_positive - c.false_positive * odds) / n, n)


def expected_cost(
    reference: Bools, predicted: Bools, false_positive: float, false_negative: float
) -> MetricValue:
    """Mean cost per case of wrong calls; right calls cost nothing.

    Not normalized: the value depends on the prevalence, so compare models on the same cases.
    [0, larger cost], lower is better. Defined with one class. Ferrer 2022, arXiv:2209.05355.
    """
    n = len(reference)
    if n == 0:
        return MetricValue.none(Missing.NO_CASES)
    c = confusion(reference, predicted)
    cost = c.false_positive * false_positive + c.false_negative * false_negative
    return MetricValue(cost / n, n)


@dataclass(frozen=True, slots=True)
class CalibrationCurve:
    """Cases, sum of probabilities and positive cases per bin of equal width on [0, 1].

    The three arrays add up over sites. ``mean_probability`` and ``observed_share`` are the two axes
    of the plot; bins without cases are NaN there.
    """

    cases: NDArray[np.int64]
    probability_sum: Floats
    positives: NDArray[np.int64]

    @property
    def mean_probability(self) -> Floats:
        """Per bin, in [0, 1]."""
        return self.probability_sum / np.where(self.cases, self.cases, np.nan)

    @property
    def observed_share(self) -> Floats:
        """Share of positive cases per bin, in [0, 1]."""
        return self.positives / np.where(self.cases, self.cases, np.nan)


def calibration_curve(reference: Bools, probability: Floats) -> CalibrationCurve:
    """Count the bins that ``binary.expected_calibration_error`` is computed from."""
    bins = calibration_bins(probability)
    return CalibrationCurve(
        cases=np.bincount(bins, minlength=CALIBRATION_BINS),
        probability_sum=np.asarray(
            np.bincount(bins, weights=probability, minlength=CALIBRATION_BINS), dtype=np.float64
        ),
        positives=np.bincount(bins[reference], minlength=CALIBRATION_BINS),
    )
