"""Bins hide small groups, bound what they hide, and pool to one AUROC and calibration curve."""

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from medperf.analysis import histograms
from medperf.analysis.delong import auroc
from medperf.analysis.histograms import (
    BinnedScores,
    ScoreHistogram,
    auroc_from_histograms,
    bin_scores,
    calibration,
    calibration_error,
)
from medperf.domain.errors import InestimableError

EDGES = np.linspace(0, 1, 65)
DECILES = np.linspace(0, 1, 11)


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
    for part, side in ((binned.positive, truth), (binned.negative, ~truth)):
        assert min(part.counts) >= cell
        assert part.counts == tuple(np.histogram(scores[side], part.edges)[0].tolist())
        assert sum(part.sums) == pytest.approx(scores[side].sum())
        assert set(part.edges) <= set(EDGES.tolist())
    assert sum(binned.positive.counts) + sum(binned.negative.counts) == n


@settings(max_examples=60, deadline=None)
@given(
    seeds=st.lists(st.integers(0, 10**6), min_size=1, max_size=4, unique=True),
    cell=st.integers(1, 10),
)
@example(seeds=[49103], cell=1)  # scores of exactly 1, whose mean rounding puts above it
def test_the_true_auroc_lies_within_the_bounds(seeds, cell):
    data = [cases(200, seed, shift=0.3) for seed in seeds]
    found = auroc_from_histograms([bin_scores(*pair, EDGES, cell) for pair in data])
    truth, scores = (np.concatenate(parts) for parts in zip(*data, strict=True))
    assert found.lowest <= roc_auc_score(truth, scores) <= found.highest
    assert found.lowest <= found.estimate.value <= found.highest


@pytest.mark.parametrize("end", [0.5, 1.0])
@pytest.mark.parametrize("rounding", [-1e-6, 0.0, 1e-6])
def test_no_case_at_the_end_of_a_bin_is_lost(end, rounding):
    negative = BinnedScores((0.0, 0.5, 1.0), (6, 4), (1.5, 3.0))
    positive = BinnedScores((0.5, 1.0), (7,), (7 * end + rounding,))
    found = auroc_from_histograms([ScoreHistogram(positive, negative)])
    assert found.estimate.n == 17
    # Six of ten negatives lie below, four in the same bin.
    assert found.estimate.value == pytest.approx(0.8)


def test_fine_bins_give_nearly_the_auroc_and_its_error():
    truth, scores = cases(3000, 1)
    found = auroc_from_histograms([bin_scores(truth, scores, np.linspace(0, 1, 501), 1)])
    exact = auroc(truth, scores)
    assert found.estimate.value == pytest.approx(exact.value, abs=5e-4)
    assert found.estimate.standard_error == pytest.approx(exact.standard_error, rel=0.01)
    assert found.highest - found.lowest < 0.01


def test_bins_of_ten_at_small_sites_do_not_draw_the_auroc_towards_one_half():
    data = [cases(100, seed, shift=0.3) for seed in range(12)]
    found = auroc_from_histograms([bin_scores(*pair, EDGES, 10) for pair in data])
    truth, scores = (np.concatenate(parts) for parts in zip(*data, strict=True))
    assert found.estimate.value == pytest.approx(roc_auc_score(truth, scores), abs=0.01)


def test_pooling_the_same_site_twice_leaves_the_auroc():
    binned = bin_scores(*cases(300, 3, shift=0.3), EDGES, 10)
    once, twice = auroc_from_histograms([binned]), auroc_from_histograms([binned, binned])
    assert twice.estimate.value == pytest.approx(once.estimate.value)
    assert (twice.lowest, twice.highest) == pytest.approx((once.lowest, once.highest))
    assert twice.estimate.n == 600


def test_the_order_of_sites_changes_nothing():
    sites = [bin_scores(*cases(200, seed, shift=0.3), EDGES, 10) for seed in range(3)]
    assert auroc_from_histograms(sites).estimate.value == pytest.approx(
        auroc_from_histograms(sites[::-1]).estimate.value
    )
    here, there = calibration(sites, DECILES), calibration(sites[::-1], DECILES)
    assert [found.observed for found in here] == [found.observed for found in there]


def site(positive, negative, sums, edges=(0.0, 0.5, 1.0)):
    shares = [p / (p + n) if p + n else 0 for p, n in zip(positive, negative, strict=True)]
    return ScoreHistogram(
        BinnedScores(edges, positive, tuple(s * q for s, q in zip(sums, shares, strict=True))),
        BinnedScores(
            edges, negative, tuple(s * (1 - q) for s, q in zip(sums, shares, strict=True))
        ),
    )


def test_calibration_shows_mean_score_and_observed_share():
    sites = [site((10, 40), (40, 10), (12.5, 37.5))] * 2
    low, high = calibration(sites, DECILES)
    assert (low.mean_score, low.observed.value) == pytest.approx((0.25, 0.2))
    assert (high.mean_score, high.observed.value) == pytest.approx((0.75, 0.8))
    assert high.observed.n == 100
    assert calibration_error([low, high]) == pytest.approx(0.05)


def test_a_calibrated_model_is_calibrated_and_coarser_bins_never_show_more_error():
    rng = np.random.default_rng(5)
    scores = rng.random(4000)
    truth = rng.random(4000) < scores
    binned = [bin_scores(truth, scores, EDGES, 10)]
    fine, coarse = calibration(binned, DECILES), calibration(binned, [0.0, 0.5, 1.0])
    assert len(fine) == 10
    assert calibration_error(coarse) <= calibration_error(fine) < 0.03
    assert sum(found.observed.interval.holds(found.mean_score) for found in fine) >= 8


def test_calibration_keeps_every_case():
    data = [cases(200, seed) for seed in range(3)]
    found = calibration([bin_scores(*pair, EDGES, 10) for pair in data], DECILES)
    assert sum(one.observed.n for one in found) == 600


@pytest.mark.parametrize("mean", [1e-6, 0.1, 0.4999999, 0.5, 0.9, 1 - 1e-6])
def test_inside_a_bin_the_likely_scores_have_the_mean_the_site_gave(mean):
    grid = np.linspace(0, 1, 20001)
    spread = histograms._spread(grid, BinnedScores((0.0, 1.0), (50,), (50 * mean,)))
    assert spread.sum() == pytest.approx(50)
    assert (spread >= 0).all()
    assert spread @ (grid[:-1] + grid[1:]) / 2 / 50 == pytest.approx(mean, abs=1e-4)


def test_what_cannot_be_binned_or_pooled_is_refused():
    truth, scores = cases(100, 1)
    with pytest.raises(InestimableError, match="outside"):
        bin_scores(truth, scores + 1, EDGES, 10)
    with pytest.raises(InestimableError, match="fewer than 90"):
        bin_scores(truth, scores, EDGES, 90)
    with pytest.raises(InestimableError, match="no histogram"):
        auroc_from_histograms([])
    with pytest.raises(InestimableError, match="no case"):
        calibration([], DECILES)
    with pytest.raises(InestimableError, match="two cases of each class"):
        auroc_from_histograms([site((0, 0), (40, 2), (20.0, 1.5))])
    with pytest.raises(InestimableError, match="100% of all pairs"):
        auroc_from_histograms([site((40,), (40,), (50.0,), (0.0, 1.0))])
