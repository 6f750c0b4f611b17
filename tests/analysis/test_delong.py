"""DeLong by midranks equals the definition by pairs, and scikit-learn's AUROC."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from medperf.analysis.delong import auroc, aurocs
from medperf.domain.errors import InestimableError


def by_definition(positive, scores):
    """DeLong et al. 1988, equations 4 to 6, pair by pair."""
    wins = []
    for row in scores:
        difference = row[positive][:, np.newaxis] - row[~positive][np.newaxis, :]
        wins.append((difference > 0) + 0.5 * (difference == 0))
    v10 = np.array([kernel.mean(axis=1) for kernel in wins])
    v01 = np.array([kernel.mean(axis=0) for kernel in wins])
    covariance = np.cov(v10) / positive.sum() + np.cov(v01) / (~positive).sum()
    return np.array([kernel.mean() for kernel in wins]), np.atleast_2d(covariance)


@st.composite
def scored(draw):
    rest = draw(st.lists(st.booleans(), max_size=30))
    positive = np.array([True, True, False, False, *rest])
    row = st.lists(st.integers(0, 9), min_size=positive.size, max_size=positive.size)
    return positive, np.array(draw(st.lists(row, min_size=1, max_size=3)), dtype=float)


@settings(max_examples=60)
@given(scored())
def test_values_and_covariance_equal_the_definition(data):
    positive, scores = data
    values, covariance = by_definition(positive, scores)
    ours = aurocs(positive, scores)
    assert ours.values == pytest.approx(values)
    assert ours.covariance == pytest.approx(covariance, abs=1e-12)
    assert ours.values[0] == pytest.approx(roc_auc_score(positive, scores[0]))


def correlated(n=200, seed=7):
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.4
    shared = rng.normal(size=n) + positive
    return positive, np.stack(
        [shared + 0.3 * rng.normal(size=n), shared + 0.3 * rng.normal(size=n)]
    )


def test_two_models_on_the_same_cases_differ_less_than_two_on_others():
    positive, scores = correlated()
    both = aurocs(positive, scores)
    _, error = both.difference(0, 1)
    assert error < np.sqrt(both.covariance[0, 0] + both.covariance[1, 1]) / 2


def test_a_model_does_not_differ_from_itself():
    positive, scores = correlated()
    value, error = aurocs(positive, scores[[0, 0]]).difference(0, 1)
    assert value == 0
    assert error == pytest.approx(0, abs=1e-8)


def test_the_interval_holds_the_value_and_stays_below_one():
    positive, scores = correlated()
    estimate = auroc(positive, scores[0])
    assert 0.5 < estimate.interval.lower < estimate.value < estimate.interval.upper < 1


def test_with_one_case_per_patient_clusters_change_next_to_nothing():
    positive, scores = correlated(400)
    plain = auroc(positive, scores[0])
    clustered = auroc(positive, scores[0], patients=np.arange(400))
    assert clustered.value == plain.value
    assert clustered.standard_error == pytest.approx(plain.standard_error, rel=0.01)


def test_repeating_every_case_does_not_narrow_the_interval_of_patients():
    positive, scores = correlated()
    patients = np.arange(positive.size)
    once = auroc(positive, scores[0], patients=patients)
    repeated = auroc(
        np.repeat(positive, 4), np.repeat(scores[0], 4), patients=np.repeat(patients, 4)
    )
    assert repeated.standard_error == pytest.approx(once.standard_error)


def test_a_perfect_model_has_a_value_and_no_interval():
    estimate = auroc(np.array([True, True, False, False]), np.array([3.0, 4.0, 1.0, 2.0]))
    assert (estimate.value, estimate.interval) == (1.0, None)


def test_one_positive_case_is_too_few():
    with pytest.raises(InestimableError, match="1 positive and 3 negative"):
        auroc(np.array([True, False, False, False]), np.arange(4.0))


def test_one_patient_is_too_few():
    with pytest.raises(InestimableError, match="two patients"):
        auroc(np.array([True, True, False, False]), np.arange(4.0), patients=np.zeros(4, dtype=int))
