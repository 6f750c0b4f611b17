"""Scores in bins per class: pooled AUROC and calibration without a single score leaving.

A site counts the positive and the negative cases in bins of the score, and merges neighboring bins
of a class until each holds enough cases. The server adds sites up. What the bins hide is bounded:
where a positive and a negative bin overlap the order of their cases is unknown, so the true AUROC
lies between all such pairs lost and all won. The estimate takes the scores inside a bin to follow
the distribution of largest entropy with the mean the site gave (a truncated exponential: Jaynes
1957, doi:10.1103/PhysRev.106.620); counting overlapping bins as ties would draw it towards 0.5.

The bins of both classes refine one coarser division with enough cases of each; calibration uses it.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medperf.analysis.estimates import LEVEL, Bools, Estimate, Floats, Integers, Method
from medperf.analysis.intervals import logit, wilson
from medperf.analysis.roots import root
from medperf.domain.errors import InestimableError

MOST_HIDDEN = 0.6
"""The largest share of pairs whose order the bins may hide; beyond it shape assumptions decide."""

_FLAT, _STEEP = 1e-4, 500.0


@dataclass(frozen=True, slots=True)
class BinnedScores:
    """The scores of one class: ``counts`` and ``sums`` of scores per bin.

    Bin ``i`` holds scores from ``edges[i]`` up to, not including, ``edges[i + 1]``; the last one
    includes its end.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    sums: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ScoreHistogram:
    """The binned scores of one model at one site."""

    positive: BinnedScores
    negative: BinnedScores


@dataclass(frozen=True, slots=True)
class BinnedAuroc:
    """An AUROC from bins; with the scores themselves it would lie in ``lowest`` to ``highest``."""

    estimate: Estimate
    lowest: float
    highest: float


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Cases of like scores: their mean score and the share of positives among them."""

    mean_score: float
    observed: Estimate


def bin_scores(
    positive: Bools, scores: Floats, edges: Sequence[float], smallest_cell: int
) -> ScoreHistogram:
    """Count each class's scores in bins, merged until each has at least ``smallest_cell``.

    Args:
        positive: whether each case is of the positive class, shape ``n``.
        scores: shape ``n``, inside the edges.
        edges: increasing, as the benchmark fixes them for all sites.
        smallest_cell: the smallest count of a class that may be told, 1 or more.

    Raises:
        InestimableError: if a score lies outside, or a class has fewer cases than that at all.
    """
    grid, truth = np.asarray(edges, dtype=np.float64), np.asarray(positive, dtype=bool)
    if not np.isfinite(scores).all() or (scores < grid[0]).any() or (scores > grid[-1]).any():
        raise InestimableError(f"a score lies outside {grid[0]} to {grid[-1]}")
    counts = np.stack([np.histogram(scores[side], grid)[0] for side in (truth, ~truth)])
    if (counts.sum(axis=1) < smallest_cell).any():
        raise InestimableError(f"a class has fewer than {smallest_cell} cases")
    shared = [*_safe_starts(counts, smallest_cell), counts.shape[1]]
    classes = []
    for row, side in zip(counts, (truth, ~truth), strict=True):
        starts = np.concatenate(
            [
                start + _safe_starts(row[np.newaxis, start:end], smallest_cell)
                for start, end in itertools.pairwise(shared)
            ]
        )
        sums = np.histogram(scores[side], grid, weights=scores[side])[0]
        classes.append(
            BinnedScores(
                edges=(*grid[starts].tolist(), float(grid[-1])),
                counts=tuple(np.add.reduceat(row, starts).tolist()),
                sums=tuple(np.add.reduceat(sums, starts).tolist()),
            )
        )
    return ScoreHistogram(classes[0], classes[1])


def auroc_from_histograms(sites: Sequence[ScoreHistogram], level: float = LEVEL) -> BinnedAuroc:
    """The AUROC of all cases of all sites together, with its interval and discretization bounds.

    Cases of different sites are compared with each other, unlike in a mean of sites' AUROCs. The
    interval is DeLong's for grouped scores on the logit scale; what the bins hide is in the bounds.

    Raises:
        InestimableError: without sites or two cases of each class, or where the bins hide the order
            of more than 60 % of all pairs.
    """
    grid = np.array(
        sorted({edge for site in sites for part in _parts(site) for edge in part.edges})
    )
    if not grid.size:
        raise InestimableError("there is no histogram to pool")
    positive = np.sum([_spread(grid, site.positive) for site in sites], axis=0)
    negative = np.sum([_spread(grid, site.negative) for site in sites], axis=0)
    n_positive, n_negative = float(positive.sum()), float(negative.sum())
    if min(n_positive, n_negative) < 2:  # noqa: PLR2004
        raise InestimableError("an AUROC needs two cases of each class")
    of_positive = (np.cumsum(negative) - negative / 2) / n_negative
    of_negative = (n_positive - np.cumsum(positive) + positive / 2) / n_positive
    value = float(positive @ of_positive) / n_positive
    variance = sum(
        float(counts @ (shares - value) ** 2) / (total - 1) / total
        for counts, shares, total in (
            (positive, of_positive, n_positive),
            (negative, of_negative, n_negative),
        )
    )
    won, lost = _sure_pairs(sites)
    pairs, n = n_positive * n_negative, round(n_positive + n_negative)
    if pairs - won - lost > MOST_HIDDEN * pairs:
        raise InestimableError(
            f"the bins leave {1 - (won + lost) / pairs:.0%} of all pairs of cases undecided",
            hint="Sites need more cases of each class for bins of this smallest count.",
        )
    estimate = logit(value, math.sqrt(variance), n, level, method=Method.HISTOGRAM_AUROC)
    return BinnedAuroc(estimate, won / pairs, 1 - lost / pairs)


def calibration(
    sites: Sequence[ScoreHistogram], edges: Sequence[float], level: float = LEVEL
) -> tuple[CalibrationBin, ...]:
    """Mean score and observed share of positives, with Wilson's interval.

    Each site's cases come in its finest bins that both classes share; those of all sites whose
    mean score lies between the same two ``edges`` are put together.

    Raises:
        InestimableError: without cases.
    """
    cells = np.concatenate([_shared_bins(site) for site in sites] or [np.zeros((0, 3))])
    if not cells.size:
        raise InestimableError("there is no case to calibrate with")
    positive, n, sums = cells.T
    place = np.clip(np.digitize(sums / n, edges) - 1, 0, len(edges) - 2)
    found = []
    for group in np.unique(place):
        here = place == group
        total = int(n[here].sum())
        observed = wilson(int(positive[here].sum()), total, level)
        found.append(CalibrationBin(float(sums[here].sum()) / total, observed))
    return tuple(found)


def calibration_error(bins: Sequence[CalibrationBin]) -> float:
    """The mean over cases of the gap between mean score and share of positives in their bin.

    Joining bins never makes it larger, as gaps of opposite sign cancel: it is a lower bound of the
    one with finer bins. Naeini, Cooper and Hauskrecht 2015, doi:10.1609/aaai.v29i1.9602.
    """
    total = sum(found.observed.n for found in bins)
    gaps = (found.observed.n * abs(found.mean_score - found.observed.value) for found in bins)
    return sum(gaps) / total


def _safe_starts(counts: Integers, smallest_cell: int) -> Integers:
    """Where merged bins start: from the left, each as short as it may be; a rest joins the last.

    A bin is safe when each class (row) has enough cases in it; all together must be safe. Empty
    bins are merged as well: where they end tells of the one case with the lowest or highest score.
    """
    starts, pending = [0], np.zeros(len(counts), dtype=np.int64)
    for i in range(counts.shape[1] - 1):
        pending = pending + counts[:, i]
        if (pending >= smallest_cell).all():
            starts.append(i + 1)
            pending = np.zeros_like(pending)
    while (counts[:, starts[-1] :].sum(axis=1) < smallest_cell).any():
        starts.pop()
    return np.array(starts, dtype=np.int64)


def _parts(site: ScoreHistogram) -> tuple[BinnedScores, BinnedScores]:
    return site.positive, site.negative


def _spread(grid: Floats, part: BinnedScores) -> Floats:
    """The counts on a finer grid: inside a bin as its mean score makes likely."""
    below = np.zeros(grid.size)
    for lower, upper, count, total in zip(
        part.edges, part.edges[1:], part.counts, part.sums, strict=False
    ):
        if count:
            inside = np.clip((grid - lower) / (upper - lower), 0.0, 1.0)
            below += count * _likely_share(inside, (total / count - lower) / (upper - lower))
    spread: Floats = np.diff(below)
    return spread


def _likely_share(points: Floats, mean: float) -> Floats:
    """The share below each point of [0, 1] of the exponential truncated to it with this mean."""

    def excess(rate: float) -> float:
        center = 0.5 if abs(rate) < _FLAT else 1 / -math.expm1(-rate) - 1 / rate
        return center - mean

    # Beyond these rates all cases lie within a few thousandths of an end of the bin.
    if excess(_STEEP) < 0 or excess(-_STEEP) > 0:
        # None below the bin and all below its end, also where rounding put the mean outside.
        return ((points >= 1) | ((points > 0) & (points >= mean))).astype(np.float64)
    rate = root(excess, -_STEEP, _STEEP, xtol=1e-9)
    if abs(rate) < _FLAT:
        return points
    # Both forms are the same share; each keeps clear of overflow on its side.
    share: Floats = (
        np.expm1(rate * points) / math.expm1(rate)
        if rate < 0
        else 1 - np.expm1(-rate * (1 - points)) / math.expm1(-rate)
    )
    return share


def _sure_pairs(sites: Sequence[ScoreHistogram]) -> tuple[float, float]:
    """How many pairs are won (the positive bin wholly above the negative one) and lost for sure."""
    won = lost = 0.0
    for own in (site.positive for site in sites):
        for other in (site.negative for site in sites):
            cumulative = np.concatenate([[0], np.cumsum(other.counts)])
            ended = np.searchsorted(other.edges[1:], own.edges[:-1], side="right")
            begun = np.searchsorted(other.edges[:-1], own.edges[1:], side="left")
            won += float(np.dot(own.counts, cumulative[ended]))
            lost += float(np.dot(own.counts, cumulative[-1] - cumulative[begun]))
    return won, lost


def _shared_bins(site: ScoreHistogram) -> Floats:
    """Positives, cases and sum of scores (``m x 3``) in the bins both classes share."""
    edges = sorted(set(site.positive.edges) & set(site.negative.edges))
    counts, sums = [], []
    for part in _parts(site):
        starts = np.searchsorted(part.edges, edges[:-1])
        counts.append(np.add.reduceat(part.counts, starts))
        sums.append(np.add.reduceat(part.sums, starts))
    cells = np.column_stack([counts[0], counts[0] + counts[1], sums[0] + sums[1]])
    filled: Floats = cells[cells[:, 1] > 0].astype(np.float64)
    return filled
