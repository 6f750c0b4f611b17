"""Classification: which metrics there are, and their values for two or more classes.

With two classes and a positive one, a metric is that of the positive class. With more, the overall
value is what the definition's ``average`` says, and ``class_label`` asks for one class against the
rest. Every number is computed by ``by_class``, or by the forms below that know many
classes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medperf.analysis.metrics import binary
from medperf.analysis.metrics.by_class import columns_of_class, value_of_class
from medperf.analysis.metrics.classification_table import DEFINITIONS
from medperf.analysis.metrics.definition import MetricDefinition, MetricValue, Missing, resolve

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ClassifiedCases:
    """Reference labels and predictions of ``n`` cases over ``k`` classes.

    ``reference`` and ``predicted`` are indices into ``classes`` (shape ``n``); ``probabilities`` is
    ``n x k``, or None for a model that answers with classes only; ``positive`` is the index of the
    positive class where there are two classes and one of them is what is looked for.
    """

    classes: tuple[str, ...]
    reference: Integers
    predicted: Integers
    probabilities: binary.Floats | None = None
    positive: int | None = None

    def __len__(self) -> int:
        return len(self.reference)

    def where(self, chosen: binary.Bools | Integers) -> "ClassifiedCases":
        """The cases for which ``chosen`` is true, or those with these indices."""
        kept = None if self.probabilities is None else self.probabilities[chosen]
        return ClassifiedCases(
            self.classes, self.reference[chosen], self.predicted[chosen], kept, self.positive
        )


def value_of(name: str, cases: ClassifiedCases, class_label: str | None = None) -> MetricValue:
    """The metric ``name`` over ``cases``, overall or for one class against the rest.

    Raises:
        InvalidRequestError: if there is no such metric.
    """
    metric = definition(name)
    if metric.needs == "probabilities" and cases.probabilities is None:
        return MetricValue.none(Missing.NO_PROBABILITIES)
    if class_label is not None:
        return _one_against_rest(name, cases, cases.classes.index(class_label))
    if cases.positive is not None:
        return _one_against_rest(name, cases, cases.positive)
    if metric.average == "native":
        return _MANY[name](cases)
    return _macro([_one_against_rest(name, cases, k) for k in range(len(cases.classes))], cases)


def columns_of(
    name: str, cases: ClassifiedCases, class_label: str | None = None
) -> tuple[binary.Floats, ...] | None:
    """What each case adds to the metric, as `domain.case_table` says; None where it has no form.

    The mean over more than two classes has none of its own: it follows from those of the classes.

    Raises:
        InvalidRequestError: if there is no such metric.
    """
    metric = resolve(name, DEFINITIONS)
    k = cases.positive if class_label is None else cases.classes.index(class_label)
    if k is None:
        return _MANY_COLUMNS[name](cases) if name in _MANY_COLUMNS else None
    probability = None if cases.probabilities is None else cases.probabilities[:, k]
    return columns_of_class(metric, cases.reference == k, cases.predicted == k, probability)


def definition(name: str) -> MetricDefinition:
    """The definition of ``name``, or of the family of ``sensitivity_at_specificity_0.90``.

    Raises:
        InvalidRequestError: if there is none; the message lists what there is.
    """
    return resolve(name, DEFINITIONS).definition


def _one_against_rest(name: str, cases: ClassifiedCases, k: int) -> MetricValue:
    reference = cases.reference == k
    metric = resolve(name, DEFINITIONS)
    probability = None if cases.probabilities is None else cases.probabilities[:, k]
    return value_of_class(metric, reference, cases.predicted == k, probability)


def _macro(parts: list[MetricValue], cases: ClassifiedCases) -> MetricValue:
    if len(cases) == 0:
        return MetricValue.none(Missing.NO_CASES)
    values = [part.value for part in parts if part.value is not None]
    if len(values) < len(parts):
        return MetricValue.none(Missing.ABSENT_CLASS)
    return MetricValue(float(np.mean(values)), len(cases))


# --- forms of their own for many classes ---


def _accuracy(cases: ClassifiedCases) -> MetricValue:
    return binary.accuracy(
        np.ones(len(cases), dtype=np.bool_), np.equal(cases.reference, cases.predicted)
    )


def matthews_correlation(cases: ClassifiedCases) -> MetricValue:
    """Correlation of reference and prediction over the whole confusion matrix.

    [-1, 1], higher is better, 0 is chance. Missing with one reference class; 0 for a constant
    prediction, the limit that Chicco and Jurman 2020 argue for. Gorodkin 2004; Matthews 1975.
    """
    if len(cases) == 0:
        return MetricValue.none(Missing.NO_CASES)
    k = len(cases.classes)
    in_reference = np.bincount(cases.reference, minlength=k).astype(np.float64)
    in_predicted = np.bincount(cases.predicted, minlength=k).astype(np.float64)
    n, right = float(len(cases)), float(np.count_nonzero(cases.reference == cases.predicted))
    spread_reference = n * n - float(in_reference @ in_reference)
    spread_predicted = n * n - float(in_predicted @ in_predicted)
    if spread_reference == 0:
        return MetricValue.none(Missing.ONE_CLASS)
    if spread_predicted == 0:
        return MetricValue(0.0, len(cases))
    covariance = right * n - float(in_reference @ in_predicted)
    correlation = covariance / float(np.sqrt(spread_reference * spread_predicted))
    return MetricValue(min(max(correlation, -1.0), 1.0), len(cases))  # a float may overshoot


def _mean_recall(cases: ClassifiedCases) -> MetricValue:
    parts = [_one_against_rest("sensitivity", cases, k) for k in range(len(cases.classes))]
    return _macro(parts, cases)


def brier_of_many(cases: ClassifiedCases) -> MetricValue:
    """Mean over cases of the squared differences summed over classes. [0, 2]. Brier 1950."""
    if len(cases) == 0 or cases.probabilities is None:
        return MetricValue.none(Missing.NO_CASES)
    return MetricValue(float(_squares(cases, cases.probabilities).mean()), len(cases))


def _squares(cases: ClassifiedCases, probabilities: binary.Floats) -> binary.Floats:
    outcome = np.eye(len(cases.classes))[cases.reference]
    return np.asarray(np.sum((probabilities - outcome) ** 2, axis=1), dtype=np.float64)


def _brier_columns(cases: ClassifiedCases) -> tuple[binary.Floats, ...] | None:
    return None if cases.probabilities is None else (_squares(cases, cases.probabilities),)


def top_label_calibration_error(cases: ClassifiedCases) -> MetricValue:
    """Calibration error of the probability given to the predicted class. Guo et al. 2017."""
    if cases.probabilities is None:
        return MetricValue.none(Missing.NO_PROBABILITIES)
    confidence = cases.probabilities[np.arange(len(cases)), cases.predicted]
    return binary.expected_calibration_error(cases.reference == cases.predicted, confidence)


def _numbered(cases: ClassifiedCases) -> tuple[binary.Floats, ...]:
    return cases.reference.astype(np.float64), cases.predicted.astype(np.float64)


def _numbered_if_all_occur(cases: ClassifiedCases) -> tuple[binary.Floats, ...] | None:
    # Who reads the columns knows no class but those that occur.
    return None if _mean_recall(cases).value is None else _numbered(cases)


def _top_labels(cases: ClassifiedCases) -> tuple[binary.Floats, ...] | None:
    if cases.probabilities is None:
        return None
    confidence = cases.probabilities[np.arange(len(cases)), cases.predicted]
    return (cases.reference == cases.predicted).astype(np.float64), confidence


_MANY: Mapping[str, Callable[[ClassifiedCases], MetricValue]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _mean_recall,
    "mcc": matthews_correlation,
    "brier": brier_of_many,
    "expected_calibration_error": top_label_calibration_error,
}
_MANY_COLUMNS: Mapping[str, Callable[[ClassifiedCases], tuple[binary.Floats, ...] | None]] = {
    "accuracy": lambda cases: ((cases.reference == cases.predicted).astype(np.float64),),
    "brier": _brier_columns,
    "mcc": _numbered,
    "balanced_accuracy": _numbered_if_all_occur,
    "expected_calibration_error": _top_labels,
}
