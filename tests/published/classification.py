"""Examples of two and of many classes."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from published import sources
from published.example import Example, Source

from medperf.analysis.metrics import classification
from medperf.analysis.metrics.classification import ClassifiedCases

TWO = ("negative", "positive")


def examples() -> Iterator[Example]:
    """All of them."""
    yield from _two_classes()
    yield from _scores()
    yield from _many_classes()


def _two_classes() -> Iterator[Example]:
    # Counts of true positives, false negatives, false positives and true negatives.
    drawn = (
        ("figure SN 2.9, first", (45, 5, 10, 40), {
            "mcc": 0.70, "positive_predictive_value": 0.82, "f1": 0.86, "balanced_accuracy": 0.85,
        }),
        ("figure SN 2.9, first", (45, 5, 10, 40), {"negative_predictive_value": 0.889}),
        ("figure SN 2.9, second", (81, 9, 2, 8), {
            "positive_predictive_value": 0.98, "f1": 0.94, "balanced_accuracy": 0.85,
            "negative_predictive_value": 0.47,
        }),
        ("figure SN 2.17, first", (3, 0, 3, 94), {"specificity": 0.97, "sensitivity": 1.0}),
        ("figure SN 2.17, second", (0, 3, 0, 97), {"specificity": 1.0, "sensitivity": 0.0}),
        ("figure 27", (40, 30, 1, 0), {"sensitivity": 0.57}),
        ("figure SN 2.11, first", (30, 0, 75, 0), {
            "accuracy": 0.286, "net_benefit@0.1": 0.206, "net_benefit@0.5": -0.429,
        }),
        ("figure SN 2.11, second", (20, 15, 60, 10), {
            "accuracy": 0.286, "net_benefit@0.1": 0.127, "net_benefit@0.5": -0.381,
        }),
    )  # fmt: skip
    for place, counts, values in drawn:
        reference, predicted = _counted(*counts)
        for metric, printed in values.items():
            yield _of_calls(sources.METRICS_RELOADED, place, metric, printed, reference, predicted)
    yield _of_calls(
        sources.METRICS_RELOADED, "figure 38", "mcc", 0.0386, *_counted(1499, 500, 0, 1),
        within=1e-3, note="as far as the source asks for",
    )  # fmt: skip
    for weights, counts in (((2, 2), (45, 5, 10, 40)), ((10, 1.1111), (81, 9, 2, 8))):
        metric = f"expected_cost@fp{weights[0]}-fn{weights[1]}"
        yield _of_calls(
            sources.METRICS_RELOADED, "figure SN 2.9", metric, 0.30, *_counted(*counts),
            note="normalized there by the cost of the best constant answer, here by the weights",
        )  # fmt: skip
    yield _of_calls(
        sources.SCIKIT_LEARN, "balanced_accuracy_score", "balanced_accuracy", 0.625,
        [0, 1, 0, 0, 1, 0], [0, 1, 0, 0, 0, 1],
    )  # fmt: skip
    yield _of_calls(
        sources.SCIKIT_LEARN, "matthews_corrcoef", "mcc", -0.33, [1, 1, 1, 0], [1, 0, 1, 1]
    )
    for metric, function in (
        ("specificity", "binary_specificity"),
        ("negative_predictive_value", "binary_negative_predictive_value"),
        ("f1", "binary_f1_score"),
        ("sensitivity", "binary_recall"),
        ("positive_predictive_value", "binary_precision"),
    ):
        yield _of_calls(
            sources.TORCHMETRICS, function, metric, 0.6667, [0, 1, 0, 1, 0, 1], [0, 0, 1, 1, 0, 1]
        )


def _scores() -> Iterator[Example]:
    ratings = np.repeat([1, 2, 3, 4, 5] * 2, [33, 6, 6, 11, 2, 3, 2, 2, 11, 33]) / 5
    yield _of_scores(
        sources.HANLEY_MCNEIL, "table 1: 109 tomograms rated by one reader", "auroc", 0.893,
        (np.arange(109) >= 58).astype(int), ratings,
        note="the table as Stata's example data `hanley` and other packages' tests quote it; "
        "the paper itself was not at hand",
    )  # fmt: skip
    six = ([0, 0, 0, 1, 1, 1], [0.21, 0.35, 0.63, 0.92, 0.32, 0.79])
    yield _of_scores(sources.METRICS_RELOADED, "figure SN 2.18", "auroc", 0.78, *six)
    ten = (
        [0, 1, 0, 0, 1, 1, 1, 1, 1, 0],
        [0.22, 0.48, 0.49, 0.96, 0.55, 0.64, 0.78, 0.82, 0.34, 0.87],
    )
    yield _of_scores(
        sources.METRICS_RELOADED, "figure SN 2.24, ten bins", "expected_calibration_error", 0.36,
        *ten,
    )  # fmt: skip
    yield _of_scores(
        sources.SCIKIT_LEARN, "average_precision_score", "average_precision", 0.83,
        [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8],
    )  # fmt: skip
    yield _of_scores(
        sources.TORCHMETRICS, "binary_average_precision", "average_precision", 0.5833,
        [0, 1, 1, 0], [0.0, 0.5, 0.7, 0.8],
    )  # fmt: skip
    yield _of_scores(
        sources.SCIKIT_LEARN, "brier_score_loss", "brier", 0.0375,
        [0, 1, 1, 0], [0.1, 0.9, 0.8, 0.3],
    )  # fmt: skip
    four = ([0, 1, 1, 1], [0.0, 0.5, 0.4, 0.1])
    for metric, function in (
        ("sensitivity_at_specificity_0.5", "binary_sensitivity_at_specificity"),
        ("specificity_at_sensitivity_0.5", "binary_specificity_at_sensitivity"),
    ):
        yield _of_scores(sources.TORCHMETRICS, function, metric, 1.0, *four, decimals=4)


def _many_classes() -> Iterator[Example]:
    for source, place, metric, printed, reference, predicted in (
        (sources.SCIKIT_LEARN, "accuracy_score", "accuracy", 0.5, [0, 1, 2, 3], [0, 2, 1, 3]),
        (sources.SCIKIT_LEARN, "f1_score, macro", "f1", 0.267, [0, 1, 2] * 2, [0, 2, 1, 0, 0, 1]),
        (sources.SCIKIT_LEARN, "recall_score, macro", "sensitivity", 0.33,
         [0, 1, 2] * 2, [0, 2, 1, 0, 0, 1]),
        (sources.SCIKIT_LEARN, "precision_score, macro", "positive_predictive_value", 0.22,
         [0, 1, 2] * 2, [0, 2, 1, 0, 0, 1]),
        (sources.TORCHMETRICS, "multiclass_matthews_corrcoef", "mcc", 0.7,
         [2, 1, 0, 0], [2, 1, 0, 1]),
        (sources.TORCHMETRICS, "multiclass_specificity", "specificity", 0.8889,
         [2, 1, 0, 0], [2, 1, 0, 1]),
        (sources.TORCHMETRICS, "multiclass_negative_predictive_value",
         "negative_predictive_value", 0.8889, [2, 1, 0, 0], [2, 1, 0, 1]),
    ):  # fmt: skip
        yield _row(source, place, metric, printed, _many(reference, predicted))
    of_four = ([6, 3, 1, 1], [0, 9, 0, 2], [1, 1, 10, 1], [2, 1, 2, 12])
    confused = [
        (p, r) for p, row in enumerate(of_four) for r, n in enumerate(row) for _ in range(n)
    ]
    yield _row(
        sources.METRICS_RELOADED, "test_balanced_accuracy", "balanced_accuracy", 0.7071,
        _many([r for _, r in confused], [p for p, _ in confused]), within=1e-3,
        note="as far as the source asks for",
    )  # fmt: skip
    thirds = [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.2, 0.2, 0.6]]
    yield _row(
        sources.SCIKIT_LEARN, "brier_score_loss, three classes", "brier", 0.146,
        _many([0, 1, 2], [0, 1, 2], thirds), within=1e-3, note="printed cut off, not rounded",
    )  # fmt: skip
    yield _row(
        sources.METRICS_RELOADED, "test_brier_score", "brier", 0.4,
        _many([1, 0], [1, 1], [[0.2, 0.8], [0.4, 0.6]]),
    )  # fmt: skip
    six = [
        [0.7, 0.2, 0.1], [0.4, 0.3, 0.3], [0.1, 0.8, 0.1],
        [0.2, 0.3, 0.5], [0.4, 0.4, 0.2], [0.1, 0.2, 0.7],
    ]  # fmt: skip
    yield _row(
        sources.SCIKIT_LEARN, "average_precision_score, macro", "average_precision", 0.77,
        _many([0, 0, 1, 1, 2, 2], [0, 0, 1, 2, 0, 2], six), within=0.01,
        note="printed cut off, not rounded",
    )  # fmt: skip


def _counted(tp: int, fn: int, fp: int, tn: int) -> tuple[list[int], list[int]]:
    return [1] * (tp + fn) + [0] * (fp + tn), [1] * tp + [0] * fn + [1] * fp + [0] * tn


def _of_calls(
    source: Source,
    place: str,
    metric: str,
    printed: float,
    reference: Sequence[int],
    predicted: Sequence[int],
    note: str = "",
    within: float | None = None,
) -> Example:
    # An answer without doubt is a probability as well: what is looked for at a threshold is the
    # same.
    certain = np.array(predicted, dtype=np.float64)
    return _row(source, place, metric, printed, _two(reference, predicted, certain), within, note)


def _of_scores(
    source: Source,
    place: str,
    metric: str,
    printed: float,
    reference: Sequence[int],
    scores: Sequence[float],
    note: str = "",
    decimals: int | None = None,
) -> Example:
    found = np.array(scores, dtype=np.float64)
    cases = _two(reference, (found >= 0.5).astype(int), found)
    within = None if decimals is None else 0.5 * 10.0**-decimals
    return _row(source, place, metric, printed, cases, within=within, note=note)


def _row(
    source: Source,
    place: str,
    metric: str,
    printed: float,
    cases: ClassifiedCases,
    within: float | None = None,
    note: str = "",
) -> Example:
    return Example(
        "classification", metric, source, place, printed,
        half_a_digit(printed) if within is None else within, _value(metric, cases), note,
    )  # fmt: skip


def half_a_digit(printed: float) -> float:
    """Half a unit of the last digit of a number as it is written; whole numbers to 0.005."""
    decimals = len(repr(printed).partition(".")[2])
    return 0.5 * 10.0 ** -max(decimals, 2) + 1e-9


def _value(metric: str, cases: ClassifiedCases) -> Callable[[], float | None]:
    return lambda: classification.value_of(metric, cases).value


def _two(
    reference: Sequence[int], predicted: Sequence[int], probability: np.ndarray
) -> ClassifiedCases:
    return ClassifiedCases(
        TWO,
        np.array(reference),
        np.array(predicted),
        np.column_stack([1 - probability, probability]),
        positive=1,
    )


def _many(
    reference: Sequence[int],
    predicted: Sequence[int],
    probabilities: Sequence[Sequence[float]] | None = None,
) -> ClassifiedCases:
    names = tuple("abcd"[: max(*reference, *predicted) + 1])
    given = None if probabilities is None else np.array(probabilities)
    return ClassifiedCases(names, np.array(reference), np.array(predicted), given)
