"""The pooled value of one number, as the plan asks for it, with a note wherever it cannot be so.

Notes count results and never name a site: a leaderboard may be shown without sites or under
pseudonyms.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from medperf.analysis import pooling
from medperf.analysis.estimates import Estimate, Interval, clip
from medperf.analysis.heterogeneity import Heterogeneity, heterogeneity
from medperf.analysis.site_results import Contribution, in_range
from medperf.analysis.site_summary import SiteSummary
from medperf.domain.benchmarks import AnalysisPlan, PlannedMetric, Pooling

ONE_ALONE = "of one result alone, which a policy of pooled figures does not show"
IN_PART = "over a part of the results, which together with the whole would show single ones"


@dataclass(frozen=True, slots=True)
class Sight:
    """How much of the sites may be seen: each one's figures, or pooled ones only."""

    with_sites: bool

    def allows(self, contributions: Sequence[Contribution]) -> bool:
        """Whether a figure over these may be seen.

        Pooled with nothing, or with the viewer's own figures only, a site's figure is its own.
        """
        others = {each.dataset_id for each in contributions if not each.result.is_own}
        return self.with_sites or len(others) != 1


@dataclass(frozen=True, slots=True)
class Pooled:
    """A number over datasets, with the weight of each, which sum to 1."""

    estimate: Estimate
    weights: tuple[float, ...]
    heterogeneity: Heterogeneity | None = None
    prediction: Interval | None = None
    notes: tuple[str, ...] = ()


def pool(
    contributions: Sequence[Contribution], metric: PlannedMetric, plan: AnalysisPlan
) -> Pooled | None:
    """Pool what datasets say about a number; None where there is nothing.

    Where random effects are planned but a standard error is absent or 0, cases are weighted
    instead: the method of the estimate and a note say so.
    """
    if not contributions:
        return None
    sites = [each.summary for each in contributions]
    differ = _heterogeneity(sites)
    if plan.pooling is Pooling.CASE_WEIGHTED:
        return replace(_by_cases(sites, metric, plan.level), heterogeneity=differ)
    n_without = sum(not site.standard_error for site in sites)
    if n_without:
        note = f"pooled by cases: {_of(n_without, sites)} gave no standard error above 0"
        by_cases = _by_cases(sites, metric, plan.level)
        return replace(by_cases, notes=(note, *by_cases.notes))
    found = pooling.random_effects(sites, plan.level)
    return Pooled(
        in_range(found.estimate, metric),
        found.weights,
        differ,
        None if found.prediction is None else clip(found.prediction, metric.lower, metric.upper),
    )


def _by_cases(sites: Sequence[SiteSummary], metric: PlannedMetric, level: float) -> Pooled:
    n_without = sum(site.standard_error is None for site in sites)
    if n_without and all(site.replicates is not None for site in sites):
        drawn = pooling.case_weighted_replicates(sites, level)
        return Pooled(drawn.estimate, drawn.weights)
    found = pooling.case_weighted(sites, level, lower=metric.lower, upper=metric.upper)
    estimate = in_range(found.estimate, metric)
    notes: tuple[str, ...] = ()
    if n_without:
        notes = (f"no interval: {_of(n_without, sites)} gave no standard error",)
    elif not estimate.standard_error:
        estimate = replace(estimate, interval=None)
        notes = ("no interval: the values have no spread",)
    elif estimate.interval is None:
        notes = ("no interval: the value lies at an end of its range",)
    return Pooled(estimate, found.weights, notes=notes)


def _heterogeneity(sites: Sequence[SiteSummary]) -> Heterogeneity | None:
    errors = [site.standard_error for site in sites]
    if len(sites) < 2 or not all(errors):  # noqa: PLR2004
        return None
    values = np.array([site.value for site in sites])
    return heterogeneity(values, np.array(errors, dtype=np.float64) ** 2)


def _of(count: int, sites: Sequence[SiteSummary]) -> str:
    return f"{count} of {len(sites)} results"
