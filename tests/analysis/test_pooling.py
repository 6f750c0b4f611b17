"""Pooling equals published meta-analyses, and pooling cases where it must."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from medperf.analysis.bootstrap import resample, site_generator, weighted_auroc
from medperf.analysis.estimates import Method
from medperf.analysis.heterogeneity import BetweenSites, heterogeneity, tau2_pm
from medperf.analysis.pooling import (
    case_weighted,
    case_weighted_replicates,
    inverse_variance,
    pooled_replicates,
    random_effects,
)
from medperf.analysis.site_summary import (
    SiteSummary,
    from_wire,
    summarize_mean,
    summarize_statistic,
    to_wire,
)
from medperf.domain.errors import InestimableError

# Colditz and others 1994, doi:10.1001/jama.1994.03510330076038: tuberculosis in 13 BCG vaccine
# trials, cases and non-cases among the vaccinated, then among controls.
BCG = np.array(
    [
        (4, 119, 11, 128), (6, 300, 29, 274), (3, 228, 11, 209), (62, 13536, 248, 12619),
        (33, 5036, 47, 5761), (180, 1361, 372, 1079), (8, 2537, 10, 619), (505, 87886, 499, 87892),
        (29, 7470, 45, 7232), (17, 1699, 65, 1600), (186, 50448, 141, 27197), (5, 2493, 3, 2338),
        (27, 16886, 29, 17825),
    ],
    dtype=float,
)  # fmt: skip


def bcg():
    """Log risk ratios with their variances."""
    a, b, c, d = BCG.T
    values = np.log(a / (a + b)) - np.log(c / (c + d))
    errors = np.sqrt(1 / a - 1 / (a + b) + 1 / c - 1 / (c + d))
    return [
        SiteSummary(f"trial {i}", value, int(n), error)
        for i, (value, error, n) in enumerate(zip(values, errors, BCG.sum(axis=1), strict=True))
    ]


# The values below are those the R package metafor (Viechtbauer 2010, doi:10.18637/jss.v036.i03)
# documents for these trials.
def test_dersimonian_laird_equals_metafor_on_the_bcg_trials():
    pooled = random_effects(bcg(), estimator=BetweenSites.DERSIMONIAN_LAIRD, hartung_knapp=False)
    assert pooled.estimate.value == pytest.approx(-0.7141, abs=5e-5)
    assert pooled.estimate.standard_error == pytest.approx(0.1787, abs=5e-5)
    assert pooled.heterogeneity.tau2 == pytest.approx(0.3088, abs=5e-5)
    assert pooled.heterogeneity.q == pytest.approx(152.2330, abs=5e-5)
    assert pooled.heterogeneity.i2 == pytest.approx(0.9212, abs=5e-5)
    assert (pooled.estimate.interval.lower, pooled.estimate.interval.upper) == pytest.approx(
        (-1.0644, -0.3638), abs=1e-4
    )


def test_paule_mandel_equals_metafor_on_the_bcg_trials():
    pooled = random_effects(bcg(), hartung_knapp=False)
    assert pooled.heterogeneity.tau2 == pytest.approx(0.3181, abs=5e-5)
    assert pooled.heterogeneity.tau == pytest.approx(np.sqrt(pooled.heterogeneity.tau2))


def test_the_fixed_effect_equals_metafor_on_the_bcg_trials():
    pooled = inverse_variance(bcg())
    assert pooled.estimate.value == pytest.approx(-0.4303, abs=5e-5)
    assert pooled.estimate.standard_error == pytest.approx(0.0405, abs=5e-5)
    assert pooled.heterogeneity.p_value < 1e-4


def test_hartung_knapp_and_the_prediction_interval_follow_their_formulas():
    sites = bcg()
    pooled = random_effects(sites)
    values = np.array([site.value for site in sites])
    weights = 1 / (
        np.array([site.standard_error for site in sites]) ** 2 + pooled.heterogeneity.tau2
    )
    mean = np.average(values, weights=weights)
    scale = max(1.0, (weights * (values - mean) ** 2).sum() / 12)
    error = np.sqrt(scale / weights.sum())
    reach = stats.t.ppf(0.975, 12) * error
    assert pooled.estimate.interval.upper == pytest.approx(mean + reach)
    far = stats.t.ppf(0.975, 11) * np.sqrt(pooled.heterogeneity.tau2 + error**2)
    assert pooled.prediction.lower == pytest.approx(mean - far)
    assert pooled.estimate.method is Method.RANDOM_PM_HK


VALUES = st.lists(st.floats(-5, 5), min_size=2, max_size=8)


@given(values=VALUES, data=st.data())
def test_paule_mandel_solves_its_equation_or_is_zero(values, data):
    k = len(values)
    errors = data.draw(st.lists(st.floats(0.01, 3), min_size=k, max_size=k))
    y, v = np.array(values), np.array(errors) ** 2
    tau2 = tau2_pm(y, v)
    weights = 1 / (v + tau2)
    q = (weights * (y - np.average(y, weights=weights)) ** 2).sum()
    assert q == pytest.approx(k - 1, rel=1e-5) if tau2 > 0 else q <= k - 1 + 1e-9


def test_equal_sites_have_no_heterogeneity():
    found = heterogeneity(np.full(4, 0.8), np.full(4, 0.01))
    assert (found.q, found.tau2, found.i2) == pytest.approx((0, 0, 0))


# --- properties of every way to pool ---

WAYS = [case_weighted, inverse_variance, random_effects, case_weighted_replicates]


def site(name, n, mean, seed, n_patients=None):
    rng = np.random.default_rng(seed)
    values = rng.normal(mean, 0.2, size=n)
    patients = [f"{name}-{i % (n_patients or n)}" for i in range(n)]
    resampling = resample(site_generator(name.encode() * 20, "sha256:01"), patients, 300)
    return values, summarize_mean(name, values, patients, resampling)


@pytest.mark.parametrize("way", WAYS)
def test_pooling_one_site_gives_that_site(way):
    _, summary = site("a", 50, 0.8, 1)
    pooled = way([summary])
    assert pooled.estimate.value == pytest.approx(summary.value)
    assert pooled.estimate.standard_error == pytest.approx(summary.standard_error, rel=0.15)
    assert pooled.weights == (1.0,)
    assert pooled.prediction is None


@pytest.mark.parametrize("way", WAYS)
def test_the_order_of_sites_changes_nothing(way):
    sites = [
        site(name, n, mean, n)[1]
        for name, n, mean in [("a", 40, 0.7), ("b", 90, 0.8), ("c", 20, 0.9)]
    ]
    here, there = way(sites).estimate, way(sites[::-1]).estimate
    assert here.value == pytest.approx(there.value)
    assert here.interval.lower == pytest.approx(there.interval.lower)
    assert here.n == there.n == 150


def test_the_case_weighted_value_is_the_mean_of_all_cases():
    pairs = [site("a", 40, 0.7, 1), site("b", 90, 0.8, 2)]
    pooled = case_weighted([summary for _, summary in pairs])
    everything = np.concatenate([values for values, _ in pairs])
    assert pooled.estimate.value == pytest.approx(everything.mean())
    # Narrower than the interval of one heap of cases only by what differs between the sites.
    assert pooled.estimate.standard_error < everything.std(ddof=1) / np.sqrt(130)


def test_replicates_and_linearization_agree():
    sites = [site("a", 60, 0.7, 1, n_patients=20)[1], site("b", 90, 0.8, 2)[1]]
    by_formula, by_replicates = (
        case_weighted(sites).estimate,
        case_weighted_replicates(sites).estimate,
    )
    assert by_replicates.value == pytest.approx(by_formula.value)
    assert by_replicates.standard_error == pytest.approx(by_formula.standard_error, rel=0.12)


def test_one_site_pools_to_students_interval_on_its_patients():
    values, summary = site("a", 12, 0.8, 1)
    interval = case_weighted([summary]).estimate.interval
    assert (interval.lower, interval.upper) == pytest.approx(
        stats.t.interval(0.95, 11, loc=values.mean(), scale=stats.sem(values))
    )


def test_a_bounded_metric_stays_in_its_range():
    sites = [SiteSummary("a", 0.99, 30, 0.02), SiteSummary("b", 0.98, 30, 0.03)]
    assert case_weighted(sites, lower=0.0, upper=1.0).estimate.interval.upper < 1
    assert case_weighted(sites).estimate.interval.upper > 1


def test_a_site_without_error_leaves_a_value_without_interval():
    pooled = case_weighted([SiteSummary("a", 0.9, 30, 0.02), SiteSummary("b", 0.7, 10)])
    assert pooled.estimate.value == pytest.approx(0.85)
    assert pooled.estimate.interval is None


def test_two_sites_have_no_prediction_interval():
    sites = [SiteSummary("a", 0.9, 30, 0.02), SiteSummary("b", 0.7, 10, 0.05)]
    assert random_effects(sites).prediction is None


@pytest.mark.parametrize("error", [None, 0.0])
def test_a_site_without_error_cannot_be_weighted_by_it(error):
    sites = [SiteSummary("a", 0.9, 30, 0.02), SiteSummary("Kaunas", 1.0, 10, error)]
    with pytest.raises(InestimableError, match="Kaunas"):
        random_effects(sites)


def test_replicates_must_be_there_and_as_many():
    one, other = np.zeros(3), np.zeros(4)
    with pytest.raises(InestimableError, match="came from: b"):
        pooled_replicates([SiteSummary("a", 0, 1, replicates=one), SiteSummary("b", 0, 1)])
    with pytest.raises(InestimableError, match="different numbers"):
        pooled_replicates(
            [SiteSummary("a", 0, 1, replicates=one), SiteSummary("b", 0, 1, replicates=other)]
        )


@pytest.mark.parametrize("way", [case_weighted, random_effects])
def test_no_site_is_no_number(way):
    with pytest.raises(InestimableError, match="no site"):
        way([])


# --- how a summary travels ---


def test_a_summary_survives_its_journey_rounded():
    _, summary = site("a", 30, 0.8, 1)
    wire = to_wire(summary, decimals=4)
    back = from_wire("a", summary.value, 30, wire)
    assert back.n_patients == 30
    assert back.standard_error == pytest.approx(summary.standard_error, abs=1e-6)
    assert back.moments.m4 == pytest.approx(summary.moments.m4, rel=1e-5)
    assert back.replicates == pytest.approx(summary.replicates, abs=1e-6)
    assert all(value == round(value, 6) for value in wire["replicates"])


def test_a_result_without_summary_is_a_value_only():
    assert from_wire("a", 0.8, 30, None) == SiteSummary("a", 0.8, 30)
    assert to_wire(SiteSummary("a", 0.8, 30), 4) == {}


@pytest.mark.parametrize("wrong", [{"replicates": 1.0}, {"standard_error": (0.1, 0.2)}])
def test_a_summary_of_the_wrong_kind_is_refused(wrong):
    with pytest.raises(InestimableError, match=next(iter(wrong))):
        from_wire("a", 0.8, 30, wrong)


def test_undefined_replicates_do_not_travel():
    with pytest.raises(InestimableError, match="have no value"):
        to_wire(SiteSummary("a", 0.8, 30, replicates=np.array([0.5, np.nan])), 4)


def test_any_statistic_can_be_summarized():
    names = [f"p{i}" for i in range(80)]
    truth = np.arange(80) < 30
    scores = np.random.default_rng(3).normal(size=80) + truth
    resampling = resample(site_generator(b"x" * 32, "sha256:01"), names, 200)
    summary = summarize_statistic("a", weighted_auroc(truth, scores), names, resampling)
    assert 0.6 < summary.value < 1
    assert 0.02 < summary.standard_error < 0.1
    with pytest.raises(InestimableError, match="no value at site 'a'"):
        summarize_statistic("a", weighted_auroc(truth & False, scores), names, resampling)
