"""From the typed results of many sites to one ordered table of models, and what is sure of it.

Nothing drops out of sight: a model without results keeps its row, and missing results, failed
cases and failed executions are counted in it. The same results and plan give the same numbers, on
the server and wherever somebody checks them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from medperf.analysis.cells import cells_of, cost_of
from medperf.analysis.comparison import Verdict
from medperf.analysis.paired import Compared, Line
from medperf.analysis.pooled_cells import Sight
from medperf.analysis.site_results import ModelResults, SiteResult, interval_record
from medperf.analysis.standings import Standings, agreement, standings
from medperf.domain.benchmarks import AnalysisPlan, PlannedMetric
from medperf.domain.leaderboards import (
    Comparison,
    LeaderboardCell,
    LeaderboardRow,
    Stability,
)


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
    version: int = 1


@dataclass(frozen=True, slots=True)
class Board:
    """What a leaderboard computes from results."""

    rows: tuple[LeaderboardRow, ...]
    comparisons: tuple[Comparison, ...]
    stability: Stability | None
    rank_method: str | None


def overall_metrics(plan: AnalysisPlan) -> tuple[PlannedMetric, ...]:
    """The planned metrics that have one value over all cases, the primary one first."""
    metrics = [metric for metric in plan.metrics if not metric.per_class]
    return tuple(sorted(metrics, key=lambda metric: metric.name != plan.primary))


def planned_metric(plan: AnalysisPlan, name: str | None) -> PlannedMetric | None:
    """The metric of this name with one value over all cases; None if the plan has none."""
    return next((metric for metric in overall_metrics(plan) if metric.name == name), None)


def results_by_model(
    plan: AnalysisPlan, results: Iterable[SiteResult], models: Iterable[int]
) -> dict[int, ModelResults]:
    """The results of each of these models."""
    sorted_out: dict[int, list[SiteResult]] = {number: [] for number in models}
    for result in results:
        if result.model_id in sorted_out:
            sorted_out[result.model_id].append(result)
    return {number: ModelResults(plan, some) for number, some in sorted_out.items()}


def build_board(
    plan: AnalysisPlan, entries: Sequence[Entry], results: Sequence[SiteResult], sight: Sight
) -> Board:
    """Order the models, best first, those without the primary metric last.

    Args:
        plan: names the metrics, the primary one, which way is better, and how to pool.
        entries: every model that takes part.
        results: the results that may be shown; of two for one model and dataset the last counts.
        sight: whether each site's own figures may be shown.
    """
    by_model = results_by_model(plan, results, (entry.model_id for entry in entries))
    per_class = [metric for metric in plan.metrics if metric.per_class]
    cells = {
        number: tuple(
            cell
            for metric in (*overall_metrics(plan), *per_class)
            for cell in cells_of(found, metric, plan, sight)
        )
        for number, found in by_model.items()
    }
    primary = planned_metric(plan, plan.primary)
    stand = Standings({})
    stability = None
    if primary is not None:
        values = _values(cells, primary.name)
        lines = {number: Line.of(by_model[number].of(primary.name)) for number in values}
        stand = standings(values, lines, primary, plan, sight)
        stability = _with_agreement(stand.stability, cells, plan, primary)
    order = sorted(
        entries,
        key=lambda entry: (stand.ranks.get(entry.model_id, len(entries) + 1), entry.model_id),
    )
    names = {entry.model_id: entry.model for entry in entries}
    return Board(
        rows=tuple(
            _row(entry, by_model[entry.model_id], cells[entry.model_id], stand, sight)
            for entry in order
        ),
        comparisons=tuple(
            comparison_record(pair, each, names, primary, plan.margin)
            for pair, each in stand.compared.items()
            if primary is not None
        ),
        stability=stability,
        rank_method=stand.method,
    )


def comparison_record(
    pair: tuple[int, int],
    compared: Compared,
    names: Mapping[int, str],
    metric: PlannedMetric,
    margin: float | None,
    *,
    is_exploratory: bool = False,
) -> Comparison:
    """A comparison as it travels; an exploratory one is not adjusted, as nobody knows for what."""
    found = compared.found
    verdicts = (
        (Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE)
        if found is None
        else (found.verdict, found.verdict_of_second)
    )
    return Comparison(
        metric=metric.name,
        first_id=pair[0],
        second_id=pair[1],
        first=names[pair[0]],
        second=names[pair[1]],
        difference=compared.difference,
        n=compared.n,
        n_sites=len(compared.datasets),
        interval=None
        if found is None
        else interval_record(found.difference.interval, found.difference.method),
        p_value=None if found is None else found.p_value,
        p_adjusted=None if found is None or is_exploratory else found.p_adjusted,
        verdict=verdicts[0].value,
        verdict_of_second=verdicts[1].value,
        margin=margin,
        is_exploratory=is_exploratory,
        notes=compared.notes,
    )


def turned_around(found: Comparison) -> Comparison:
    """The same comparison, the other model first."""
    interval = found.interval
    return found.model_copy(
        update={
            "first_id": found.second_id,
            "second_id": found.first_id,
            "first": found.second,
            "second": found.first,
            "difference": None if found.difference is None else -found.difference,
            "interval": None
            if interval is None
            else interval.model_copy(update={"lower": -interval.upper, "upper": -interval.lower}),
            "verdict": found.verdict_of_second,
            "verdict_of_second": found.verdict,
        }
    )


def _with_agreement(
    stability: Stability | None,
    cells: Mapping[int, Sequence[LeaderboardCell]],
    plan: AnalysisPlan,
    primary: PlannedMetric,
) -> Stability | None:
    if stability is None:
        return None
    metrics = overall_metrics(plan)
    found = agreement(
        {metric.name: _values(cells, metric.name) for metric in metrics},
        {metric.name: metric.direction for metric in metrics},
        primary.name,
    )
    return stability.model_copy(update={"agreement": found})


def _values(cells: Mapping[int, Sequence[LeaderboardCell]], metric: str) -> dict[int, float]:
    return {
        number: each.value
        for number, some in cells.items()
        for each in some
        if each.metric == metric and each.class_label is None and each.value is not None
    }


def _row(
    entry: Entry,
    results: ModelResults,
    cells: tuple[LeaderboardCell, ...],
    stand: Standings,
    sight: Sight,
) -> LeaderboardRow:
    number = entry.model_id
    documents = [each.document for each in results.results if each.document is not None]
    ranked = stand.ranked.get(number)
    return LeaderboardRow(
        rank=stand.ranks.get(number),
        model_id=number,
        model=entry.model,
        version=entry.version,
        organization=entry.organization,
        cells=cells,
        n_results=len(results.results),
        n_missing=max(0, entry.n_expected - len(results.results)),
        n_cases=sum(document.n_cases for document in documents),
        n_failed_cases=sum(document.n_failed for document in documents),
        n_failed_executions=entry.n_failed_executions,
        rank_from=None if ranked is None else ranked.rank_from,
        rank_to=None if ranked is None else ranked.rank_to,
        tie_group=None if ranked is None else ranked.tie_group,
        share_first=stand.first.get(number),
        cost=cost_of(results, sight),
    )
