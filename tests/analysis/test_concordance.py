"""Concordance of weighted cases: one form for Harrell, Uno and the AUC at a time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medperf.analysis.concordance import RankedCases
from medperf.analysis.delong import auroc
from medperf.analysis.metrics.survival import FollowedCases, columns_of, value_of
from medperf.analysis.metrics.survival_table import DEFINITIONS
from medperf.domain.case_table import Evidence

NAMES = ("concordance_harrell", "concordance_uno@8", "auc_at@5")
ERRORS = ("brier_at@5", "integrated_brier@2-8")


def drawn(seed, n=60):
    rng = np.random.default_rng(seed)
    risk = rng.integers(0, 7, n).astype(float)
    time = np.ceil(rng.exponential(12 / (1 + risk), n)) + rng.integers(0, 2, n)
    curve = np.exp(-np.outer(0.03 * (1 + risk), [2.0, 5.0, 8.0]))
    return FollowedCases(time, rng.random(n) < 0.7, risk, curve, (2.0, 5.0, 8.0))


def ranked(name, cases):
    return RankedCases(*columns_of(name, cases))


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 10_000))
def test_the_columns_of_the_cases_give_the_metric(name, seed):
    cases = drawn(seed)
    if value_of(name, cases).value is None:
        assert columns_of(name, cases) is None
        return
    assert DEFINITIONS[name.partition("@")[0] + ("@<time>" if "@" in name else "")].evidence is (
        Evidence.CONCORDANCE
    )
    assert ranked(name, cases).value == pytest.approx(value_of(name, cases).value, abs=1e-12)


@pytest.mark.parametrize("name", ERRORS)
@given(seed=st.integers(0, 10_000))
def test_the_errors_of_the_cases_have_the_metric_as_their_mean(name, seed):
    cases = drawn(seed)
    found = value_of(name, cases).value
    if found is None:
        assert columns_of(name, cases) is None
        return
    (errors,) = columns_of(name, cases)
    assert errors.shape == (len(cases),)
    assert errors.mean() == pytest.approx(found, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_equal_weights_give_the_value_and_doubled_cases_what_weights_of_two_give(name):
    cases = ranked(name, drawn(3))
    statistic = cases.weighted()
    twice = np.ones(60)
    twice[:20] = 2
    assert statistic(np.ones((1, 60)))[0] == pytest.approx(cases.value, abs=1e-12)
    rows = np.r_[np.arange(60), np.arange(20)]
    doubled = RankedCases(cases.time[rows], cases.weight[rows], cases.risk[rows])
    assert statistic(twice[None])[0] == pytest.approx(doubled.value, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_the_standard_error_is_that_of_leaving_patients_out(name):
    cases = ranked(name, drawn(5, 120))
    patients = np.arange(120) // 2
    statistic = cases.weighted()
    kept = np.array([(patients != one).astype(float) for one in range(60)])
    left_out = statistic(kept)
    jackknife = np.sqrt(59 / 60 * ((left_out - left_out.mean()) ** 2).sum())
    assert cases.standard_error(patients) == pytest.approx(jackknife, rel=0.05)


def test_with_two_classes_it_is_the_auroc_and_its_error_nearly_delongs():
    rng = np.random.default_rng(2)
    positive = rng.random(200) < 0.4
    score = rng.normal(positive * 1.0)
    cases = RankedCases(np.where(positive, 0.0, 1.0), positive.astype(float), score)
    expected = auroc(positive, score)
    assert cases.value == pytest.approx(expected.value, abs=1e-12)
    error = cases.standard_error(np.arange(200))
    assert error == pytest.approx(expected.standard_error, rel=0.02)


def test_without_pairs_there_is_no_value_and_with_one_patient_no_error():
    alone = RankedCases(np.ones(3), np.zeros(3), np.arange(3.0))
    assert alone.value is None
    assert alone.standard_error(np.arange(3)) is None
    assert np.isnan(alone.weighted()(np.ones((2, 3)))).all()
    one = ranked("concordance_harrell", drawn(1))
    assert one.standard_error(np.zeros(60, dtype=int)) is None


def test_more_cases_than_a_block_are_the_same():
    cases = ranked("concordance_harrell", drawn(4, 1500))
    assert cases.value == pytest.approx(value_of("concordance_harrell", drawn(4, 1500)).value)
    assert cases.earlier.sum() + cases.later.sum() > 1500


def test_a_part_of_the_cases_is_weighted_by_the_censoring_of_all():
    whole = drawn(9)
    chosen = np.arange(60) < 40
    part = whole.where(chosen).within(whole)
    (errors,) = columns_of("brier_at@5", whole)
    assert value_of("brier_at@5", part).value == pytest.approx(errors[chosen].mean(), abs=1e-12)
    columns = [column[chosen] for column in columns_of("concordance_uno@8", whole)]
    expected = RankedCases(*columns).value
    assert value_of("concordance_uno@8", part).value == pytest.approx(expected, abs=1e-12)


def test_who_stands_earlier_and_later_in_pairs():
    cases = RankedCases(np.array([1.0, 2.0, 2.0, -1.0]), np.array([1.0, 1.0, 0.0, 0.0]), np.ones(4))
    assert cases.earlier.tolist() == [True, True, False, False]
    assert cases.later.tolist() == [False, True, True, False]
    assert cases.value == 0.5
