"""Bins hide small groups, bound what they hide, and pool to one AUROC and calibration curve."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from medperf.analysis.delong import auroc
from medperf.analysis.histograms import (
    ScoreHistogram,
    auroc_from_histograms,
    bin_scores,
    calibration,
    calibration_error,
    common_bins,
)
from medperf.domain.errors import InestimableError

EDGES = np.linspace(0, 1, 65)


def cases(n, seed, shift=0.15):
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < 0.4
    scores = np.clip(rng.beta(2, 3, size=n) + shift * truth, 0, 1)
    return truth, scores


@settings(max_examples=60, deadline=None)
@given(n=st.integers(60, 400), seed=st.integers(0, 10**6), cell=st.integers(1, 15))
def test_no_bin_tells_of_a_small_group_and_no_case_is_lost(n, seed, cell):
    truth, scores = cases(n, seed)
    assume(min(truth.sum(), (~truth).sum()) >= cell)
    binned = bin_scores(truth, scores, EDGES, cell)
    for counts in (binned.positive, binned.negative):
        assert all(count == 0 or count >= cell for count in counts)
    assert (sum(binned.positive), sum(binned.negative)) == (truth.sum(), (~truth).sum())
    assert sum(binned.score_sum) == pytest.approx(scores.sum())
    assert list(binned.edges) == sorted(set(binned.edges))
    assert set(binned.edges) <= set(EDGES.tolist())
    assert len(binned.edges) == len(binned.positive) + 1


@settings(max_examples=60, deadline=None)
@given(
    seeds=st.lists(st.integers(0, 10**6), min_size=1, max_size=4, unique=True),
    cell=st.integers(1, 12),
)
def test_the_true_auroc_lies_within_the_bounds(seeds, cell):
    data = [cases(150, seed) for seed in seeds]
    found = auroc_from_histograms([bin_scores(*pair, EDGES, cell) for pair in data])
    truth, scores = (np.concatenate(parts) for parts in zip(*data, strict=True))
    assert found.lowest <= roc_auc_score(truth, scores) <= found.highest
    assert found.lowest <= found.estimate.value <= found.highest


def test_fine_bins_give_nearly_the_auroc_and_its_error():
    truth, scores = cases(3000, 1)
    found = auroc_from_histograms([bin_scores(truth, scores, np.linspace(0, 1, 501), 1)])
    exact = auroc(truth, scores)
    assert found.estimate.value == pytest.approx(exact.value, abs=5e-4)
    assert found.estimate.standard_error == pytest.approx(exact.standard_error, rel=0.01)
    assert found.highest - found.lowest < 0.005


def test_scores_in_bins_of_their_own_give_the_exact_auroc():
    rng = np.random.default_rng(2)
    truth = rng.random(200) < 0.5
    scores = rng.integers(0, 8, size=200).astype(float)
    found = auroc_from_histograms([bin_scores(truth, scores, np.arange(9.0), 1)])
    exact = auroc(truth, scores)
    assert found.estimate.value == pytest.approx(exact.value)
    assert found.estimate.standard_error == pytest.approx(exact.standard_error)


def test_pooling_the_same_site_twice_leaves_the_auroc():
    binned = bin_scores(*cases(300, 3), EDGES, 10)
    once, twice = auroc_from_histograms([binned]), auroc_from_histograms([binned, binned])
    assert twice.estimate.value == pytest.approx(once.estimate.value)
    assert (twice.lowest, twice.highest) == pytest.approx((once.lowest, once.highest))
    assert twice.estimate.n == 600


def test_the_order_of_sites_changes_nothing():
    sites = [bin_scores(*cases(200, seed), EDGES, 10) for seed in range(3)]
    assert auroc_from_histograms(sites).estimate.value == pytest.approx(
        auroc_from_histograms(sites[::-1]).estimate.value
    )
    assert common_bins(sites).positive == common_bins(sites[::-1]).positive


def test_common_bins_are_what_one_heap_of_cases_gives():
    data = [cases(200, seed) for seed in range(3)]
    pooled = common_bins([bin_scores(*pair, EDGES, 10) for pair in data])
    truth, scores = (np.concatenate(parts) for parts in zip(*data, strict=True))
    assert pooled.positive == tuple(np.histogram(scores[truth], pooled.edges)[0].tolist())
    assert pooled.negative == tuple(np.histogram(scores[~truth], pooled.edges)[0].tolist())


def test_calibration_shows_mean_score_and_observed_share():
    sites = [ScoreHistogram((0.0, 0.5, 1.0), (10, 40), (40, 10), (12.5, 37.5))] * 2
    low, high = calibration(sites)
    assert (low.mean_score, low.observed.value) == (0.25, 0.2)
    assert (high.mean_score, high.observed.value) == (0.75, 0.8)
    assert high.observed.n == 100
    assert calibration_error(sites) == pytest.approx(0.05)


def test_a_calibrated_model_is_calibrated_and_coarser_bins_never_show_more_error():
    rng = np.random.default_rng(5)
    scores = rng.random(4000)
    truth = rng.random(4000) < scores
    fine, coarse = (
        calibration_error([bin_scores(truth, scores, EDGES, cell)]) for cell in (1, 300)
    )
    assert coarse <= fine < 0.05
    held = [
        found.observed.interval.holds(found.mean_score)
        for found in calibration([bin_scores(truth, scores, EDGES, 10)])
    ]
    assert np.mean(held) > 0.85


def test_bins_without_cases_show_nothing():
    bins = ScoreHistogram((0.0, 0.5, 1.0), (0, 40), (0, 10), (0.0, 37.5))
    assert len(calibration([bins])) == 1


def test_what_cannot_be_binned_or_pooled_is_refused():
    truth, scores = cases(100, 1)
    with pytest.raises(InestimableError, match="outside"):
        bin_scores(truth, scores + 1, EDGES, 10)
    with pytest.raises(InestimableError, match="fewer than 90"):
        bin_scores(truth, scores, EDGES, 90)
    with pytest.raises(InestimableError, match="no histogram"):
        auroc_from_histograms([])
    with pytest.raises(InestimableError, match="no histogram"):
        common_bins([])
    with pytest.raises(InestimableError, match="two cases of each class"):
        auroc_from_histograms([ScoreHistogram((0.0, 1.0), (0,), (40,), (20.0,))])
    with pytest.raises(InestimableError, match="different ranges"):
        common_bins(
            [
                ScoreHistogram((0.0, 1.0), (5,), (5,), (5.0,)),
                ScoreHistogram((0.0, 2.0), (5,), (5,), (5.0,)),
            ]
        )
