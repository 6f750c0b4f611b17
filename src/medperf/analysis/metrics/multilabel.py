"""Multi-label classification: several findings at once, each present, absent or unknown.

The overall value is the unweighted mean over the findings, and every finding has the value of that
finding against its absence, over the cases in which the reference knows it (``binary``); or it is
one of the forms below, which look at a whole case and need every finding of it known.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medperf.analysis.metrics.by_class import columns_of_class, value_of_class
from medperf.analysis.metrics.definition import (
    MetricDefinition,
    MetricValue,
    Missing,
    NamedMetric,
    resolve,
)
from medperf.analysis.metrics.multilabel_table import DEFINITIONS

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LabeledCases:
    """Reference and prediction of ``n`` cases for ``k`` findings, all ``n x k``.

    ``known`` says where the reference is known; ``probabilities`` is None for a model that answers
    with yes and no only.
    """

    findings: tuple[str, ...]
    reference: Bools
    known: Bools
    predicted: Bools
    probabilities: Floats | None = None

    def __len__(self) -> int:
        return len(self.reference)

    def where(self, chosen: Bools) -> "LabeledCases":
        """The cases for which ``chosen`` is true."""
        kept = None if self.probabilities is None else self.probabilities[chosen]
        return LabeledCases(
            self.findings, self.reference[chosen], self.known[chosen], self.predicted[chosen], kept
        )


def value_of(name: str, cases: LabeledCases, finding: str | None = None) -> MetricValue:
    """The metric ``name``, overall or of one finding.

    Raises:
        InvalidRequestError: if there is no such metric.
    """
    metric = resolve(name, DEFINITIONS)
    if not len(cases):
        return MetricValue.none(Missing.NO_CASES)
    if metric.family in _WHOLE_CASES:
        complete = np.asarray(cases.known.all(axis=1), dtype=np.bool_)
        if not complete.any():
            return MetricValue.none(Missing.NO_CASES)
        return _WHOLE_CASES[metric.family](cases.where(complete))
    if finding is not None:
        return _of_finding(metric, cases, cases.findings.index(finding))
    parts = [_of_finding(metric, cases, k) for k in range(len(cases.findings))]
    values = [part.value for part in parts if part.value is not None]
    if len(values) < len(parts):
        return MetricValue.none(Missing.ABSENT_CLASS)
    return MetricValue(float(np.mean(values)), len(cases))


def columns_of(
    name: str, cases: LabeledCases, finding: str | None = None
) -> tuple[Floats, ...] | None:
    """What each case adds to the metric, as `domain.case_table` says; None where it has no form.

    The mean over findings has none of its own: it follows from those of the findings.

    Raises:
        InvalidRequestError: if there is no such metric.
    """
    metric = resolve(name, DEFINITIONS)
    if metric.family in _WHOLE_CASES:
        found, counts = _WHOLE_COLUMNS[metric.family](cases), cases.known.all(axis=1)
    elif finding is None:
        return None
    else:
        k = cases.findings.index(finding)
        probability = None if cases.probabilities is None else cases.probabilities[:, k]
        of_class = columns_of_class(
            metric, cases.reference[:, k], cases.predicted[:, k], probability
        )
        if of_class is None:
            return None
        found, counts = of_class, cases.known[:, k]
    return tuple(np.where(counts, column, np.nan) for column in found)


def definition(name: str) -> MetricDefinition:
    """The definition of ``name``.

    Raises:
        InvalidRequestError: if there is none; the message lists what there is.
    """
    return resolve(name, DEFINITIONS).definition


def _of_finding(metric: NamedMetric, cases: LabeledCases, k: int) -> MetricValue:
    known = cases.known[:, k]
    probability = None if cases.probabilities is None else cases.probabilities[known, k]
    return value_of_class(metric, cases.reference[known, k], cases.predicted[known, k], probability)


def exact_match(cases: LabeledCases) -> MetricValue:
    """Share of cases with every finding right. [0, 1], higher is better."""
    right = (cases.reference == cases.predicted).all(axis=1)
    return MetricValue(float(right.mean()), len(cases))


def hamming_loss(cases: LabeledCases) -> MetricValue:
    """Share of findings that are wrong, over all cases. [0, 1], lower is better."""
    return MetricValue(float((cases.reference != cases.predicted).mean()), len(cases))


def f1_micro(cases: LabeledCases) -> MetricValue:
    """F1 of all findings of all cases taken together. [0, 1], higher is better."""
    both = int(np.count_nonzero(cases.reference & cases.predicted))
    whole = int(np.count_nonzero(cases.reference)) + int(np.count_nonzero(cases.predicted))
    if not whole:
        return MetricValue.none(Missing.ONE_CLASS)
    return MetricValue(2 * both / whole, len(cases))


_WHOLE_CASES: Mapping[str, Callable[[LabeledCases], MetricValue]] = {
    "exact_match": exact_match,
    "hamming_loss": hamming_loss,
    "f1_micro": f1_micro,
}
_WHOLE_COLUMNS: Mapping[str, Callable[[LabeledCases], tuple[Floats, ...]]] = {
    "exact_match": lambda cases: (np.all(cases.reference == cases.predicted, axis=1),),
    "hamming_loss": lambda cases: (np.mean(cases.reference != cases.predicted, axis=1),),
    "f1_micro": lambda cases: (
        2.0 * np.sum(cases.reference & cases.predicted, axis=1),
        np.sum(cases.reference, axis=1) + np.sum(cases.predicted, axis=1),
    ),
}
