"""From the typed results of many sites to one ordered table of models.

The pooled value of a metric is the mean over sites weighted by the cases it was computed from. A
model is ranked by the pooled value of the plan's primary metric; equal to the metric's decimals is
a tie, and ties share the better rank (1, 1, 3). Nothing drops out of sight: a model without results
keeps its row, and missing results, failed cases and failed executions are counted in it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from medperf.domain.benchmarks import AnalysisPlan, Direction, PlannedMetric
from medperf.domain.leaderboards import LeaderboardCell, LeaderboardRow, SiteEstimate
from medperf.domain.results import MetricEstimate, TypedResult


@dataclass(frozen=True, slots=True)
class Entry:
    """A model that takes part.

    Attributes:
        n_expected: datasets that take part, each of which should have a result.
        n_failed_executions: executions that failed and were not retried.
    """

    model_id: int
    model: str
    organization: str
    n_expected: int
    n_failed_executions: int = 0


@dataclass(frozen=True, slots=True)
class SiteResult:
    """A result with the name under which its site is shown; no document for a free-form one."""

    model_id: int
    site: str
    document: TypedResult | None


@dataclass(slots=True)
class _Row:
    entry: Entry
    results: list[SiteResult]
    cells: tuple[LeaderboardCell, ...] = field(default=())


def overall_metrics(plan: AnalysisPlan) -> tuple[PlannedMetric, ...]:
    """The planned metrics that have one value over all cases, the primary one first."""
    metrics = [metric for metric in plan.metrics if not metric.per_class]
    return tuple(sorted(metrics, key=lambda metric: metric.name != plan.primary))


def leaderboard_rows(
    plan: AnalysisPlan,
    entries: Iterable[Entry],
    results: Sequence[SiteResult],
    *,
    with_sites: bool,
) -> tuple[LeaderboardRow, ...]:
    """Order the models, best first, those without the primary metric last.

    Args:
        plan: names the metrics, the primary one, and which way is better.
        entries: every model that takes part.
        results: the results that may be shown.
        with_sites: whether each site's own value may be shown.
    """
    metrics = overall_metrics(plan)
    by_model: dict[int, list[SiteResult]] = {}
    for result in results:
        by_model.setdefault(result.model_id, []).append(result)
    rows = [_Row(entry, by_model.get(entry.model_id, [])) for entry in entries]
    for row in rows:
        row.cells = tuple(_cell(metric, row.results, with_sites) for metric in metrics)
    primary = next((metric for metric in metrics if metric.name == plan.primary), None)
    ranked = _ranked(rows, primary)
    return tuple(_record(row, rank) for row, rank in ranked)


def pooled(estimates: Sequence[MetricEstimate]) -> float | None:
    """The mean of estimates weighted by their cases; None if there are no cases."""
    n = sum(estimate.n for estimate in estimates)
    if not n:
        return None
    return math.fsum(estimate.value * (estimate.n / n) for estimate in estimates)


def _cell(
    metric: PlannedMetric, results: Sequence[SiteResult], with_sites: bool
) -> LeaderboardCell:
    found = [
        (result.site, estimate)
        for result in results
        if (estimate := _overall(metric.name, result.document)) is not None
    ]
    estimates = [estimate for _, estimate in found]
    return LeaderboardCell(
        metric=metric.name,
        value=pooled(estimates),
        n=sum(estimate.n for estimate in estimates),
        sites=tuple(
            SiteEstimate(site=site, value=estimate.value, n=estimate.n) for site, estimate in found
        )
        if with_sites
        else (),
    )


def _overall(name: str, document: TypedResult | None) -> MetricEstimate | None:
    if document is None:
        return None
    return next(
        (
            estimate
            for estimate in document.metrics
            if estimate.name == name and not estimate.subgroup and estimate.class_label is None
        ),
        None,
    )


def _ranked(rows: Sequence[_Row], primary: PlannedMetric | None) -> list[tuple[_Row, int | None]]:
    if primary is None:
        return [(row, None) for row in rows]
    sign = -1 if primary.direction is Direction.HIGHER else 1
    valued: list[tuple[float, _Row]] = []
    rest: list[tuple[_Row, int | None]] = []
    for row in rows:
        value = _value(row.cells, primary.name)
        if value is None:
            rest.append((row, None))
        else:
            valued.append((sign * round(value, primary.decimals), row))
    valued.sort(key=lambda pair: (pair[0], pair[1].entry.model_id))
    ranked: list[tuple[_Row, int | None]] = []
    for position, (value, row) in enumerate(valued):
        is_tie = position > 0 and valued[position - 1][0] == value
        ranked.append((row, ranked[-1][1] if is_tie else position + 1))
    return ranked + rest


def _value(cells: Iterable[LeaderboardCell], name: str) -> float | None:
    values: Mapping[str, float | None] = {cell.metric: cell.value for cell in cells}
    return values.get(name)


def _record(row: _Row, rank: int | None) -> LeaderboardRow:
    documents = [result.document for result in row.results if result.document is not None]
    return LeaderboardRow(
        rank=rank,
        model_id=row.entry.model_id,
        model=row.entry.model,
        organization=row.entry.organization,
        cells=row.cells,
        n_results=len(row.results),
        n_missing=max(0, row.entry.n_expected - len(row.results)),
        n_cases=sum(document.n_cases for document in documents),
        n_failed_cases=sum(document.n_failed for document in documents),
        n_failed_executions=row.entry.n_failed_executions,
    )
