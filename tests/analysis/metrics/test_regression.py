"""Regression metrics equal scikit-learn's and NumPy's, and say why where there is no value."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from medperf.analysis.metrics.definition import Missing
from medperf.analysis.metrics.regression import columns_of, definition, value_of
from medperf.analysis.metrics.regression_table import DEFINITIONS
from medperf.domain.case_table import Evidence

NAMES = tuple(name.replace("<tolerance>", "2.5") for name in DEFINITIONS)


@st.composite
def pairs(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(2, 40))
    reference = rng.normal(50, 10, n)
    return reference, reference + rng.normal(1, draw(st.sampled_from([0.1, 5.0, 50.0])), n)


@settings(max_examples=40, deadline=None)
@given(pair=pairs())
def test_values_equal_those_of_other_libraries(pair):
    reference, predicted = pair
    both = np.var(reference) + np.var(predicted) + (reference.mean() - predicted.mean()) ** 2
    expected = {
        "mae": oracle.mean_absolute_error(reference, predicted),
        "mse": oracle.mean_squared_error(reference, predicted),
        "rmse": oracle.root_mean_squared_error(reference, predicted),
        "median_absolute_error": oracle.median_absolute_error(reference, predicted),
        "within@2.5": np.mean(np.abs(reference - predicted) <= 2.5),
        "r2": oracle.r2_score(reference, predicted),
        "pearson": np.corrcoef(reference, predicted)[0, 1],
        "lin_concordance": 2 * np.cov(reference, predicted, ddof=0)[0, 1] / both,
    }
    assert set(expected) == set(NAMES)
    for name, value in expected.items():
        assert value_of(name, reference, predicted).value == pytest.approx(value)


@settings(max_examples=20, deadline=None)
@given(pair=pairs())
def test_where_a_metric_is_a_mean_its_column_has_that_mean(pair):
    for name in NAMES:
        if definition(name).evidence is Evidence.MEAN:
            [column] = columns_of(name, *pair)
            assert column.mean() == pytest.approx(value_of(name, *pair).value)


@pytest.mark.parametrize("name", NAMES)
def test_without_cases_there_is_no_value(name):
    assert value_of(name, np.array([]), np.array([])).missing is Missing.NO_CASES


@pytest.mark.parametrize("name", ["r2", "pearson", "lin_concordance"])
def test_a_constant_reference_cannot_be_explained(name):
    constant = np.full(3, 7.0)
    assert value_of(name, constant, np.arange(3.0)).missing is Missing.CONSTANT_REFERENCE


@pytest.mark.parametrize("name", ["pearson", "lin_concordance"])
def test_a_constant_prediction_has_no_correlation(name):
    assert value_of(name, np.arange(3.0), np.full(3, 7.0)).value == 0.0
