"""What a prediction is worth: net benefit and expected cost.

Arrays as in ``binary``: ``reference`` (bool, shape ``n``), ``predicted`` (bool) or ``probability``
(float in [0, 1], of the positive class).
"""

from medperf.analysis.metrics.binary import Bools, Floats, confusion
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
