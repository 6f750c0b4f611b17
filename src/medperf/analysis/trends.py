"""A metric over versions: is the new version of a model, a dataset or a benchmark worse?

Versions that ran on the same patients are compared by paired replicates, others as independent
ones. An alarm is raised where a version is worse than the one before it for sure, all changes that
are looked at counted: the chance of even one false alarm in a trend stays below the plan's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from medperf.analysis.comparison import holm, independent_difference
from medperf.analysis.intervals import p_value
from medperf.analysis.paired import Line, compare_lines
from medperf.analysis.pooled_cells import ONE_ALONE, Sight, pool
from medperf.analysis.site_results import Contribution, interval_record
from medperf.domain.benchmarks import AnalysisPlan, Direction, PlannedMetric
from medperf.domain.leaderboards import TrendLine, TrendPoint


@dataclass(frozen=True, slots=True)
class Version:
    """One version of something, and what datasets say about a metric of it."""

    id: int | None
    version: int
    contributions: tuple[Contribution, ...]


def trend_line(
    line: TrendLine,
    versions: Sequence[Version],
    metric: PlannedMetric,
    plan: AnalysisPlan,
    sight: Sight,
    *,
    is_paired: bool,
) -> TrendLine:
    """The line with a point of each version, oldest first, not yet adjusted for being many.

    Args:
        line: what it is of, without points.
        versions: oldest first.
        metric: the plan's primary one.
        plan: how to pool, and at which level.
        sight: what may be seen.
        is_paired: whether versions are compared on the datasets they share; a dataset's own
            versions share none.
    """
    points = []
    for place, version in enumerate(versions):
        point = _point(version, metric, plan, sight)
        if place and point.value is not None:
            before = versions[place - 1]
            change = _paired if is_paired else _independent
            point = point.model_copy(update=change(version, before, metric, plan, sight))
        points.append(point)
    return line.model_copy(update={"points": tuple(points)})


def with_alarms(
    lines: Sequence[TrendLine], direction: Direction, level: float
) -> tuple[TrendLine, ...]:
    """The lines with p-values adjusted for all changes, and alarms by them."""
    p_values = [p.p_value for line in lines for p in line.points if p.p_value is not None]
    adjusted = iter(holm(p_values))
    sign = 1 if direction is Direction.HIGHER else -1

    def judged(point: TrendPoint) -> TrendPoint:
        if point.p_value is None or point.difference is None:
            return point
        p = next(adjusted)
        is_worse = p < 1 - level and sign * point.difference < 0
        return point.model_copy(update={"p_adjusted": p, "is_worse": is_worse})

    return tuple(
        line.model_copy(update={"points": tuple(judged(point) for point in line.points)})
        for line in lines
    )


def _point(version: Version, metric: PlannedMetric, plan: AnalysisPlan, sight: Sight) -> TrendPoint:
    found = version.contributions
    base = TrendPoint(id=version.id, version=version.version, value=None, n=0, n_sites=len(found))
    if not sight.allows(found):
        return base.model_copy(update={"notes": (ONE_ALONE,)})
    pooled = pool(found, metric, plan)
    if pooled is None:
        return base
    estimate = pooled.estimate
    return base.model_copy(
        update={
            "value": estimate.value,
            "n": estimate.n,
            "interval": interval_record(estimate.interval, estimate.method),
            "notes": pooled.notes,
        }
    )


def _paired(
    version: Version, before: Version, metric: PlannedMetric, plan: AnalysisPlan, sight: Sight
) -> dict[str, object]:
    now, then = Line.of(version.contributions), Line.of(before.contributions)
    compared = compare_lines(now, then, metric, plan, sight)
    found = compared.found
    if found is None:
        return {"difference": compared.difference, "notes": compared.notes}
    return {
        "difference": compared.difference,
        "difference_interval": interval_record(found.difference.interval, found.difference.method),
        "is_paired": True,
        "p_value": found.p_value,
        "notes": compared.notes,
    }


def _independent(
    version: Version, before: Version, metric: PlannedMetric, plan: AnalysisPlan, sight: Sight
) -> dict[str, object]:
    if not sight.allows(before.contributions):
        return {}
    now, then = (pool(each.contributions, metric, plan) for each in (version, before))
    if now is None or then is None:
        return {}
    difference = now.estimate.value - then.estimate.value
    if not now.estimate.standard_error or not then.estimate.standard_error:
        note = "no interval of the difference: a value has no standard error above 0"
        return {"difference": difference, "notes": (*now.notes, note)}
    found = independent_difference(now.estimate, then.estimate, plan.level)
    return {
        "difference": difference,
        "difference_interval": interval_record(found.interval, found.method),
        "p_value": p_value(found.value, found.standard_error or 0.0),
    }
