"""Two models of a benchmark against each other, as planned or, marked so, in another way."""

from medperf.analysis import comparison
from medperf.analysis.leaderboard import (
    comparison_record,
    overall_metrics,
    results_by_model,
    turned_around,
)
from medperf.analysis.paired import Compared, Line, compare_lines
from medperf.domain.benchmarks import AnalysisPlan, PlannedMetric
from medperf.domain.errors import InvalidRequestError, NotFoundError
from medperf.domain.leaderboards import Comparison
from medperf.server.benchmarks.leaderboard import board_of
from medperf.server.benchmarks.sight import Seen
from medperf.server.call import Call, Wire


def compare(
    call: Call,
    number: int,
    first: int,
    second: int,
    metric: str | None = None,
    margin: float | None = None,
) -> Wire:
    """Compare two models on the datasets that both ran on.

    With another metric than the primary one, or another margin than the plan's, the answer is
    exploratory.

    Raises:
        NotFoundError: if the caller sees nothing of one of the models in this benchmark.
        InvalidRequestError: if the plan has no such metric, or a model is compared with itself.
    """
    seen = Seen.of(call, number)
    names = {entry.model_id: entry.model for entry in seen.entries}
    for model in (first, second):
        if model not in names:
            raise NotFoundError(f"you see no model {model} in benchmark {number}")
    if first == second:
        raise InvalidRequestError("a model is compared with another one, not with itself")
    if margin is not None and margin < 0:
        raise InvalidRequestError(f"the margin is {margin}; give 0 or more")
    planned = _metric(seen.plan, metric)
    asked = seen.plan.margin if margin is None else margin
    if planned.name == seen.plan.primary and asked == seen.plan.margin:
        return _as_planned(seen, planned, (first, second), names).model_dump(mode="json")
    compared = _exploratory(seen, planned, (first, second), asked)
    return comparison_record(
        (first, second), compared, names, planned, asked, is_exploratory=True
    ).model_dump(mode="json")


def _metric(plan: AnalysisPlan, name: str | None) -> PlannedMetric:
    metrics = {metric.name: metric for metric in overall_metrics(plan)}
    if not metrics:
        raise InvalidRequestError("this benchmark declares no metric that models compare by")
    found = metrics.get(name or plan.primary or "")
    if found is None:
        raise InvalidRequestError(f"the plan's metrics are {', '.join(metrics)}, not {name!r}")
    return found


def _as_planned(
    seen: Seen, metric: PlannedMetric, pair: tuple[int, int], names: dict[int, str]
) -> Comparison:
    for found in board_of(seen).comparisons:
        if (found.first_id, found.second_id) == pair:
            return found
        if (found.second_id, found.first_id) == pair:
            return turned_around(found)
    note = "one of the two has no value that may be shown"
    nothing = Compared(None, 0, (), notes=(note,))
    return comparison_record(pair, nothing, names, metric, seen.plan.margin)


def _exploratory(
    seen: Seen, metric: PlannedMetric, pair: tuple[int, int], margin: float | None
) -> Compared:
    by_model = results_by_model(seen.plan, seen.results(set(pair)), pair)
    first, second = (Line.of(by_model[model].of(metric.name)) for model in pair)
    found = compare_lines(first, second, metric, seen.plan, seen.sight, margin=margin)
    if found.found is None:
        return found
    [alone] = comparison.adjusted(
        [found.found], direction=metric.direction, margin=margin or 0.0, level=seen.plan.level
    )
    return Compared(found.difference, found.n, found.datasets, alone, found.notes)
