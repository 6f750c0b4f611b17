"""The classification metrics equal scikit-learn's, and say why where there is no value."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as oracle
from sklearn.calibration import calibration_curve

from medperf.analysis.metrics import binary
from medperf.analysis.metrics.classification import ClassifiedCases, definition, value_of
from medperf.analysis.metrics.classification_table import DEFINITIONS
from medperf.analysis.metrics.definition import MetricValue, Missing
from medperf.domain.benchmarks import METRIC_NAME_PATTERN
from medperf.domain.errors import InvalidRequestError

# Multiples of 1/8 make ties common, which is where ranking metrics go wrong.
TIED = st.integers(0, 8).map(lambda k: k / 8)
FINE = st.floats(0, 1, allow_subnormal=False)


@st.composite
def two_class(
    draw: st.DrawFn, *, both: bool = True
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    n = draw(st.integers(2 if both else 1, 60))
    reference = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    if both:
        reference[:2] = [True, False]
    kind = draw(st.sampled_from([TIED, FINE]))
    return reference, np.array(draw(st.lists(kind, min_size=n, max_size=n)))


@st.composite
def many_class(draw: st.DrawFn) -> ClassifiedCases:
    k, n = draw(st.integers(3, 5)), draw(st.integers(5, 50))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    reference = np.concatenate((np.arange(k), rng.integers(0, k, n)))
    probabilities = rng.dirichlet(np.ones(k), k + n)
    names = tuple("abcde"[:k])
    return ClassifiedCases(names, reference, probabilities.argmax(axis=1), probabilities)


BY_PROBABILITY: list[tuple[Callable[..., MetricValue], Callable[..., float]]] = [
    (binary.auroc, oracle.roc_auc_score),
    (binary.average_precision, oracle.average_precision_score),
    (binary.brier, oracle.brier_score_loss),
]
BY_CLASS: list[tuple[Callable[..., MetricValue], Callable[..., float]]] = [
    (binary.accuracy, oracle.accuracy_score),
    (binary.balanced_accuracy, oracle.balanced_accuracy_score),
    (binary.sensitivity, oracle.recall_score),
    (binary.specificity, lambda y, p: oracle.recall_score(~y, ~p)),
    (binary.f1, oracle.f1_score),
]


@pytest.mark.parametrize(("ours", "theirs"), BY_PROBABILITY)
@settings(max_examples=30, deadline=None)
@given(cases=two_class())
def test_probability_metrics_equal_scikit_learn(ours, theirs, cases):
    assert ours(*cases).value == pytest.approx(theirs(*cases), abs=1e-12)


@pytest.mark.parametrize(("ours", "theirs"), BY_CLASS)
@settings(max_examples=30, deadline=None)
@given(cases=two_class())
def test_class_metrics_equal_scikit_learn(ours, theirs, cases):
    reference, probability = cases
    predicted = probability >= 0.5
    assert ours(reference, predicted).value == pytest.approx(
        theirs(reference, predicted), abs=1e-12
    )


@settings(max_examples=30, deadline=None)
@given(cases=two_class())
def test_predictive_values_equal_scikit_learn_or_are_missing(cases):
    reference, probability = cases
    predicted = probability >= 0.5
    for r, p, metric in (
        (reference, predicted, binary.positive_predictive_value),
        (~reference, ~predicted, binary.negative_predictive_value),
    ):
        found = metric(reference, predicted)
        if p.any():
            assert found.value == pytest.approx(oracle.precision_score(r, p), abs=1e-12)
            assert found.n == p.sum()
        else:
            assert found.missing is Missing.NONE_PREDICTED


@settings(max_examples=30, deadline=None)
@given(cases=two_class())
def test_matthews_correlation_equals_scikit_learn(cases):
    reference, probability = cases
    two = _two(reference, probability)
    expected = oracle.matthews_corrcoef(reference, probability >= 0.5)
    assert value_of("mcc", two).value == pytest.approx(expected, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(cases=two_class(), level=st.sampled_from([0.5, 0.8, 0.9, 0.95]))
def test_operating_points_equal_a_search_of_the_roc_curve(cases, level):
    one_minus_specificity, tpr, _ = oracle.roc_curve(*cases, drop_intermediate=False)
    sensitivity = binary.sensitivity_at_specificity(*cases, level).value
    assert sensitivity == pytest.approx(tpr[1 - one_minus_specificity >= level - 1e-9].max())
    specificity = binary.specificity_at_sensitivity(*cases, level).value
    assert specificity == pytest.approx((1 - one_minus_specificity)[tpr >= level - 1e-9].max())


@settings(max_examples=30, deadline=None)
@given(cases=two_class(both=False))
def test_calibration_error_equals_a_loop_over_bins(cases):
    reference, probability = cases
    total = 0.0
    for k in range(10):
        inside = np.floor(np.minimum(probability * 10, 9)) == k
        if inside.any():
            total += abs(probability[inside].mean() - reference[inside].mean()) * inside.mean()
    assert binary.expected_calibration_error(*cases).value == pytest.approx(total, abs=1e-12)


def test_calibration_error_agrees_with_the_curve_of_scikit_learn():
    rng = np.random.default_rng(7)
    probability = rng.random(500)
    reference = rng.random(500) < probability
    observed, mean = calibration_curve(reference, probability, n_bins=10)
    counts, _ = np.histogram(probability, bins=10, range=(0, 1))
    expected = float(np.sum(np.abs(observed - mean) * counts) / 500)
    assert binary.expected_calibration_error(reference, probability).value == pytest.approx(
        expected
    )


@settings(max_examples=20, deadline=None)
@given(cases=many_class())
def test_many_class_values_equal_scikit_learn(cases):
    y, p, s = cases.reference, cases.predicted, cases.probabilities
    labels = list(range(len(cases.classes)))
    expected = {
        "auroc": oracle.roc_auc_score(y, s, multi_class="ovr", labels=labels),
        "average_precision": oracle.average_precision_score(np.eye(len(labels))[y], s),
        "accuracy": oracle.accuracy_score(y, p),
        "balanced_accuracy": oracle.balanced_accuracy_score(y, p),
        "sensitivity": oracle.recall_score(y, p, average="macro"),
        "f1": oracle.f1_score(y, p, average="macro", labels=labels),
        "mcc": oracle.matthews_corrcoef(y, p),
        "brier": float(((s - np.eye(len(labels))[y]) ** 2).sum(axis=1).mean()),
    }
    found = {name: value_of(name, cases).value for name in expected}
    assert found == pytest.approx(expected, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(cases=many_class())
def test_a_class_label_asks_for_one_class_against_the_rest(cases):
    for k, label in enumerate(cases.classes):
        expected = oracle.roc_auc_score(cases.reference == k, cases.probabilities[:, k])
        assert value_of("auroc", cases, label).value == pytest.approx(expected, abs=1e-12)


def test_the_value_of_two_classes_is_that_of_the_positive_one():
    reference = np.array([True, True, False, False, False])
    probability = np.array([0.9, 0.2, 0.4, 0.6, 0.1])
    two = _two(reference, probability)
    assert value_of("sensitivity", two) == binary.sensitivity(reference, probability >= 0.5)
    assert value_of("sensitivity", two, "benign") == binary.specificity(
        reference, probability >= 0.5
    )


@pytest.mark.parametrize("name", sorted(DEFINITIONS))
def test_without_cases_every_metric_is_missing(name):
    nothing = _two(np.array([], dtype=bool), np.array([]))
    assert value_of(_named(name), nothing).missing is Missing.NO_CASES


@pytest.mark.parametrize("name", sorted(DEFINITIONS))
@pytest.mark.parametrize("positive", [True, False])
def test_one_class_gives_a_value_or_a_reason_and_never_nan(name, positive):
    one = _two(np.full(5, positive), np.linspace(0, 1, 5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = value_of(_named(name), one)
    assert (found.value is None) == (found.missing is not None)
    assert found.value is None or np.isfinite(found.value)
    if "one reference class" in DEFINITIONS[name].edge:
        assert found.missing is Missing.ONE_CLASS


@settings(max_examples=30, deadline=None)
@given(cases=two_class(both=False))
def test_every_value_lies_in_the_range_of_its_definition(cases):
    for name, metric in DEFINITIONS.items():
        found = value_of(_named(name), _two(*cases))
        if found.value is not None:
            assert metric.lower - 1e-12 <= found.value <= metric.upper + 1e-12
            assert 1 <= found.n <= len(cases[0])


def test_a_macro_average_is_missing_where_a_class_is_absent():
    cases = ClassifiedCases(
        ("a", "b", "c"), np.array([0, 1, 0]), np.array([0, 1, 1]), np.full((3, 3), 1 / 3)
    )
    assert value_of("auroc", cases).missing is Missing.ABSENT_CLASS
    assert value_of("accuracy", cases).value == pytest.approx(2 / 3)


def test_a_model_without_probabilities_has_no_auroc():
    cases = ClassifiedCases(("a", "b"), np.array([0, 1]), np.array([0, 1]), positive=1)
    assert value_of("auroc", cases).missing is Missing.NO_PROBABILITIES
    assert value_of("accuracy", cases).value == 1.0


def test_proportions_weighted_by_n_over_sites_give_the_proportion_of_all_cases():
    rng = np.random.default_rng(3)
    reference, probability = rng.random(90) < 0.3, rng.random(90)
    whole = _two(reference, probability)
    parts = [whole.where(np.arange(90) % 3 == k) for k in range(3)]
    for name in ("sensitivity", "specificity", "positive_predictive_value", "accuracy", "brier"):
        found = [value_of(name, part) for part in parts]
        pooled = sum(v.value * v.n for v in found) / sum(v.n for v in found)
        assert pooled == pytest.approx(value_of(name, whole).value)


def test_an_unknown_metric_is_refused_with_the_list_of_known_ones():
    with pytest.raises(InvalidRequestError, match=r"no metric 'auc'; known: accuracy"):
        definition("auc")


@pytest.mark.parametrize("name", sorted(DEFINITIONS))
def test_a_definition_is_complete_and_its_name_can_be_declared_in_a_plan(name):
    import re

    metric = definition(_named(name))
    assert re.match(METRIC_NAME_PATTERN, metric.name)
    assert all((metric.title, metric.counted, metric.edge, metric.source))
    assert metric.lower < metric.upper


def test_a_level_is_part_of_the_name_and_of_the_title():
    assert definition("sensitivity_at_specificity_0.90").title.endswith("at least 0.90")


def _named(name: str) -> str:
    numbers = {"<level>": "0.90", "<threshold>": "0.25", "<fp>": "1", "<fn>": "5"}
    for place, number in numbers.items():
        name = name.replace(place, number)
    return name


def _two(reference: NDArray[np.bool_], probability: NDArray[np.float64]) -> ClassifiedCases:
    return ClassifiedCases(
        ("benign", "malignant"),
        reference.astype(np.int64),
        (probability >= 0.5).astype(np.int64),
        np.column_stack((1 - probability, probability)),
        positive=1,
    )
