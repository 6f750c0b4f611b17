"""One class against the rest: from a metric's name to its formula."""

from collections.abc import Callable, Mapping

from medperf.analysis.metrics import binary, decision
from medperf.analysis.metrics.binary import Bools, Floats
from medperf.analysis.metrics.definition import MetricValue, Missing, NamedMetric


def value_of_class(
    metric: NamedMetric, reference: Bools, predicted: Bools, probability: Floats | None
) -> MetricValue:
    """``metric`` of one class; ``reference`` and ``predicted`` (bool, ``n``) say who is in it.

    ``probability`` is that of the class, or None for a model that answers with classes only.
    """
    if metric.family in _FROM_CALLS:
        return _FROM_CALLS[metric.family](reference, predicted, *metric.numbers)
    if probability is None:
        return MetricValue.none(Missing.NO_PROBABILITIES)
    return _FROM_PROBABILITIES[metric.family](reference, probability, *metric.numbers)


_FROM_CALLS: Mapping[str, Callable[..., MetricValue]] = {
    "accuracy": binary.accuracy,
    "balanced_accuracy": binary.balanced_accuracy,
    "sensitivity": binary.sensitivity,
    "specificity": binary.specificity,
    "positive_predictive_value": binary.positive_predictive_value,
    "negative_predictive_value": binary.negative_predictive_value,
    "f1": binary.f1,
    "mcc": binary.matthews_correlation,
    "expected_cost@fp<fp>-fn<fn>": decision.expected_cost,
}
_FROM_PROBABILITIES: Mapping[str, Callable[..., MetricValue]] = {
    "auroc": binary.auroc,
    "average_precision": binary.average_precision,
    "brier": binary.brier,
    "expected_calibration_error": binary.expected_calibration_error,
    "sensitivity_at_specificity_<level>": binary.sensitivity_at_specificity,
    "specificity_at_sensitivity_<level>": binary.specificity_at_sensitivity,
    "net_benefit@<threshold>": decision.net_benefit,
}
