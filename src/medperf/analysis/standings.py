"""How the models of a leaderboard stand: ranks, who is better for sure, and how much is chance.

A rank is by the value that is shown; equal to the metric's decimals is a tie, and ties share the
better rank. Which ranks the data do not exclude follows from the adjusted comparisons of all pairs
over the datasets that both ran on, as Mogstad and others 2024 make them of simultaneous intervals
(doi:10.1093/restud/rdad006): no rank interval contradicts a comparison on the same page. A pair
without paired replicates is never decided, so that missing numbers widen rank intervals and never
narrow them.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from medperf.analysis import comparison, ranking
from medperf.analysis.estimates import Bools, Floats
from medperf.analysis.paired import Compared, Line, compare_lines, paired_datasets, paired_error
from medperf.analysis.pooled_cells import Sight
from medperf.analysis.ranking import RankedModel
from medperf.analysis.stability import METHOD as DRAWS
from medperf.analysis.stability import rank_stability
from medperf.domain.benchmarks import AnalysisPlan, Direction, PlannedMetric
from medperf.domain.errors import InestimableError
from medperf.domain.leaderboards import Stability

_FEWEST = 2
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Standings:
    """What is known of the order of models, by their numbers.

    Attributes:
        ranks: of every model with a value.
        ranked: with intervals and tie groups; empty where no pair could be compared.
        compared: every pair of models with results, in order.
        first: the share of draws in which a model comes first.
        method: how rank intervals were made; None without any.
    """

    ranks: Mapping[int, int]
    ranked: Mapping[int, RankedModel] = field(default_factory=dict)
    compared: Mapping[Pair, Compared] = field(default_factory=dict)
    first: Mapping[int, float] = field(default_factory=dict)
    stability: Stability | None = None
    method: str | None = None


def standings(
    values: Mapping[int, float],
    lines: Mapping[int, Line],
    metric: PlannedMetric,
    plan: AnalysisPlan,
    sight: Sight,
) -> Standings:
    """Order the models.

    Args:
        values: the value shown of each model that has one.
        lines: what each of these models' datasets say.
        metric: the plan's primary one.
        plan: the analysis plan.
        sight: what may be seen.
    """
    rounded = {number: round(value, metric.decimals) for number, value in values.items()}
    ranks = _ranks(rounded, metric.direction)
    numbers = sorted(values)
    if len(numbers) < _FEWEST:
        return Standings(ranks)
    compared = _compare_all(numbers, lines, metric, plan, sight)
    stability, first = _stability(rounded, lines, compared, metric, plan, sight)
    if not any(each.found for each in compared.values()):
        return Standings(ranks, {}, compared, first, stability)
    better = _better(numbers, compared, metric, plan)
    named = {_name(number): value for number, value in rounded.items()}
    ranked = {int(each.model): each for each in ranking.ranked(named, better, metric.direction)}
    return Standings(ranks, ranked, compared, first, stability, ranking.BY_COMPARISONS)


def agreement(
    values: Mapping[str, Mapping[int, float]], directions: Mapping[str, Direction], primary: str
) -> dict[str, float]:
    """Kendall's tau between the orders by the primary and by each other metric.

    Over the models that have both values; a metric that fewer than two have both of is left out.
    """
    found = {}
    for metric, by_model in values.items():
        both = sorted(by_model.keys() & values.get(primary, {}).keys())
        if metric == primary or len(both) < _FEWEST:
            continue
        mine = {
            name: {str(number): values[name][number] for number in both}
            for name in (primary, metric)
        }
        [tau] = ranking.metric_agreement(mine, directions).values()
        found[metric] = tau
    return found


def _name(number: int) -> str:
    """Names sort as numbers do."""
    return f"{number:020d}"


def _ranks(values: Mapping[int, float], direction: Direction) -> dict[int, int]:
    sign = 1 if direction is Direction.HIGHER else -1
    return {
        number: 1 + sum(sign * other > sign * value for other in values.values())
        for number, value in values.items()
    }


def _compare_all(
    numbers: Sequence[int],
    lines: Mapping[int, Line],
    metric: PlannedMetric,
    plan: AnalysisPlan,
    sight: Sight,
) -> dict[Pair, Compared]:
    found = {
        (one, other): compare_lines(
            lines[one], lines[other], metric, plan, sight, margin=plan.margin
        )
        for one, other in itertools.combinations(numbers, 2)
    }
    decided = [pair for pair, each in found.items() if each.found is not None]
    adjusted = comparison.adjusted(
        [each.found for each in found.values() if each.found is not None],
        direction=metric.direction,
        margin=plan.margin or 0.0,
        level=plan.level,
    )
    for pair, each in zip(decided, adjusted, strict=True):
        before = found[pair]
        found[pair] = Compared(before.difference, before.n, before.datasets, each, before.notes)
    return found


def _better(
    numbers: Sequence[int],
    compared: Mapping[Pair, Compared],
    metric: PlannedMetric,
    plan: AnalysisPlan,
) -> Bools:
    place = {number: i for i, number in enumerate(numbers)}
    better = np.zeros((len(numbers), len(numbers)), dtype=bool)
    sign = 1 if metric.direction is Direction.HIGHER else -1
    for (one, other), each in compared.items():
        if each.found is not None and each.found.p_adjusted < 1 - plan.level:
            won = sign * each.found.difference.value > 0
            better[(place[one], place[other]) if won else (place[other], place[one])] = True
    return better


def _stability(
    values: Mapping[int, float],
    lines: Mapping[int, Line],
    compared: Mapping[Pair, Compared],
    metric: PlannedMetric,
    plan: AnalysisPlan,
    sight: Sight,
) -> tuple[Stability, dict[int, float]]:
    numbers = sorted(values)
    datasets = paired_datasets([lines[number] for number in numbers])
    if not datasets:
        return Stability(notes=("no dataset has paired replicates of all ranked models",)), {}
    some = lines[numbers[0]].contributions
    if not sight.allows([some[number] for number in datasets]):
        return Stability(notes=("only one dataset has replicates of all ranked models",)), {}
    named = {_name(number): value for number, value in values.items()}
    try:
        errors, degrees = _errors(numbers, datasets, lines, compared, metric, plan)
        found = rank_stability(named, errors, degrees=degrees, direction=metric.direction)
    except InestimableError as error:
        return Stability(n_sites=len(datasets), notes=(error.detail,)), {}
    stability = Stability(
        tau=found.tau,
        tau_lower=found.tau_lower,
        tau_upper=found.tau_upper,
        n_sites=len(datasets),
        method=DRAWS,
    )
    return stability, {int(name): share for name, share in found.first.items()}


def _errors(
    numbers: Sequence[int],
    datasets: tuple[int, ...],
    lines: Mapping[int, Line],
    compared: Mapping[Pair, Compared],
    metric: PlannedMetric,
    plan: AnalysisPlan,
) -> tuple[Floats, float | None]:
    """Errors of all differences over some datasets; the fewest degrees of freedom of any."""
    place = {number: i for i, number in enumerate(numbers)}
    errors = np.zeros((len(numbers), len(numbers)))
    degrees = []
    for (one, other), each in compared.items():
        if each.found is not None and each.datasets == datasets:
            error, free = each.found.difference.standard_error or 0.0, each.found.degrees
        else:
            error, free = paired_error(lines[one], lines[other], datasets, metric, plan)
        i, j = place[one], place[other]
        errors[i, j] = errors[j, i] = error
        degrees += [] if free is None else [free]
    return errors, min(degrees, default=None)
