"""Is one model better than another? Paired differences, several at once, and what they allow.

Models that ran on the same datasets share cases, and so chance. Differences of paired replicates
keep that, and are far more certain than two intervals laid side by side.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from scipy import special

from medperf.analysis.bootstrap import FEWEST_PATIENTS
from medperf.analysis.estimates import LEVEL, Estimate, Floats, Method, demand_level
from medperf.analysis.intervals import defined_replicates, normal, p_value
from medperf.analysis.pooling import PooledEstimate, case_shares, random_effects, satterthwaite
from medperf.analysis.site_summary import SiteSummary
from medperf.domain.benchmarks import Direction
from medperf.domain.errors import InestimableError


class Verdict(StrEnum):
    """What the interval of a difference allows to say about the first model."""

    SUPERIOR = "superior"
    NON_INFERIOR = "non_inferior"  # not worse by more than the margin
    INFERIOR = "inferior"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The first model's value less the second's; ``p_adjusted`` accounts for all asked at once.

    ``verdict`` is about the first model, ``verdict_of_second`` about the other. ``degrees`` are
    those of Student's distribution, None for the normal one.
    """

    first: str
    second: str
    difference: Estimate
    p_value: float
    p_adjusted: float
    verdict: Verdict
    verdict_of_second: Verdict = Verdict.INCONCLUSIVE
    degrees: float | None = None


def compare(
    first: str,
    second: str,
    values: Mapping[str, float],
    replicates: Mapping[str, Floats],
    n: int,
    *,
    direction: Direction = Direction.HIGHER,
    margin: float = 0.0,
    level: float = LEVEL,
) -> Comparison:
    """Compare two models by their paired (pooled) replicates.

    The standard error is that of the replicates' differences; interval and p-value come from the
    same normal approximation, so that they never contradict each other.

    Args:
        first: the name of one model.
        second: the name of the other.
        values: each model's value.
        replicates: each model's replicates, shape ``b``, paired.
        n: the number of cases both ran on.
        direction: which way is better.
        margin: how much worse still counts as not inferior, in units of the metric, 0 or more.
        level: the confidence level of the interval and the verdict.
    """
    value = values[first] - values[second]
    pairs = _same_length(replicates[first], replicates[second])
    error = float(defined_replicates(pairs[0] - pairs[1]).std(ddof=1))
    difference = normal(value, error, n, level, method=Method.REPLICATE_NORMAL)
    return _judged(first, second, difference, None, direction, margin)


def compare_by_cases(
    first: str,
    second: str,
    value: float,
    errors: Floats,
    sites: Sequence[SiteSummary],
    *,
    direction: Direction = Direction.HIGHER,
    margin: float = 0.0,
    level: float = LEVEL,
) -> Comparison:
    """Compare two models by the difference of their case-weighted values, site by site.

    Sites are independent, so the variances of their paired differences add with squared shares of
    the cases. Where every site gives its number of patients, Student's quantile on Satterthwaite's
    degrees of freedom is used, as for the pooled value itself: with few patients the normal one
    would be too sure.

    Args:
        first: the name of one model.
        second: the name of the other.
        value: the difference of the two case-weighted values.
        errors: of each site's paired difference, see `difference_errors`.
        sites: either model's summaries, for their numbers of cases and patients.
        direction: which way is better.
        margin: how much worse still counts as not inferior.
        level: the confidence level of the interval and the verdict.
    """
    parts = (case_shares(sites) * errors) ** 2
    degrees = satterthwaite(parts, [site.n_patients for site in sites])
    method = Method.REPLICATE_NORMAL if degrees is None else Method.REPLICATE_STUDENT
    error, n = math.sqrt(float(parts.sum())), sum(site.n for site in sites)
    difference = normal(value, error, n, level, degrees=degrees, method=method)
    return _judged(first, second, difference, degrees, direction, margin)


def difference_errors(first: Floats, second: Floats, patients: Sequence[int | None]) -> Floats:
    """Standard errors of sites' paired differences from replicates (shape ``sites x b``).

    Weights of fewer than four patients vary less than they would have to (see
    ``bootstrap.Weights``); their spread is brought to the unbiased one of a mean.

    Raises:
        InestimableError: where replicates are of unequal number, or too few have a value.
    """
    drawn = np.subtract(*_same_length(first, second))
    if np.isfinite(drawn).all():
        errors: Floats = drawn.std(axis=1, ddof=1)
    else:
        errors = np.array([defined_replicates(row).std(ddof=1) for row in drawn])
    errors *= np.array([_shortfall(count) for count in patients])
    return errors


def compare_all(
    values: Mapping[str, float],
    replicates: Mapping[str, Floats],
    n: int,
    *,
    direction: Direction = Direction.HIGHER,
    margin: float = 0.0,
    level: float = LEVEL,
) -> tuple[Comparison, ...]:
    """Every pair of models in order of names, adjusted for being many."""
    found = [
        compare(first, second, values, replicates, n, direction=direction, level=level)
        for first, second in itertools.combinations(sorted(values), 2)
    ]
    return adjusted(found, direction=direction, margin=margin, level=level)


def adjusted(
    comparisons: Sequence[Comparison],
    *,
    direction: Direction = Direction.HIGHER,
    margin: float = 0.0,
    level: float = LEVEL,
) -> tuple[Comparison, ...]:
    """The comparisons with Holm's adjusted p-values, and verdicts by them.

    Superior or inferior where the adjusted p-value of the difference is below ``1 - level``,
    non-inferior where that of the margin is, asked of both models of each pair; each of the two
    families has its own error rate.
    """
    if margin < 0:
        raise InestimableError(f"the margin is {margin}", hint="Give a margin of 0 or more.")
    sign, alpha = (1 if direction is Direction.HIGHER else -1), 1 - level
    of_difference = holm([each.p_value for each in comparisons])
    of_margin = (
        holm([_p_margin(each, side * sign, margin) for side in (1, -1) for each in comparisons])
        if margin
        else (1.0,) * (2 * len(comparisons))
    )
    firsts, seconds = of_margin[: len(comparisons)], of_margin[len(comparisons) :]
    return tuple(
        replace(
            each,
            p_adjusted=p,
            verdict=_verdict(each, sign, p, first, alpha),
            verdict_of_second=_verdict(each, -sign, p, second, alpha),
        )
        for each, p, first, second in zip(comparisons, of_difference, firsts, seconds, strict=True)
    )


def compare_by_sites(
    first: Sequence[SiteSummary], second: Sequence[SiteSummary], level: float = LEVEL
) -> PooledEstimate:
    """The mean difference over sites like these: random effects of the sites' paired differences.

    Each site's standard error is that of its own replicates' differences.

    Raises:
        InestimableError: if the sites of both differ, or one has no paired replicates.
    """
    others = {site.site: site for site in second}
    if {site.site for site in first} != set(others):
        raise InestimableError(
            "the two models did not run at the same sites",
            hint="Compare over the sites that have results of both.",
        )
    return random_effects([site_difference(site, others[site.site]) for site in first], level)


def compare_over_sites(
    first: str,
    second: str,
    summaries: Mapping[str, Sequence[SiteSummary]],
    *,
    direction: Direction = Direction.HIGHER,
    margin: float = 0.0,
    level: float = LEVEL,
) -> Comparison:
    """Compare two models at sites like these: `compare_by_sites` with its p-value and verdict.

    Raises:
        InestimableError: as that does; also where a site's differences have no spread.
    """
    pooled = compare_by_sites(summaries[first], summaries[second], level)
    difference, degrees = pooled.estimate, pooled.n_sites - 1
    return _judged(first, second, difference, degrees or None, direction, margin)


def site_difference(first: SiteSummary, second: SiteSummary) -> SiteSummary:
    """One site's paired difference of two models; it counts the fewer cases of the two."""
    if first.replicates is None or second.replicates is None:
        raise InestimableError(f"no paired bootstrap replicates came from: {first.site}")
    pairs = _same_length(first.replicates, second.replicates)
    differences = pairs[0] - pairs[1]
    error = float(defined_replicates(differences).std(ddof=1))
    return SiteSummary(
        site=first.site,
        value=first.value - second.value,
        n=min(first.n, second.n),
        standard_error=error,
        n_patients=first.n_patients,
        replicates=differences,
    )


def _shortfall(patients: int | None) -> float:
    """By how much the spread of replicates of a mean of so few patients is too small, inverted."""
    if patients is None or patients >= FEWEST_PATIENTS or patients < 2:  # noqa: PLR2004
        return 1.0
    # Weights of squared variation v = 2, that of four patients: v / (p + v) instead of 1 / (p - 1).
    return math.sqrt((patients + 2) / (2 * (patients - 1)))


def judge(
    difference: Estimate, *, direction: Direction = Direction.HIGHER, margin: float = 0.0
) -> Verdict:
    """Read the verdict off the interval of a difference.

    Superior where the whole interval is on the better side of 0, non-inferior where it is on the
    better side of the margin, inferior where it is on the worse side of 0 and not non-inferior.
    CPMP, Points to consider on switching between superiority and non-inferiority, British Journal
    of Clinical Pharmacology 52:223-228, 2001.

    Raises:
        InestimableError: with a negative margin.
    """
    if margin < 0:
        raise InestimableError(f"the margin is {margin}", hint="Give a margin of 0 or more.")
    if difference.interval is None:
        return Verdict.INCONCLUSIVE
    lower, upper = difference.interval.lower, difference.interval.upper
    if direction is Direction.LOWER:
        lower, upper = -upper, -lower
    if lower > 0:
        return Verdict.SUPERIOR
    if margin > 0 and lower > -margin:
        return Verdict.NON_INFERIOR
    return Verdict.INFERIOR if upper < 0 else Verdict.INCONCLUSIVE


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjust p-values for being many: Holm 1979, Scandinavian Journal of Statistics 6:65-70.

    The chance of even one false alarm among all of them stays below the level asked for.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)) if p.size else p
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return tuple(adjusted.tolist())


def independent_difference(first: Estimate, second: Estimate, level: float = LEVEL) -> Estimate:
    """The difference of two estimates over different patients: variances add.

    Raises:
        InestimableError: if one has no standard error above 0.
    """
    demand_level(level)
    if not first.standard_error or not second.standard_error:
        raise InestimableError("a difference needs a standard error above 0 of both values")
    error = math.hypot(first.standard_error, second.standard_error)
    value, n = first.value - second.value, first.n + second.n
    return normal(value, error, n, level, method=Method.INDEPENDENT_DIFFERENCE)


def _judged(
    first: str,
    second: str,
    difference: Estimate,
    degrees: float | None,
    direction: Direction,
    margin: float,
) -> Comparison:
    p = p_value(difference.value, difference.standard_error or 0.0, degrees)
    verdict = judge(difference, direction=direction, margin=margin)
    return Comparison(first, second, difference, p, p, verdict, degrees=degrees)


def _p_margin(comparison: Comparison, sign: int, margin: float) -> float:
    """For being worse by the margin or more; twice one-sided, so that one level suits all."""
    better = sign * comparison.difference.value
    error = comparison.difference.standard_error or 0.0
    if error <= 0:
        return 0.0 if better > -margin else 1.0
    score, degrees = -(better + margin) / error, comparison.degrees
    tail = special.ndtr(score) if degrees is None else special.stdtr(degrees, score)
    return min(1.0, float(2 * tail))


def _verdict(comparison: Comparison, sign: int, p: float, p_margin: float, alpha: float) -> Verdict:
    if p < alpha and sign * comparison.difference.value > 0:
        return Verdict.SUPERIOR
    if p_margin < alpha:
        return Verdict.NON_INFERIOR
    return Verdict.INFERIOR if p < alpha else Verdict.INCONCLUSIVE


def _same_length(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    if first.shape != second.shape:
        raise InestimableError("the two models have different numbers of bootstrap replicates")
    return first, second
