"""Comparisons are paired, adjusted for being many, and say no more than their interval allows."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medperf.analysis.bootstrap import resample, weighted_mean
from medperf.analysis.comparison import (
    Verdict,
    compare,
    compare_all,
    compare_by_cases,
    compare_by_sites,
    difference_errors,
    holm,
    independent_difference,
    judge,
    site_difference,
)
from medperf.analysis.estimates import Estimate, Interval, Method
from medperf.analysis.intervals import wilson
from medperf.analysis.site_summary import SiteSummary
from medperf.domain.benchmarks import Direction
from medperf.domain.errors import InestimableError


# Worked by hand as in Holm 1979: the smallest times 4, the next times 3, ..., never falling.
def test_holm_equals_its_worked_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))


@given(p=st.lists(st.floats(0, 1), max_size=12), data=st.data())
def test_holm_lies_between_no_adjustment_and_bonferroni_and_follows_any_order(p, data):
    adjusted = holm(p)
    assert all(a <= b <= min(1, a * len(p)) + 1e-12 for a, b in zip(p, adjusted, strict=True))
    order = data.draw(st.permutations(range(len(p))))
    assert holm([p[i] for i in order]) == pytest.approx(tuple(adjusted[i] for i in order))


def test_a_small_difference_on_the_same_cases_is_found(paired):
    values, replicates = paired({"a": 0.80, "b": 0.77})
    found = compare("a", "b", values, replicates, 200)
    assert found.verdict is Verdict.SUPERIOR
    assert found.p_value < 0.001
    # Each model's own interval is wide enough to hold the other's value.
    assert replicates["a"].std() * 1.96 > 0.02


def test_the_standard_error_is_that_of_paired_differences(paired):
    values, replicates = paired({"a": 0.80, "b": 0.80}, n=400, noise=0.05)
    found = compare("a", "b", values, replicates, 400)
    assert found.difference.standard_error == pytest.approx(0.05 * np.sqrt(2 / 400), rel=0.15)


def test_turning_the_pair_around_turns_the_verdict_around(paired):
    values, replicates = paired({"a": 0.80, "b": 0.77})
    assert compare("b", "a", values, replicates, 200).verdict is Verdict.INFERIOR
    lower_is_better = compare("a", "b", values, replicates, 200, direction=Direction.LOWER)
    assert lower_is_better.verdict is Verdict.INFERIOR


def test_a_model_equals_itself(paired):
    values, replicates = paired({"a": 0.80})
    twin_values, twins = {**values, "b": values["a"]}, {**replicates, "b": replicates["a"]}
    found = compare("a", "b", twin_values, twins, 200)
    assert (found.p_value, found.verdict) == (1.0, Verdict.INCONCLUSIVE)


def test_p_value_and_interval_agree(paired):
    for seed in range(30):
        values, replicates = paired({"a": 0.800, "b": 0.795}, seed=seed, n_replicates=100)
        found = compare("a", "b", values, replicates, 200)
        assert (found.p_value < 0.05) == (not found.difference.interval.holds(0.0))


def test_all_pairs_are_adjusted(paired):
    values, replicates = paired({"a": 0.80, "b": 0.77, "c": 0.798, "d": 0.801})
    found = compare_all(values, replicates, 200)
    assert [(c.first, c.second) for c in found][:3] == [("a", "b"), ("a", "c"), ("a", "d")]
    assert len(found) == 6
    assert all(c.p_adjusted >= c.p_value for c in found)
    assert {c.verdict for c in found if "b" not in (c.first, c.second)} == {Verdict.INCONCLUSIVE}


def difference(lower, upper):
    return Estimate((lower + upper) / 2, 100, Method.NORMAL, Interval(lower, upper))


@pytest.mark.parametrize(
    ("lower", "upper", "margin", "verdict"),
    [
        (0.01, 0.03, 0.0, Verdict.SUPERIOR),
        (-0.01, 0.03, 0.0, Verdict.INCONCLUSIVE),
        (-0.01, 0.03, 0.02, Verdict.NON_INFERIOR),
        (-0.015, -0.005, 0.02, Verdict.NON_INFERIOR),
        (-0.03, 0.01, 0.02, Verdict.INCONCLUSIVE),
        (-0.03, -0.01, 0.02, Verdict.INFERIOR),
        (-0.03, -0.01, 0.0, Verdict.INFERIOR),
        (0.0, 0.02, 0.0, Verdict.INCONCLUSIVE),
    ],
)
def test_verdicts(lower, upper, margin, verdict):
    assert judge(difference(lower, upper), margin=margin) is verdict
    mirrored = judge(difference(-upper, -lower), margin=margin, direction=Direction.LOWER)
    assert mirrored is verdict


def test_without_interval_nothing_is_concluded_and_a_margin_is_not_negative():
    assert judge(Estimate(0.1, 5, Method.NORMAL)) is Verdict.INCONCLUSIVE
    with pytest.raises(InestimableError, match="margin"):
        judge(difference(0, 1), margin=-0.1)


def site_pair(paired, seed, gap):
    values, replicates = paired({"a": 0.8 + gap, "b": 0.8}, seed=seed, n_replicates=200)
    return [SiteSummary(f"s{seed}", values[m], 200, 0.02, 200, None, replicates[m]) for m in "ab"]


def test_differences_by_site_are_paired_within_and_random_between(paired):
    pairs = [site_pair(paired, seed, 0.03) for seed in (1, 2, 3, 4)]
    first, second = ([pair[i] for pair in pairs] for i in (0, 1))
    pooled = compare_by_sites(first, second[::-1])
    assert pooled.estimate.value == pytest.approx(0.03, abs=0.006)
    assert pooled.estimate.interval.lower > 0
    assert pooled.n_sites == 4


def test_sites_must_be_the_same_and_have_replicates(paired):
    first, _ = site_pair(paired, 1, 0.0)
    other, _ = site_pair(paired, 2, 0.0)
    with pytest.raises(InestimableError, match="same sites"):
        compare_by_sites([first], [other])
    with pytest.raises(InestimableError, match="s1"):
        site_difference(first, SiteSummary("s1", 0.8, 200))
    with pytest.raises(InestimableError, match="different numbers"):
        site_difference(first, SiteSummary("s1", 0.8, 200, replicates=np.zeros(50)))


# Newcombe's example data without pairing: the variances of two proportions add.
def test_independent_estimates_have_adding_variances():
    found = independent_difference(wilson(56, 70), wilson(48, 80))
    assert found.value == pytest.approx(0.2)
    assert found.standard_error == pytest.approx(np.sqrt(0.8 * 0.2 / 70 + 0.6 * 0.4 / 80))
    assert found.n == 150
    with pytest.raises(InestimableError, match="standard error"):
        independent_difference(wilson(1, 2), Estimate(0.5, 3, Method.NORMAL))
    with pytest.raises(InestimableError, match="above 0"):
        independent_difference(wilson(1, 2), wilson(3, 3))


# --- site by site ---


def few(rng, n, n_replicates=4000):
    """Replicates of the mean difference of a few patients, and the usual standard error."""
    cases = rng.normal(0.1, 1.0, size=n)
    names = [str(one) for one in range(n)]
    drawn = resample(rng, names, n_replicates).replicates(names, weighted_mean(cases))
    return drawn, cases.std(ddof=1) / np.sqrt(n)


@pytest.mark.parametrize("n", [2, 3, 4, 6, 30])
def test_the_error_of_a_sites_difference_is_that_of_a_mean_however_few_patients(n):
    rng = np.random.default_rng(n)
    ratios = []
    for _ in range(40):
        drawn, usual = few(rng, n)
        [error] = difference_errors(drawn[np.newaxis], np.zeros((1, drawn.size)), [n])
        ratios.append(error / usual)
    # Stretched weights of very few patients come close only; Student's quantile covers the rest.
    assert np.mean(ratios) == pytest.approx(1, abs=0.08)


def test_few_patients_widen_the_interval_of_a_difference():
    sites = [SiteSummary("a", 0.8, 3, n_patients=3), SiteSummary("b", 0.8, 2, n_patients=2)]
    found = compare_by_cases("x", "y", 0.1, np.array([0.06, 0.06]), sites)
    assert found.difference.method is Method.REPLICATE_STUDENT
    assert 1 < found.degrees < 3
    assert found.p_value > 0.05
    unknown = [replace(site, n_patients=None) for site in sites]
    wide = compare_by_cases("x", "y", 0.1, np.array([0.06, 0.06]), unknown)
    assert wide.difference.method is Method.REPLICATE_NORMAL
    assert wide.degrees is None
    assert wide.p_value < 0.03


def test_many_patients_compare_as_the_pooled_replicates_do(paired):
    values, replicates = paired({"x": 0.80, "y": 0.79})
    pooled = compare("x", "y", values, replicates, 200)
    rows = [replicates[name][np.newaxis] for name in "xy"]
    found = compare_by_cases(
        "x",
        "y",
        values["x"] - values["y"],
        difference_errors(*rows, [200]),
        [SiteSummary("a", values["x"], 200, n_patients=200)],
    )
    assert found.difference.standard_error == pytest.approx(pooled.difference.standard_error)
    assert found.p_value == pytest.approx(pooled.p_value, abs=0.01)


def test_a_replicate_without_value_is_left_out_at_its_site():
    drawn = np.random.default_rng(1).normal(size=(2, 500))
    with_gap = drawn.copy()
    with_gap[1, 0] = np.nan
    errors = difference_errors(with_gap, np.zeros((2, 500)), [50, None])
    assert errors == pytest.approx([drawn[0].std(ddof=1), drawn[1, 1:].std(ddof=1)])
