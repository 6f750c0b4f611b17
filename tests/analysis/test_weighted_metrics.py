"""Metrics of weighted cases: with equal weights they are the metrics, with whole ones repetitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medperf.analysis.bootstrap import resample
from medperf.analysis.case_evidence import measure
from medperf.analysis.metrics import classification, regression
from medperf.analysis.metrics.classification import ClassifiedCases
from medperf.analysis.weighted_metrics import rests_on, weighted_metric
from medperf.domain.benchmarks import AnalysisPlan, PlannedMetric, Summary
from medperf.domain.case_table import OF_OBJECTS, OF_REPLICATES, CaseTable, Evidence, columns_of

OF_CLASSES = {
    "average_precision": Evidence.AVERAGE_PRECISION,
    "expected_calibration_error": Evidence.CALIBRATION_ERROR,
    "sensitivity_at_specificity_0.80": Evidence.SENSITIVITY_AT_SPECIFICITY,
    "specificity_at_sensitivity_0.80": Evidence.SPECIFICITY_AT_SENSITIVITY,
    "mcc": Evidence.MATTHEWS_CORRELATION,
    "balanced_accuracy": Evidence.BALANCED_ACCURACY,
}
OF_NUMBERS = {
    "rmse": Evidence.ROOT_MEAN,
    "median_absolute_error": Evidence.MEDIAN,
    "r2": Evidence.R2,
    "pearson": Evidence.PEARSON,
    "lin_concordance": Evidence.LIN_CONCORDANCE,
}


@st.composite
def draws(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng, draw(st.integers(4, 30))


def classified(rng, n, k):
    reference = np.append(np.arange(k), rng.integers(0, k, n))
    scores = np.round(rng.random((len(reference), k)) + np.eye(k)[reference], 1)
    probability = scores / scores.sum(axis=1, keepdims=True)
    predicted = rng.integers(0, k, len(reference))
    positive = 1 if k == 2 else None
    return ClassifiedCases(tuple("abcd"[:k]), reference, predicted, probability, positive)


def of_cases(metric, evidence, cases, weights):
    columns = classification.columns_of(metric, cases)
    return weighted_metric(metric, evidence, columns, len(cases.classes))(weights)


def test_every_form_of_replicates_is_tried_here():
    assert {*OF_CLASSES.values(), *OF_NUMBERS.values()} == OF_REPLICATES - OF_OBJECTS


@settings(max_examples=12, deadline=None)
@given(drawn=draws())
@pytest.mark.parametrize("metric", OF_CLASSES)
def test_whole_weights_are_cases_that_occur_more_than_once(metric, drawn):
    rng, n = drawn
    cases = classified(rng, n, 2)
    times = rng.integers(1, 4, len(cases))
    weights = np.stack([np.ones(len(cases)), times])
    found = of_cases(metric, OF_CLASSES[metric], cases, weights)
    repeated = cases.where(np.repeat(np.arange(len(cases)), times))
    expected = [classification.value_of(metric, each).value for each in (cases, repeated)]
    assert found == pytest.approx(expected, abs=1e-12)


@settings(max_examples=8, deadline=None)
@given(drawn=draws())
@pytest.mark.parametrize("metric", ["mcc", "balanced_accuracy", "expected_calibration_error"])
def test_of_many_classes_too(metric, drawn):
    rng, n = drawn
    cases = classified(rng, n, 4)
    times = rng.integers(1, 4, len(cases))
    found = of_cases(metric, OF_CLASSES[metric], cases, times[None].astype(float))
    repeated = cases.where(np.repeat(np.arange(len(cases)), times))
    expected = classification.value_of(metric, repeated).value
    assert found == pytest.approx([expected], abs=1e-12)


@settings(max_examples=12, deadline=None)
@given(drawn=draws())
@pytest.mark.parametrize("metric", OF_NUMBERS)
def test_numbers_that_occur_more_than_once(metric, drawn):
    rng, n = drawn
    reference, predicted = rng.normal(1e3, 10, n), rng.normal(1e3, 10, n)
    times = rng.integers(1, 4, n)
    columns = regression.columns_of(metric, reference, predicted)
    statistic = weighted_metric(metric, OF_NUMBERS[metric], columns, 0)
    found = statistic(np.stack([np.ones(n), times]))
    expected = [
        regression.value_of(metric, np.repeat(reference, t), np.repeat(predicted, t)).value
        for t in (np.ones(n, dtype=int), times)
    ]
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("metric", OF_CLASSES)
def test_one_class_has_no_value_but_a_calibration(metric):
    cases = ClassifiedCases(
        ("no", "yes"), np.zeros(6, dtype=int), np.array([0, 1] * 3),
        np.full((6, 2), 0.5), positive=1,
    )  # fmt: skip
    columns = classification.columns_of(metric, cases)
    found = weighted_metric(metric, OF_CLASSES[metric], columns, 1)(np.ones((2, 6)))
    assert np.isnan(found).all() == (metric != "expected_calibration_error")


@pytest.mark.parametrize("metric", ["r2", "pearson", "lin_concordance"])
def test_a_constant_reference_has_no_value(metric):
    columns = regression.columns_of(metric, np.full(5, 0.1), np.arange(5.0))
    assert np.isnan(weighted_metric(metric, OF_NUMBERS[metric], columns, 0)(np.ones((1, 5))))


def test_a_constant_prediction_is_correlated_with_nothing():
    found = {
        metric: weighted_metric(
            metric, OF_NUMBERS[metric],
            regression.columns_of(metric, np.arange(5.0), np.full(5, 0.1)), 0,
        )(np.ones((1, 5)))[0]
        for metric in ("pearson", "lin_concordance")
    }  # fmt: skip
    assert found == {"pearson": 0.0, "lin_concordance": pytest.approx(0.0, abs=1e-12)}
    numbers = (np.array([0.0, 1, 2]), np.zeros(3))
    mcc = weighted_metric("mcc", Evidence.MATTHEWS_CORRELATION, numbers, 3)
    assert mcc(np.ones((1, 3))).tolist() == [0.0]


def test_each_class_must_be_large_enough_by_itself():
    columns = (np.array([0.0, 1, 1]), np.array([0.2, 0.4, 0.9]))
    sizes = {
        evidence: sorted(int(part.sum()) for part in rests_on(evidence, columns))
        for evidence in OF_REPLICATES - OF_OBJECTS
    }
    of_classes = {
        Evidence.AVERAGE_PRECISION, Evidence.SENSITIVITY_AT_SPECIFICITY,
        Evidence.SPECIFICITY_AT_SENSITIVITY, Evidence.MATTHEWS_CORRELATION,
        Evidence.BALANCED_ACCURACY,
    }  # fmt: skip
    assert {evidence for evidence, found in sizes.items() if found == [1, 2]} == of_classes


def planned(metric, evidence, **more):
    summaries = (Summary.STANDARD_ERROR, Summary.REPLICATES)
    metrics = (PlannedMetric(name=metric, evidence=evidence, summaries=summaries),)
    return AnalysisPlan(metrics=metrics, primary=metric, replicates=400, **more)


def table_of(metric, evidence, columns, patients):
    named = dict(zip(columns_of(metric, evidence), (c.tolist() for c in columns), strict=True))
    n = len(patients)
    return CaseTable(
        cases=tuple(map(str, range(n))), patients=tuple(patients), usable=[True] * n,
        subgroups={}, columns=named,
    )  # fmt: skip


def noisy(rng, n):
    reference = rng.normal(0, 1, n)
    return reference, reference + rng.normal(0, 0.7, n)


@pytest.mark.parametrize("metric", ["r2", "pearson", "rmse", "lin_concordance"])
def test_the_standard_error_is_that_of_other_patients_of_the_kind(metric):
    rng = np.random.default_rng(3)
    n = 150
    truth = [regression.value_of(metric, *noisy(rng, n)).value for _ in range(600)]
    told = []
    for _ in range(12):
        columns = regression.columns_of(metric, *noisy(rng, n))
        table = table_of(metric, OF_NUMBERS[metric], columns, [f"p{k}" for k in range(n)])
        weights = resample(rng, table.patients, 400)
        [cell] = measure(table, planned(metric, OF_NUMBERS[metric]), weights)
        told.append(cell.summary.standard_error)
    assert np.mean(told) == pytest.approx(np.std(truth), rel=0.15)


def test_cases_of_one_patient_count_once():
    rng = np.random.default_rng(4)
    columns = regression.columns_of("r2", *noisy(rng, 60))
    thrice = tuple(np.repeat(column, 3) for column in columns)
    errors = []
    for given_columns, patients in (
        (columns, [f"p{k:02}" for k in range(60)]),
        (thrice, [f"p{k // 3:02}" for k in range(180)]),
    ):
        table = table_of("r2", Evidence.R2, given_columns, patients)
        weights = resample(np.random.default_rng(5), table.patients, 400)
        [cell] = measure(table, planned("r2", Evidence.R2), weights)
        errors.append(cell.summary.standard_error)
        assert cell.summary.n_patients == 60
    assert errors[0] == pytest.approx(errors[1])


def test_too_few_of_a_class_are_not_told():
    columns = (np.array([0.0] * 20 + [1.0] * 3), np.linspace(0, 1, 23))
    evidence = Evidence.AVERAGE_PRECISION
    table = table_of("average_precision", evidence, columns, [f"p{k}" for k in range(23)])
    weights = resample(np.random.default_rng(6), table.patients, 100)
    [cell] = measure(table, planned("average_precision", evidence, smallest_cell=5), weights)
    assert cell.absence == "suppressed"


def test_a_single_patient_has_a_value_and_no_error():
    table = table_of("rmse", Evidence.ROOT_MEAN, (np.arange(12.0),), ["p"] * 12)
    [cell] = measure(table, planned("rmse", Evidence.ROOT_MEAN, smallest_cell=1), None)
    assert cell.summary.value == pytest.approx(np.sqrt(np.mean(np.arange(12.0))))
    assert cell.summary.standard_error is None


def test_a_level_must_end_the_name():
    with pytest.raises(ValueError, match="needs its level"):
        PlannedMetric(name="sensitivity", evidence=Evidence.SENSITIVITY_AT_SPECIFICITY)


def test_replicates_of_a_median_would_be_values_of_cases():
    values = np.round(np.random.default_rng(7).random(21), 6)
    weights = np.random.default_rng(8).exponential(size=(200, 21))
    replicates = weighted_metric("m", Evidence.MEDIAN, (values,), 0)(weights)
    assert np.isin(replicates, values).all()
    with pytest.raises(ValueError, match="would be values of cases"):
        PlannedMetric(name="m", evidence="median", summaries=["standard_error", "replicates"])


@pytest.mark.parametrize("metric", sorted(set(OF_NUMBERS) - {"median_absolute_error"}))
def test_replicates_of_the_other_forms_show_no_case(metric):
    rng = np.random.default_rng(9)
    reference, predicted = rng.normal(0, 1, 30), rng.normal(0, 1, 30)
    columns = regression.columns_of(metric, reference, predicted)
    found = weighted_metric(metric, OF_NUMBERS[metric], columns, 0)(rng.exponential(size=(300, 30)))
    # No two draws meet in a value, as they do where it is one case's.
    assert len(np.unique(found)) == 300
