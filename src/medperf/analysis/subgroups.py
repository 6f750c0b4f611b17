"""Subgroups: how far apart a model does in them, and what it would do in another population."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from medperf.analysis.comparison import independent_difference
from medperf.analysis.estimates import LEVEL, Estimate, Floats, Method, demand_level
from medperf.analysis.intervals import defined_replicates, normal
from medperf.domain.benchmarks import Direction
from medperf.domain.errors import InestimableError


@dataclass(frozen=True, slots=True)
class Gap:
    """How far a model's value in its better subgroup is from that in its worse one.

    ``difference`` is better less worse: above 0 where higher is better, below where lower is.
    """

    better: str
    worse: str
    difference: Estimate


def gap(
    estimates: Mapping[str, Estimate],
    *,
    direction: Direction = Direction.HIGHER,
    replicates: Mapping[str, Floats] | None = None,
    level: float = LEVEL,
) -> Gap | None:
    """The gap between the best and the worst of a variable's subgroups; None with fewer than two.

    With replicates its error is that of their differences, which is right even where a patient
    has cases in both subgroups; without, patients are taken to be in one only. The largest of many
    gaps is large by chance as well; ``adjusted_level`` makes up for that. Without standard errors
    above 0 the gap has no interval: a group whose cases are all alike is not known for sure.

    Args:
        estimates: subgroup to estimate; suppressed subgroups are left out.
        direction: which way is better.
        replicates: subgroup to (pooled) replicates, shape ``b``.
        level: the confidence level, over all pairs of subgroups together.
    """
    if len(estimates) < 2:  # noqa: PLR2004
        return None
    sign = 1 if direction is Direction.HIGHER else -1
    order = sorted(estimates, key=lambda name: (sign * estimates[name].value, name))
    worse, better = order[0], order[-1]
    each = adjusted_level(level, len(estimates))
    first, second = estimates[better], estimates[worse]
    if replicates is None and not (first.standard_error and second.standard_error):
        n = first.n + second.n
        difference = Estimate(first.value - second.value, n, Method.INDEPENDENT_DIFFERENCE)
        return Gap(better, worse, difference)
    if replicates is None:
        return Gap(better, worse, independent_difference(first, second, each))
    drawn = replicates[better] - replicates[worse]
    difference = normal(
        first.value - second.value,
        float(defined_replicates(drawn).std(ddof=1)),
        first.n + second.n,
        each,
        method=Method.REPLICATE_NORMAL,
    )
    return Gap(better, worse, difference)


def adjusted_level(level: float, n_subgroups: int) -> float:
    """The level of each pair's interval so that all pairs hold together: Bonferroni."""
    demand_level(level)
    pairs = max(1, n_subgroups * (n_subgroups - 1) // 2)
    return 1 - (1 - level) / pairs


def standardize(
    estimates: Mapping[str, Estimate], population: Mapping[str, float], level: float = LEVEL
) -> Estimate:
    """The value in a reference population with other shares of the same subgroups.

    Direct standardization: Breslow and Day 1987, Statistical Methods in Cancer Research II, IARC
    Scientific Publications 82, section 2.3. For metrics that are means over cases; an AUROC of a
    mixture is not a mean of AUROCs.

    Args:
        estimates: subgroup to estimate, over different patients.
        population: subgroup to its share or count in the reference population.
        level: the confidence level.

    Raises:
        InestimableError: if the population has a subgroup without estimate or standard error.
    """
    demand_level(level)
    shares = {name: share for name, share in population.items() if share > 0}
    absent = sorted(
        name for name in shares if name not in estimates or estimates[name].standard_error is None
    )
    if absent or not shares:
        raise InestimableError(
            f"no estimate with a standard error for: {', '.join(absent) or 'any subgroup'}",
            hint="Leave these subgroups out of the population and say so.",
        )
    total = sum(shares.values())
    value = sum(share / total * estimates[name].value for name, share in shares.items())
    variance = sum(
        (share / total) ** 2 * (estimates[name].variance or 0.0) for name, share in shares.items()
    )
    n = sum(estimates[name].n for name in shares)
    return normal(value, math.sqrt(variance), n, level, method=Method.STANDARDIZED)


def effective_cases(counts: Mapping[str, int], population: Mapping[str, float]) -> float:
    """How many cases of the reference population the reweighted ones are worth.

    Kish 1965, Survey Sampling, section 11.7: squared sum of weights over the sum of squares.
    """
    names = [name for name, share in population.items() if share > 0]
    n = np.array([counts.get(name, 0) for name in names], dtype=np.float64)
    if not names or (n < 1).any():
        raise InestimableError("the reference population has a subgroup without cases")
    weights = np.array([population[name] for name in names]) / n
    return float((weights @ n) ** 2 / (weights**2 @ n))
