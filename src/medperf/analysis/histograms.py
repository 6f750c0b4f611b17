"""Scores in bins per class: pooled AUROC and calibration without a single score leaving.

A site counts positive and negative cases in bins of the score and merges neighbors until no bin
holds a small group. The server adds sites up. What the bins hide is bounded, not guessed: between
two cases of one bin the order is unknown, so the true AUROC lies between all such pairs lost and
all won; the estimate counts them half, as ties.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medperf.analysis.estimates import LEVEL, Bools, Estimate, Floats, Integers, Method
from medperf.analysis.intervals import logit, wilson
from medperf.domain.errors import InestimableError


@dataclass(frozen=True, slots=True)
class ScoreHistogram:
    """Counts of cases by score and class at one site.

    Bin ``i`` holds scores from ``edges[i]`` up to, not including, ``edges[i + 1]``; the last one
    includes its end. ``score_sum`` is the sum of the scores in each bin.
    """

    edges: tuple[float, ...]
    positive: tuple[int, ...]
    negative: tuple[int, ...]
    score_sum: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class BinnedAuroc:
    """An AUROC from bins; with the scores themselves it would lie in ``lowest`` to ``highest``."""

    estimate: Estimate
    lowest: float
    highest: float


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Cases with scores from ``lower`` to ``upper``: mean score and the share of positives."""

    lower: float
    upper: float
    mean_score: float
    observed: Estimate


def bin_scores(
    positive: Bools, scores: Floats, edges: Sequence[float], smallest_cell: int
) -> ScoreHistogram:
    """Count scores in bins, merged until each class counts 0 or at least ``smallest_cell`` there.

    Args:
        positive: whether each case is of the positive class, shape ``n``.
        scores: shape ``n``, inside the edges.
        edges: increasing, as the benchmark fixes them for all sites.
        smallest_cell: the smallest count of a class that may be told.

    Raises:
        InestimableError: if a score lies outside, or a class has fewer cases than that at all.
    """
    grid, truth = np.asarray(edges, dtype=np.float64), np.asarray(positive, dtype=bool)
    if not np.isfinite(scores).all() or np.min(scores) < grid[0] or np.max(scores) > grid[-1]:
        raise InestimableError(f"a score lies outside {grid[0]} to {grid[-1]}")
    counts = np.stack([np.histogram(scores[side], grid)[0] for side in (truth, ~truth)])
    if (counts.sum(axis=1) < smallest_cell).any():
        raise InestimableError(f"a class has fewer than {smallest_cell} cases")
    sums = np.histogram(scores, grid, weights=scores)[0]
    starts = _safe_starts(counts, smallest_cell)
    merged = np.add.reduceat(counts, starts, axis=1)
    return ScoreHistogram(
        edges=(*grid[starts].tolist(), float(grid[-1])),
        positive=tuple(merged[0].tolist()),
        negative=tuple(merged[1].tolist()),
        score_sum=tuple(np.add.reduceat(sums, starts).tolist()),
    )


def common_bins(sites: Sequence[ScoreHistogram]) -> ScoreHistogram:
    """All cases of all sites in the finest bins that every site can tell apart.

    Raises:
        InestimableError: without sites, or where their score ranges differ.
    """
    if not sites:
        raise InestimableError("there is no histogram to pool")
    if len({(site.edges[0], site.edges[-1]) for site in sites}) != 1:
        raise InestimableError("the histograms span different ranges of scores")
    edges = sorted(set.intersection(*(set(site.edges) for site in sites)))
    positive = np.zeros(len(edges) - 1, dtype=np.int64)
    negative, sums = np.zeros_like(positive), np.zeros(len(edges) - 1)
    for site in sites:
        starts = np.searchsorted(site.edges, edges[:-1])
        positive += np.add.reduceat(site.positive, starts)
        negative += np.add.reduceat(site.negative, starts)
        sums += np.add.reduceat(site.score_sum, starts)
    return ScoreHistogram(
        tuple(edges), tuple(positive.tolist()), tuple(negative.tolist()), tuple(sums.tolist())
    )


def auroc_from_histograms(sites: Sequence[ScoreHistogram], level: float = LEVEL) -> BinnedAuroc:
    """The AUROC of all cases of all sites together, with its interval and discretization bounds.

    Cases of different sites are compared with each other, unlike in a mean of sites' AUROCs. The
    interval is DeLong's for grouped scores on the logit scale; the bounds come on top of it, and
    use each site's own bins.

    Raises:
        InestimableError: without two positive and two negative cases.
    """
    positive, negative, unsure = _grouped(sites)
    n_positive, n_negative = float(positive.sum()), float(negative.sum())
    if min(n_positive, n_negative) < 2:  # noqa: PLR2004
        raise InestimableError("an AUROC needs two cases of each class")
    below = np.cumsum(negative) - negative / 2
    above = n_positive - np.cumsum(positive) + positive / 2
    of_positive, of_negative = below / n_negative, above / n_positive
    value = float(positive @ of_positive) / n_positive
    variance = sum(
        float(counts @ (shares - value) ** 2) / (total - 1) / total
        for counts, shares, total in (
            (positive, of_positive, n_positive),
            (negative, of_negative, n_negative),
        )
    )
    won, lost = unsure
    pairs = n_positive * n_negative
    n = round(n_positive + n_negative)
    estimate = logit(value, math.sqrt(variance), n, level, method=Method.HISTOGRAM_AUROC)
    return BinnedAuroc(estimate, won / pairs, 1 - lost / pairs)


def calibration(
    sites: Sequence[ScoreHistogram], level: float = LEVEL
) -> tuple[CalibrationBin, ...]:
    """Mean score and share of positives, with Wilson's interval, in each bin with cases."""
    bins = common_bins(sites)
    found = []
    for lower, upper, positive, negative, score_sum in zip(
        bins.edges, bins.edges[1:], bins.positive, bins.negative, bins.score_sum, strict=False
    ):
        n = positive + negative
        if n:
            found.append(CalibrationBin(lower, upper, score_sum / n, wilson(positive, n, level)))
    return tuple(found)


def calibration_error(sites: Sequence[ScoreHistogram]) -> float:
    """The mean over cases of the gap between mean score and share of positives in their bin.

    Merged bins never make it larger (gaps of opposite sign cancel), so it is a lower bound of the
    one with finer bins. Naeini, Cooper and Hauskrecht 2015, doi:10.1609/aaai.v29i1.9602.
    """
    bins = calibration(sites)
    total = sum(found.observed.n for found in bins)
    gaps = (found.observed.n * abs(found.mean_score - found.observed.value) for found in bins)
    return sum(gaps) / total


def _safe_starts(counts: Integers, smallest_cell: int) -> Integers:
    """Where merged bins start: from the left, each as short as it may be; the rest joins the last.

    A bin is safe when each class counts 0 or enough; without any case it stands for itself.
    """
    starts, pending = [0], np.zeros(2, dtype=np.int64)
    for i in range(counts.shape[1]):
        pending = pending + counts[:, i]
        if ((pending == 0) | (pending >= smallest_cell)).all():
            starts.append(i + 1)
            pending = np.zeros(2, dtype=np.int64)
    if starts[-1] < counts.shape[1]:
        # The rest is too small on its own: take back bins until it is not.
        while len(starts) > 1:
            starts.pop()
            tail = counts[:, starts[-1] :].sum(axis=1)
            if ((tail == 0) | (tail >= smallest_cell)).all():
                break
    else:
        starts.pop()
    return np.array(starts, dtype=np.int64)


def _grouped(sites: Sequence[ScoreHistogram]) -> tuple[Floats, Floats, tuple[float, float]]:
    """Counts on the union of all edges, and the pairs whose order is known.

    Each bin is spread evenly over its width. A pair of bins of two sites (or one) is won for sure
    where the positive one lies wholly above the negative one, lost for sure where wholly below.
    """
    if not sites:
        raise InestimableError("there is no histogram to pool")
    grid = np.array(sorted({edge for site in sites for edge in site.edges}))
    positive, negative = np.zeros(grid.size - 1), np.zeros(grid.size - 1)
    for site in sites:
        positive += _spread(grid, site.edges, site.positive)
        negative += _spread(grid, site.edges, site.negative)
    won = lost = 0.0
    for own in sites:
        starts, ends = np.array(own.edges[:-1]), np.array(own.edges[1:])
        for other in sites:
            others = np.concatenate([[0], np.cumsum(other.negative)])
            ended = np.searchsorted(other.edges[1:], starts, side="right")
            begun = np.searchsorted(other.edges[:-1], ends, side="left")
            won += float(np.dot(own.positive, others[ended]))
            lost += float(np.dot(own.positive, others[-1] - others[begun]))
    return positive, negative, (won, lost)


def _spread(grid: Floats, edges: Sequence[float], counts: Sequence[int]) -> Floats:
    spread: Floats = np.diff(np.interp(grid, edges, np.concatenate([[0], np.cumsum(counts)])))
    return spread
