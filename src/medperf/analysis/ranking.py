"""Ranks, and how sure they are: simultaneous intervals, tie groups, the worst case.

A rank without an interval says more than the data do. The sets of ranks here hold the true ranks
of *all* models together at the level asked for, after Mogstad, Romano, Shaikh and Wilhelm 2024,
doi:10.1093/restud/rdad006: a model may rank below another only where the simultaneous interval of
their difference excludes 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medperf.analysis.estimates import LEVEL, Bools, Estimate, Floats, demand_level
from medperf.analysis.intervals import defined_replicates
from medperf.domain.benchmarks import Direction
from medperf.domain.errors import InestimableError

METHOD = "simultaneous-ranks/v1"
BY_COMPARISONS = "compared-ranks/v1"
"""From the adjusted comparisons of all pairs, with which these ranks therefore never disagree."""


@dataclass(frozen=True, slots=True)
class RankedModel:
    """A model's rank (1 is best) and the ranks that cannot be excluded.

    ``tie_group`` counts from 1: the first holds the best model and all not significantly different
    from it, the second the best of the rest and all not significantly different from that, ...
    """

    model: str
    value: float
    rank: int
    rank_from: int
    rank_to: int
    tie_group: int


@dataclass(frozen=True, slots=True)
class Worst:
    """The site or subgroup at which a model does worst, and its estimate there."""

    where: str
    estimate: Estimate


def rank_models(
    values: Mapping[str, float],
    replicates: Mapping[str, Floats],
    *,
    direction: Direction = Direction.HIGHER,
    level: float = LEVEL,
) -> tuple[RankedModel, ...]:
    """Rank models by value, best first, with simultaneous rank intervals.

    Args:
        values: each model's (pooled) value.
        replicates: each model's replicates, shape ``b``, paired.
        direction: which way is better.
        level: the probability with which all intervals together hold the true ranks.

    Raises:
        InestimableError: without models, or where replicates are missing or of unequal number.
    """
    demand_level(level)
    _, oriented, draws = _matrix(values, replicates, direction)
    return ranked(values, significantly_better(oriented, draws, level), direction)


def ranked(
    values: Mapping[str, float], better: Bools, direction: Direction = Direction.HIGHER
) -> tuple[RankedModel, ...]:
    """Rank models by value, given which is better than which for sure.

    Args:
        values: each model's value; models of equal value share the better rank.
        better: ``k x k``, in order of the models' names: ``i`` is better than ``j`` for sure.
        direction: which way is better.
    """
    names = sorted(values)
    oriented = _oriented(np.array([values[name] for name in names], dtype=np.float64), direction)
    ranks = [1 + int((oriented > own).sum()) for own in oriented]
    starts, ends = 1 + better.sum(axis=0), len(names) - better.sum(axis=1)
    groups = _tie_groups(oriented, better)
    # Where models ran at different sites, values and differences over common sites may disagree;
    # the rank that is shown is never outside its own interval.
    found = [
        RankedModel(
            name,
            values[name],
            ranks[i],
            min(int(starts[i]), ranks[i]),
            max(int(ends[i]), ranks[i]),
            groups[i],
        )
        for i, name in enumerate(names)
    ]
    return tuple(sorted(found, key=lambda model: (model.rank, model.model)))


def significantly_better(values: Floats, replicates: Floats, level: float = LEVEL) -> Bools:
    """Whether model ``i`` is better than model ``j`` for sure (shape ``k x k``), higher is better.

    Single-step maximum of the studentized differences over all pairs and replicates (shape ``k x
    b``): the share ``level`` of replicates has no pair further from its difference than that.
    """
    k = values.size
    difference = values[:, np.newaxis] - values[np.newaxis, :]
    first, second = np.triu_indices(k, 1)
    if first.size == 0:
        return np.zeros((k, k), dtype=bool)
    drawn = replicates[first] - replicates[second]
    errors = drawn.std(axis=1, ddof=1)
    apart = np.abs(drawn - difference[first, second][:, np.newaxis])
    # Models that never differ have no error: they do not stretch the quantile, and are compared
    # by their values alone.
    varies = errors > 1e-12 * (1 + np.abs(drawn).max())
    critical = (
        float(np.quantile((apart[varies] / errors[varies, np.newaxis]).max(axis=0), level))
        if varies.any()
        else 0.0
    )
    reach = np.zeros((k, k))
    reach[first, second] = reach[second, first] = np.where(varies, critical * errors, 0.0)
    better: Bools = difference > reach
    return better


def metric_agreement(
    values: Mapping[str, Mapping[str, float]], directions: Mapping[str, Direction]
) -> Mapping[tuple[str, str], float]:
    """Kendall's tau between the orders of models by each two metrics.

    Args:
        values: metric to model to value, over the same models.
        directions: metric to which way is better.
    """
    models = sorted(next(iter(values.values()), {}))
    if any(sorted(by_model) != models for by_model in values.values()):
        raise InestimableError("the metrics are not of the same models")
    oriented = {
        metric: _oriented(np.array([values[metric][model] for model in models]), directions[metric])
        for metric in sorted(values)
    }
    return {
        (a, b): kendall_tau(oriented[a], oriented[b]) for a in oriented for b in oriented if a < b
    }


def kendall_tau(first: Floats, second: Floats) -> float:
    """Kendall's tau-b of two vectors; 1 where neither orders anything, 0 where only one does not.

    Kendall 1945, doi:10.1093/biomet/33.3.239.
    """
    upper = np.triu_indices(first.size, 1)
    a = np.sign(first[:, np.newaxis] - first[np.newaxis, :])[upper]
    b = np.sign(second[:, np.newaxis] - second[np.newaxis, :])[upper]
    pairs_a, pairs_b = float(np.abs(a).sum()), float(np.abs(b).sum())
    if pairs_a == 0 or pairs_b == 0:
        return float(pairs_a == pairs_b)
    return float(a @ b / np.sqrt(pairs_a * pairs_b))


def worst(
    estimates: Mapping[str, Estimate], direction: Direction = Direction.HIGHER
) -> Worst | None:
    """The worst of a model's sites or subgroups by value; the first by name where tied."""
    if not estimates:
        return None
    sign = 1 if direction is Direction.HIGHER else -1
    where = min(sorted(estimates), key=lambda name: sign * estimates[name].value)
    return Worst(where, estimates[where])


def _tie_groups(values: Floats, better: Bools) -> list[int]:
    groups, group = [0] * values.size, 0
    for leader in np.argsort(-values, kind="stable"):
        if groups[leader]:
            continue
        group += 1
        for i in range(values.size):
            if not groups[i] and not better[leader, i]:
                groups[i] = group
    return groups


def _matrix(
    values: Mapping[str, float], replicates: Mapping[str, Floats], direction: Direction
) -> tuple[list[str], Floats, Floats]:
    """Names in order, values (``k``) and replicates (``k x b``) so that higher is better.

    A replicate in which some model has no value is left out for all: the rest stays paired.
    """
    names = sorted(values)
    rows: Sequence[Floats] = [replicates[name] for name in names if name in replicates]
    if not names or len(rows) < len(names):
        raise InestimableError("a ranking needs bootstrap replicates of every model")
    if len({row.shape for row in rows}) != 1:
        raise InestimableError("the models have different numbers of bootstrap replicates")
    matrix = np.stack(rows)
    complete = np.isfinite(matrix).all(axis=0)
    defined_replicates(np.where(complete, 0.0, np.nan))
    array = np.array([values[name] for name in names], dtype=np.float64)
    return names, _oriented(array, direction), _oriented(matrix[:, complete], direction)


def _oriented(array: Floats, direction: Direction) -> Floats:
    return array if direction is Direction.HIGHER else -array
