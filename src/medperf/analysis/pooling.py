"""One number from many sites, and how sure it is; the cases stay where they are.

Two questions have two answers. *How does the model do on these cases?* weighs sites by their cases
(``case_weighted``, ``case_weighted_replicates``). *How would it do at sites like these?* takes the
sites as a draw from more of their kind (``random_effects``), and its prediction interval says where
the next site is to be expected.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medperf.analysis.estimates import LEVEL, Estimate, Floats, Interval, Method, demand_level
from medperf.analysis.heterogeneity import BetweenSites, Heterogeneity, heterogeneity
from medperf.analysis.intervals import logit, normal, percentile, quantile
from medperf.analysis.site_summary import SiteSummary
from medperf.domain.errors import InestimableError


@dataclass(frozen=True, slots=True)
class PooledEstimate:
    """An estimate over sites; ``weights`` sum to 1, in the order in which the sites were given.

    ``prediction`` is where the value at a further site is expected, at the same level.
    """

    estimate: Estimate
    n_sites: int
    weights: tuple[float, ...]
    heterogeneity: Heterogeneity | None = None
    prediction: Interval | None = None


def case_weighted(
    sites: Sequence[SiteSummary],
    level: float = LEVEL,
    *,
    lower: float | None = None,
    upper: float | None = None,
) -> PooledEstimate:
    """The mean over all cases of all sites, as if they lay in one place.

    Sites are independent, so variances add with squared weights. Where every site gives its number
    of patients, Student's quantile on Satterthwaite's degrees of freedom is used (Satterthwaite
    1946, doi:10.2307/3002019); for one site these are its patients less one. With both ends of the
    metric's range given the interval is made on the logit scale.
    """
    demand_level(level)
    shares = case_shares(sites)
    value = _snapped(float(shares @ _values(sites)), lower, upper)
    n, weights = _n_cases(sites), tuple(shares.tolist())
    errors = [site.standard_error for site in sites]
    known = np.array([error for error in errors if error is not None])
    if known.size < len(sites):
        return PooledEstimate(Estimate(value, n, Method.CASE_WEIGHTED), len(sites), weights)
    parts = (shares * known) ** 2
    error = math.sqrt(float(parts.sum()))
    degrees = satterthwaite(parts, [site.n_patients for site in sites])
    if lower is not None and upper is not None:
        estimate = logit(
            value,
            error,
            n,
            level,
            lower=lower,
            upper=upper,
            degrees=degrees,
            method=Method.CASE_WEIGHTED,
        )
    else:
        estimate = normal(value, error, n, level, degrees=degrees, method=Method.CASE_WEIGHTED)
    return PooledEstimate(estimate, len(sites), weights)


def case_weighted_replicates(sites: Sequence[SiteSummary], level: float = LEVEL) -> PooledEstimate:
    """The case-weighted value with the percentile interval of the pooled replicates."""
    estimate = percentile(
        float(case_shares(sites) @ _values(sites)),
        pooled_replicates(sites),
        _n_cases(sites),
        level,
    )
    renamed = Estimate(
        estimate.value,
        estimate.n,
        Method.CASE_WEIGHTED_REPLICATES,
        estimate.interval,
        estimate.standard_error,
    )
    return PooledEstimate(renamed, len(sites), tuple(case_shares(sites).tolist()))


def pooled_replicates(sites: Sequence[SiteSummary]) -> Floats:
    """Replicates of the case-weighted value (shape ``b``).

    Sites are independent, so the i-th of one may stand beside the i-th of another. They stay
    paired across models that ran at the same sites.

    Raises:
        InestimableError: if a site gave none, or their numbers differ.
    """
    pooled: Floats = case_shares(sites) @ stacked_replicates(sites)
    return pooled


def stacked_replicates(sites: Sequence[SiteSummary]) -> Floats:
    """The replicates of some sites beside each other, shape ``sites x b``.

    Raises:
        InestimableError: if a site gave none, or their numbers differ.
    """
    rows = [site.replicates for site in sites if site.replicates is not None]
    without = [site.site for site in sites if site.replicates is None]
    if without:
        raise InestimableError(f"no bootstrap replicates came from: {', '.join(without)}")
    if len({row.size for row in rows}) != 1:
        raise InestimableError("the sites gave different numbers of bootstrap replicates")
    return np.stack(rows)


def case_shares(sites: Sequence[SiteSummary]) -> Floats:
    """The share of all cases that lies at each site.

    Raises:
        InestimableError: if there is no case at all.
    """
    n = np.array([site.n for site in sites], dtype=np.float64)
    if n.sum() < 1:
        raise InestimableError("no site gave a case")
    shares: Floats = n / n.sum()
    return shares


def satterthwaite(parts: Floats, patients: Sequence[int | None]) -> float | None:
    """Degrees of freedom of a sum of independent variances; None where they cannot be known.

    Satterthwaite 1946, doi:10.2307/3002019.

    Args:
        parts: each site's part of the variance of a weighted sum.
        patients: of each site; a part rests on one less than them.
    """
    known = np.array([count for count in patients if count is not None], dtype=np.float64)
    if known.size < len(patients) or (known < 2).any() or not parts.any():  # noqa: PLR2004
        return None
    return float(parts.sum() ** 2 / (parts**2 / (known - 1)).sum())


def inverse_variance(sites: Sequence[SiteSummary], level: float = LEVEL) -> PooledEstimate:
    """Fixed effect: one true value at every site, weighted by precision.

    Borenstein and others 2009, Introduction to Meta-Analysis, chapter 11.
    """
    demand_level(level)
    values, variances = _values(sites), _variances(sites)
    weights, error = _weighted(variances)
    estimate = normal(
        float(weights @ values), error, _n_cases(sites), level, method=Method.INVERSE_VARIANCE
    )
    found = heterogeneity(values, variances)
    return PooledEstimate(estimate, len(sites), tuple(weights.tolist()), found)


def random_effects(
    sites: Sequence[SiteSummary],
    level: float = LEVEL,
    *,
    estimator: BetweenSites = BetweenSites.PAULE_MANDEL,
    hartung_knapp: bool = True,
) -> PooledEstimate:
    """Random effects: sites differ, and their mean is what is asked for.

    Hartung and Knapp 2001, doi:10.1002/sim.1009: Student's quantile on ``k - 1`` degrees; never
    narrower than without (Roever, Knapp and Friede 2015, doi:10.1186/s12874-015-0091-1). The
    prediction interval has ``k - 2`` degrees and needs three sites: Higgins, Thompson and
    Spiegelhalter 2009, doi:10.1111/j.1467-985X.2008.00552.x. One site is left as it is.

    Raises:
        InestimableError: if a site has no standard error, or one of 0.
    """
    demand_level(level)
    values, variances, k = _values(sites), _variances(sites), len(sites)
    found = heterogeneity(values, variances, estimator)
    weights, error = _weighted(variances + found.tau2)
    value = float(weights @ values)
    degrees = None
    if hartung_knapp and k > 1:
        scale = float(weights @ (values - value) ** 2) / (k - 1) / error**2
        error *= math.sqrt(max(1.0, scale))
        degrees = k - 1
    estimate = normal(
        value,
        error,
        _n_cases(sites),
        level,
        degrees=degrees,
        method=_RANDOM[estimator, hartung_knapp],
    )
    prediction = None
    if k > 2:  # noqa: PLR2004
        reach = quantile(level, k - 2) * math.sqrt(found.tau2 + error**2)
        prediction = Interval(value - reach, value + reach, level)
    return PooledEstimate(estimate, k, tuple(weights.tolist()), found, prediction)


_RANDOM = {
    (BetweenSites.DERSIMONIAN_LAIRD, False): Method.RANDOM_DL,
    (BetweenSites.DERSIMONIAN_LAIRD, True): Method.RANDOM_DL_HK,
    (BetweenSites.PAULE_MANDEL, False): Method.RANDOM_PM,
    (BetweenSites.PAULE_MANDEL, True): Method.RANDOM_PM_HK,
}


def _values(sites: Sequence[SiteSummary]) -> Floats:
    return np.array([site.value for site in sites], dtype=np.float64)


def _n_cases(sites: Sequence[SiteSummary]) -> int:
    return sum(site.n for site in sites)


def _variances(sites: Sequence[SiteSummary]) -> Floats:
    """Sampling variances, all positive: a weight by precision cannot be infinite."""
    if not sites:
        raise InestimableError("there is no site to pool")
    without = [site.site for site in sites if not site.standard_error]
    if without:
        raise InestimableError(
            f"no standard error above 0 came from: {', '.join(without)}",
            hint="Pool by cases, or leave these sites out and say so.",
        )
    return np.array([site.standard_error for site in sites], dtype=np.float64) ** 2


def _weighted(variances: Floats) -> tuple[Floats, float]:
    """Weights by precision that sum to 1, and the standard error of the weighted mean."""
    precision = 1 / variances
    total = float(precision.sum())
    return precision / total, math.sqrt(1 / total)


def _snapped(value: float, lower: float | None, upper: float | None) -> float:
    """A mean of values at the very end of a range lies there too, whatever rounding did to it."""
    for end in (lower, upper):
        if end is not None and math.isclose(value, end, rel_tol=1e-12, abs_tol=1e-12):
            return end
    return value
