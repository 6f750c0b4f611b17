"""Examples of several findings in one case, all from doctests of TorchMetrics but one."""

from collections.abc import Callable, Iterator

import numpy as np
from published import sources
from published.classification import half_a_digit
from published.example import Example

from medperf.analysis.metrics import multilabel
from medperf.analysis.metrics.multilabel import LabeledCases

FINDINGS = ("first", "second", "third")


def examples() -> Iterator[Example]:
    """All of them."""
    two = _two()
    for metric, function, printed in (
        ("accuracy", "multilabel_accuracy", 0.6667),
        ("f1", "multilabel_f1_score", 0.5556),
        ("mcc", "multilabel_matthews_corrcoef", 0.3333),
        ("specificity", "multilabel_specificity", 0.6667),
        ("hamming_loss", "multilabel_hamming_distance", 0.3333),
        ("exact_match", "multilabel_exact_match", 0.5),
    ):
        yield Example(
            "multilabel", metric, sources.TORCHMETRICS, function, printed,
            half_a_digit(printed), _value(metric, two),
        )  # fmt: skip
    for metric, function, printed, finding in (
        ("positive_predictive_value", "multilabel_precision, first", 1.0, "first"),
        ("positive_predictive_value", "multilabel_precision, third", 0.5, "third"),
        ("negative_predictive_value", "multilabel_negative_predictive_value, second", 0.5,
         "second"),
    ):  # fmt: skip
        yield Example(
            "multilabel", metric, sources.TORCHMETRICS, function, printed,
            half_a_digit(printed), _value(metric, two, finding),
            "of one finding: over all, one without predicted cases counts as 0 there and is "
            "missing here",
        )  # fmt: skip
    four = _cases(
        [[1, 0, 1], [0, 0, 0], [0, 1, 1], [1, 1, 1]],
        [[1, 0, 0], [0, 1, 0], [0, 1, 1], [0, 1, 0]],
        [[0.75, 0.05, 0.35], [0.45, 0.75, 0.05], [0.05, 0.55, 0.75], [0.05, 0.65, 0.05]],
    )
    for metric, function, printed in (
        ("auroc", "multilabel_auroc", 0.6528),
        ("average_precision", "multilabel_average_precision", 0.75),
    ):
        yield Example(
            "multilabel", metric, sources.TORCHMETRICS, function, printed,
            half_a_digit(printed), _value(metric, four),
        )  # fmt: skip
    for metric, function, by_finding in (
        ("sensitivity_at_specificity_0.5", "multilabel_sensitivity_at_specificity",
         (0.5, 1.0, 0.6667)),
        ("specificity_at_sensitivity_0.5", "multilabel_specificity_at_sensitivity",
         (1.0, 0.5, 1.0)),
    ):  # fmt: skip
        for finding, printed in zip(FINDINGS, by_finding, strict=True):
            yield Example(
                "multilabel", metric, sources.TORCHMETRICS, f"{function}, {finding}", printed,
                half_a_digit(printed), _value(metric, four, finding),
            )  # fmt: skip
    images = _cases([[0, 1, 1], [1, 1, 0]], [[1, 1, 1], [1, 0, 0]])
    yield Example(
        "multilabel", "f1_micro", sources.SCIKIT_LEARN, "jaccard_score, micro", 0.75, 0.005,
        _value("f1_micro", images), "a Jaccard index of 0.6 is printed; F1 is 2 J / (1 + J)",
    )  # fmt: skip


def value_of_two(metric: str) -> Callable[[], float | None]:
    """A metric of the two cases that most of the doctests share."""
    return _value(metric, _two())


def _two() -> LabeledCases:
    return _cases([[0, 1, 0], [1, 0, 1]], [[0, 0, 1], [1, 0, 1]])


def _cases(
    reference: list[list[int]],
    predicted: list[list[int]],
    probabilities: list[list[float]] | None = None,
) -> LabeledCases:
    present = np.array(reference, dtype=np.bool_)
    return LabeledCases(
        FINDINGS,
        present,
        np.ones_like(present),
        np.array(predicted, dtype=np.bool_),
        None if probabilities is None else np.array(probabilities),
    )


def _value(
    metric: str, cases: LabeledCases, finding: str | None = None
) -> Callable[[], float | None]:
    return lambda: multilabel.value_of(metric, cases, finding).value
