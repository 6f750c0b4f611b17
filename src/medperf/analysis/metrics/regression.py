"""Regression: how far predicted numbers are from reference values, and how much they explain.

Functions take ``reference`` and ``predicted``, floats of shape ``n`` in the same unit.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from medperf.analysis.metrics.definition import MetricDefinition, MetricValue, Missing, resolve
from medperf.analysis.metrics.regression_table import DEFINITIONS

Floats = NDArray[np.float64]


def value_of(name: str, reference: Floats, predicted: Floats) -> MetricValue:
    """The metric ``name``.

    Raises:
        InvalidRequestError: if there is no such metric.
    """
    metric = resolve(name, DEFINITIONS)
    if not len(reference):
        return MetricValue.none(Missing.NO_CASES)
    if metric.family in _CORRELATIONS:
        if np.ptp(reference) == 0:
            return MetricValue.none(Missing.CONSTANT_REFERENCE)
        return MetricValue(_CORRELATIONS[metric.family](reference, predicted), len(reference))
    return MetricValue(
        _ERRORS[metric.family](predicted - reference, *metric.numbers), len(reference)
    )


def definition(name: str) -> MetricDefinition:
    """The definition of ``name``.

    Raises:
        InvalidRequestError: if there is none; the message lists what there is.
    """
    return resolve(name, DEFINITIONS).definition


def columns_of(name: str, reference: Floats, predicted: Floats) -> tuple[Floats, ...]:
    """What each case adds to the metric, as `domain.case_table` says.

    Raises:
        InvalidRequestError: if there is no such metric.
    """
    metric = resolve(name, DEFINITIONS)
    if metric.family in _CORRELATIONS:
        return reference, predicted
    return (_BY_CASE[metric.family](predicted - reference, *metric.numbers),)


def r2(reference: Floats, predicted: Floats) -> float:
    """1 - residual over total sum of squares. (-inf, 1]; 0 is predicting the mean."""
    residual = float(np.sum((reference - predicted) ** 2))
    return 1.0 - residual / float(np.sum((reference - reference.mean()) ** 2))


def pearson(reference: Floats, predicted: Floats) -> float:
    """Linear correlation; 0 for a constant prediction."""
    spread = float(reference.std() * predicted.std())
    return _covariance(reference, predicted) / spread if spread else 0.0


def lin_concordance(reference: Floats, predicted: Floats) -> float:
    """Agreement with the line of identity: correlation, less what bias and scale cost. Lin 1989."""
    gap = float(reference.mean() - predicted.mean())
    whole = float(reference.var() + predicted.var()) + gap * gap
    return 2 * _covariance(reference, predicted) / whole


def _covariance(one: Floats, two: Floats) -> float:
    return float(np.mean((one - one.mean()) * (two - two.mean())))


_BY_CASE: Mapping[str, Callable[..., Floats]] = {
    "mae": lambda errors: np.asarray(np.abs(errors)),
    "mse": lambda errors: np.asarray(errors**2),
    "rmse": lambda errors: np.asarray(errors**2),
    "median_absolute_error": lambda errors: np.asarray(np.abs(errors)),
    "within@<tolerance>": lambda errors, tolerance: (
        np.abs(errors) <= tolerance * (1 + 1e-12)
    ).astype(np.float64),
}
_ERRORS: Mapping[str, Callable[..., float]] = {
    "mae": lambda errors: float(np.mean(np.abs(errors))),
    "mse": lambda errors: float(np.mean(errors**2)),
    "rmse": lambda errors: float(np.sqrt(np.mean(errors**2))),
    "median_absolute_error": lambda errors: float(np.median(np.abs(errors))),
    "within@<tolerance>": lambda errors, tolerance: float(
        _BY_CASE["within@<tolerance>"](errors, tolerance).mean()
    ),
}
_CORRELATIONS: Mapping[str, Callable[[Floats, Floats], float]] = {
    "r2": r2,
    "pearson": pearson,
    "lin_concordance": lin_concordance,
}
