"""One class against the rest: from a metric's name to its formula."""

from collections.abc import Callable, Mapping

import numpy as np

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


def columns_of_class(
    metric: NamedMetric, reference: Bools, predicted: Bools, probability: Floats | None
) -> tuple[Floats, ...] | None:
    """What each case adds to ``metric`` of one class, as `domain.case_table` says; else None.

    Every array has shape ``n``, NaN where a case does not count.
    """
    if metric.family in _COLUMNS_FROM_CALLS:
        return _COLUMNS_FROM_CALLS[metric.family](reference, predicted, *metric.numbers)
    if probability is None or metric.family not in _COLUMNS_FROM_PROBABILITIES:
        return None
    return _COLUMNS_FROM_PROBABILITIES[metric.family](reference, probability, *metric.numbers)


def _share(part: Bools, whole: Bools) -> tuple[Floats, ...]:
    return np.where(whole, part, np.nan), np.where(whole, 1.0, np.nan)


def _f1(reference: Bools, predicted: Bools) -> tuple[Floats, ...]:
    r, p = reference.astype(np.float64), predicted.astype(np.float64)
    return 2 * r * p, r + p


def _cost(
    reference: Bools, predicted: Bools, false_positive: float, false_negative: float
) -> tuple[Floats, ...]:
    wrongly = false_positive * (predicted & ~reference)
    return (np.asarray(wrongly + false_negative * (reference & ~predicted)),)


def _net_benefit(reference: Bools, probability: Floats, threshold: float) -> tuple[Floats, ...]:
    called, odds = probability >= threshold, threshold / (1.0 - threshold)
    return (np.where(reference, 1.0, -odds) * called,)


def _numbered(reference: Bools, predicted: Bools) -> tuple[Floats, ...]:
    return reference.astype(np.float64), predicted.astype(np.float64)


def _scored(reference: Bools, probability: Floats, *_: float) -> tuple[Floats, ...]:
    return reference.astype(np.float64), probability


_COLUMNS_FROM_CALLS: Mapping[str, Callable[..., tuple[Floats, ...]]] = {
    "accuracy": lambda reference, predicted: ((reference == predicted).astype(np.float64),),
    "sensitivity": lambda reference, predicted: _share(predicted, reference),
    "specificity": lambda reference, predicted: _share(~predicted, ~reference),
    "positive_predictive_value": _share,
    "negative_predictive_value": lambda reference, predicted: _share(~reference, ~predicted),
    "f1": _f1,
    "mcc": _numbered,
    "balanced_accuracy": _numbered,
    "expected_cost@fp<fp>-fn<fn>": _cost,
}
_COLUMNS_FROM_PROBABILITIES: Mapping[str, Callable[..., tuple[Floats, ...]]] = {
    "auroc": _scored,
    "average_precision": _scored,
    "expected_calibration_error": _scored,
    "sensitivity_at_specificity_<level>": _scored,
    "specificity_at_sensitivity_<level>": _scored,
    "brier": lambda reference, probability: ((probability - reference) ** 2,),
    "net_benefit@<threshold>": _net_benefit,
}
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
