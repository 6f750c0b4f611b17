"""Intervals equal published worked examples, scipy's, and each other where they must."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from medperf.analysis.estimates import Interval, Method, clip
from medperf.analysis.intervals import (
    clustered_mean,
    logit,
    mean_t,
    normal,
    percentile,
    replicate_normal,
    wilson,
)
from medperf.analysis.moments import Moments
from medperf.domain.errors import InestimableError


# Newcombe 1998, "Two-sided confidence intervals for the single proportion", Statistics in Medicine
# 17:857-872, table I, method 3 (score without continuity correction).
@pytest.mark.parametrize(
    ("successes", "n", "lower", "upper"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_equals_newcombe_1998(successes, n, lower, upper):
    interval = wilson(successes, n).interval
    assert interval.lower == pytest.approx(lower, abs=5e-5)
    assert interval.upper == pytest.approx(upper, abs=5e-5)


@given(n=st.integers(1, 5000), share=st.floats(0, 1), level=st.floats(0.5, 0.999))
def test_wilson_equals_scipy(n, share, level):
    successes = round(share * n)
    other = stats.binomtest(successes, n).proportion_ci(level, method="wilson")
    interval = wilson(successes, n, level).interval
    assert (interval.lower, interval.upper) == pytest.approx((other.low, other.high), abs=1e-12)
    assert 0 <= interval.lower <= successes / n <= interval.upper <= 1


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 4), (5, 4)])
def test_what_is_no_proportion_is_refused(successes, n):
    with pytest.raises(InestimableError, match="not a proportion"):
        wilson(successes, n)


def test_mean_t_equals_scipy():
    values = np.random.default_rng(1).normal(size=23)
    interval = mean_t(Moments.of(values), 0.9).interval
    assert (interval.lower, interval.upper) == pytest.approx(
        stats.t.interval(0.9, 22, loc=values.mean(), scale=stats.sem(values))
    )


def test_a_single_case_has_a_mean_and_no_interval():
    assert mean_t(Moments.of(np.array([0.7]))).interval is None
    assert clustered_mean(np.array([0.7, 0.8]), np.array([3, 3])).interval is None


def test_with_one_case_per_patient_the_clustered_mean_is_the_mean():
    values = np.random.default_rng(2).normal(size=40)
    clustered, plain = clustered_mean(values, np.arange(40)), mean_t(Moments.of(values))
    assert clustered.interval.lower == pytest.approx(plain.interval.lower)
    assert clustered.standard_error == pytest.approx(plain.standard_error)


def test_repeating_every_case_does_not_narrow_the_clustered_interval():
    values = np.random.default_rng(3).normal(size=40)
    once = clustered_mean(values, np.arange(40))
    thrice = clustered_mean(np.repeat(values, 3), np.repeat(np.arange(40), 3))
    assert thrice.standard_error == pytest.approx(once.standard_error)
    assert thrice.n == 120


def test_the_logit_interval_is_the_delta_method_on_the_logit_scale():
    interval = logit(0.9, 0.03, 100).interval
    center, error = math.log(9), 0.03 / (0.9 * 0.1)
    ends = [1 / (1 + math.exp(-(center + sign * 1.959963984540054 * error))) for sign in (-1, 1)]
    assert (interval.lower, interval.upper) == pytest.approx(ends)


@given(value=st.floats(-0.999, 0.999), error=st.floats(1e-6, 1e3))
def test_the_logit_interval_stays_in_the_range_and_holds_the_value(value, error):
    interval = logit(value, error, 10, lower=-1, upper=1).interval
    assert -1 <= interval.lower <= value + 1e-12
    assert value - 1e-12 <= interval.upper <= 1


@pytest.mark.parametrize("end", [0.0, 1.0])
def test_a_value_at_the_end_of_its_range_has_no_logit_interval(end):
    assert logit(end, 0.0, 10).interval is None


def test_a_value_outside_its_range_is_refused():
    with pytest.raises(InestimableError, match="outside the range"):
        logit(1.2, 0.1, 10)


def test_the_percentile_interval_is_made_of_quantiles():
    replicates = np.arange(1001) / 1000
    interval = percentile(0.5, replicates, 30).interval
    assert (interval.lower, interval.upper) == pytest.approx((0.025, 0.975))


def test_replicate_normal_is_normal_with_the_error_of_the_replicates_cut_to_the_range():
    replicates = np.random.default_rng(4).normal(0.98, 0.02, size=500)
    error = float(replicates.std(ddof=1))
    estimate = replicate_normal(0.98, replicates, 30, upper=1.0)
    assert estimate.interval.lower == normal(0.98, error, 30).interval.lower
    assert estimate.interval.upper == 1.0
    assert estimate.method is Method.REPLICATE_NORMAL


def test_a_few_replicates_without_value_are_left_out_and_many_are_refused():
    replicates = np.linspace(0, 1, 100)
    replicates[:5] = np.nan
    assert percentile(0.5, replicates, 30).interval is not None
    replicates[5] = np.nan
    with pytest.raises(InestimableError, match="94 of 100"):
        percentile(0.5, replicates, 30)


@pytest.mark.parametrize("level", [0.0, 1.0, 95])
def test_a_level_that_is_none_is_refused(level):
    with pytest.raises(InestimableError, match="level"):
        wilson(1, 2, level)


def test_values_that_are_not_finite_are_refused():
    with pytest.raises(InestimableError, match="not a finite number"):
        clustered_mean(np.array([0.1, np.nan]), np.array([0, 1]))


def test_clipping_leaves_what_is_inside():
    assert clip(Interval(-0.2, 0.4), 0.0, 1.0) == Interval(0.0, 0.4)
    assert clip(Interval(-0.2, 0.4), None, None) == Interval(-0.2, 0.4)
    assert Interval(0.0, 1.0).holds(1.0)
