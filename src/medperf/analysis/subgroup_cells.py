"""The subgroups of one cell of a leaderboard: estimates, gaps, and the standardized value."""

from dataclasses import dataclass

from medperf.analysis.estimates import Estimate
from medperf.analysis.pooled_cells import Sight, pool
from medperf.analysis.site_results import ModelResults, interval_record
from medperf.analysis.subgroups import effective_cases, gap, standardize
from medperf.domain.benchmarks import AnalysisPlan, PlannedMetric, PlannedSubgroup
from medperf.domain.case_table import Evidence
from medperf.domain.errors import InestimableError
from medperf.domain.leaderboards import Standardized, SubgroupEstimate, SubgroupGap


@dataclass(frozen=True, slots=True)
class SubgroupParts:
    """What the planned subgroups add to a cell."""

    subgroups: tuple[SubgroupEstimate, ...] = ()
    gaps: tuple[SubgroupGap, ...] = ()
    standardized: tuple[Standardized, ...] = ()
    notes: tuple[str, ...] = ()


def subgroup_parts(
    results: ModelResults,
    metric: PlannedMetric,
    class_label: str | None,
    plan: AnalysisPlan,
    sight: Sight,
) -> SubgroupParts:
    """Estimate every planned subgroup that a result says something about."""
    subgroups: list[SubgroupEstimate] = []
    gaps: list[SubgroupGap] = []
    standardized: list[Standardized] = []
    notes: list[str] = []
    for planned in plan.subgroups:
        shown, estimates = _estimates(results, metric, class_label, (plan, planned), sight)
        subgroups += shown
        gaps += _gap(planned, estimates, metric, plan.level)
        if planned.population is not None and shown:
            found = _standardized(planned, planned.population, estimates, metric, plan.level)
            if isinstance(found, str):
                notes.append(f"not standardized by {planned.name}: {found}")
            else:
                standardized.append(found)
    return SubgroupParts(tuple(subgroups), tuple(gaps), tuple(standardized), tuple(notes))


def _estimates(
    results: ModelResults,
    metric: PlannedMetric,
    class_label: str | None,
    planned: tuple[AnalysisPlan, PlannedSubgroup],
    sight: Sight,
) -> tuple[list[SubgroupEstimate], dict[str, Estimate]]:
    plan, variable = planned
    shown: list[SubgroupEstimate] = []
    estimates: dict[str, Estimate] = {}
    for value in variable.values:
        cell = (variable.name, value)
        found = results.of(metric.name, class_label, cell)
        n_suppressed = results.n_suppressed(metric.name, class_label, cell)
        pooled = pool(found, metric, plan) if sight.allows(found) else None
        if pooled is not None:
            estimates[value] = pooled.estimate
        if found or n_suppressed:
            shown.append(
                SubgroupEstimate(
                    variable=variable.name,
                    subgroup=value,
                    value=None if pooled is None else pooled.estimate.value,
                    n=0 if pooled is None else pooled.estimate.n,
                    n_sites=len(found),
                    n_suppressed=n_suppressed,
                    interval=None
                    if pooled is None
                    else interval_record(pooled.estimate.interval, pooled.estimate.method),
                )
            )
    return shown, estimates


def _gap(
    planned: PlannedSubgroup, estimates: dict[str, Estimate], metric: PlannedMetric, level: float
) -> list[SubgroupGap]:
    found = gap(estimates, direction=metric.direction, level=level)
    if found is None:
        return []
    difference = found.difference
    return [
        SubgroupGap(
            variable=planned.name,
            better=found.better,
            worse=found.worse,
            difference=difference.value,
            interval=interval_record(difference.interval, difference.method),
        )
    ]


def _standardized(
    planned: PlannedSubgroup,
    population: dict[str, float],
    estimates: dict[str, Estimate],
    metric: PlannedMetric,
    level: float,
) -> Standardized | str:
    """The standardized value, or why there is none."""
    if metric.evidence is not Evidence.MEAN:
        return "the metric is not known to be a mean over cases"
    try:
        found = standardize(estimates, population, level)
        n = effective_cases({name: each.n for name, each in estimates.items()}, population)
    except InestimableError as error:
        return error.detail
    return Standardized(
        variable=planned.name,
        value=found.value,
        n_effective=n,
        interval=interval_record(found.interval, found.method),
    )
