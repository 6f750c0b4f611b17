"""Trends: the primary metric over versions of models, of datasets, and of the benchmark itself.

A version is what it says it supersedes. Whatever the caller may not see of an earlier version is
not in the trend either: each version is looked at with that version's own release policy.
"""

from collections.abc import Mapping, Sequence

from medperf.analysis.leaderboard import planned_metric, results_by_model
from medperf.analysis.pooled_cells import Sight
from medperf.analysis.site_results import ModelResults, SiteResult
from medperf.analysis.trends import Version, trend_line, with_alarms
from medperf.domain.benchmarks import PlannedMetric
from medperf.domain.errors import NotFoundError
from medperf.domain.leaderboards import Trend, TrendLine
from medperf.server.benchmarks import queries
from medperf.server.benchmarks.sight import Seen, latest_facts
from medperf.server.call import Call, Wire

MOST_VERSIONS = 12
"""Versions of a benchmark that are looked at, the latest ones."""


def trend(call: Call, number: int) -> Wire:
    """The lines of a benchmark."""
    seen = _versions(call, number)
    latest = seen[-1]
    metric = planned_metric(latest.plan, latest.plan.primary)
    lines: tuple[TrendLine, ...] = ()
    if metric is not None:
        models, datasets = _model_versions(latest), _dataset_versions(latest)
        key = ("trend", *(each.key for each in seen), _digest(models), _digest(datasets))
        lines = call.server.remembered.answer(key, lambda: _lines(seen, metric, models, datasets))
    return Trend(
        benchmark_id=number,
        benchmark=latest.benchmark["name"],
        primary=latest.plan.primary,
        direction=None if metric is None else metric.direction.value,
        lines=lines,
        n_worse=sum(point.is_worse for line in lines for point in line.points),
        withheld_reason=latest.withheld_reason,
        as_of=call.now,
    ).model_dump(mode="json")


def _versions(call: Call, number: int) -> list[Seen]:
    """The benchmark and the versions before it that the caller may see, oldest first."""
    seen = [Seen.of(call, number, with_former=True)]
    while len(seen) < MOST_VERSIONS and (former := seen[-1].benchmark["supersedes_id"]):
        try:
            seen.append(Seen.of(call, former, with_former=True))
        except NotFoundError:
            break
    return seen[::-1]


def _model_versions(seen: Seen) -> list[list[Wire]]:
    shown = {entry.model_id for entry in seen.entries}
    models = queries.entered_models(seen.call.connection, seen.benchmark["id"])
    return _chains([model for model in models if model["id"] in shown])


def _dataset_versions(seen: Seen) -> list[list[Wire]]:
    """The versions of datasets whose own figures may be seen, under their site's shown name."""
    sites = {
        fact["dataset_id"]: fact
        for fact in seen.facts
        if seen.sight.with_sites or seen.is_own(fact)
    }
    found = queries.versions_of_datasets(seen.call.connection, sites) if sites else []
    for dataset in found:
        fact = sites[dataset["id"]]
        dataset["site"] = fact["site"]
        dataset["is_hidden"] = seen.has_pseudonym(fact)
    return _chains(found)


def _chains(things: Sequence[Wire]) -> list[list[Wire]]:
    """Things that supersede each other, oldest first; what has no other version is left out."""
    numbers = {thing["id"] for thing in things}
    after = {thing["supersedes_id"]: thing for thing in things}
    chains = []
    for thing in things:
        if thing["supersedes_id"] in numbers:
            continue
        chain = [thing]
        while chain[-1]["id"] in after:
            chain.append(after[chain[-1]["id"]])
        if len(chain) > 1:
            chains.append(chain)
    return chains


def _digest(chains: Sequence[Sequence[Wire]]) -> tuple[object, ...]:
    return tuple(tuple(sorted(thing.items())) for chain in chains for thing in chain)


def _lines(
    seen: Sequence[Seen],
    metric: PlannedMetric,
    models: Sequence[Sequence[Wire]],
    datasets: Sequence[Sequence[Wire]],
) -> tuple[TrendLine, ...]:
    latest = seen[-1]
    every = [each.results() for each in seen]
    results = [_by_model(each, _latest(each, some)) for each, some in zip(seen, every, strict=True)]
    lines = [_of_model(chain, results[-1], metric, latest) for chain in models]
    with_former = _by_model(latest, every[-1])
    for chain in datasets:
        lines += _of_dataset(chain, with_former, metric, latest)
    if len(seen) > 1:
        lines += _of_benchmark(seen, results, metric)
    return with_alarms(lines, metric.direction, latest.plan.level)


def _by_model(seen: Seen, results: Sequence[SiteResult]) -> Mapping[int, ModelResults]:
    return results_by_model(seen.plan, results, (entry.model_id for entry in seen.entries))


def _latest(seen: Seen, results: Sequence[SiteResult]) -> list[SiteResult]:
    """Without former versions of datasets, whose patients would count twice."""
    kept = {(fact["model_id"], fact["dataset_id"]) for fact in latest_facts(seen.facts)}
    return [result for result in results if (result.model_id, result.dataset_id) in kept]


def _of_model(
    chain: Sequence[Wire], results: Mapping[int, ModelResults], metric: PlannedMetric, seen: Seen
) -> TrendLine:
    versions = [
        Version(model["id"], model["version"], results[model["id"]].of(metric.name))
        for model in chain
    ]
    line = TrendLine(kind="model", name=chain[-1]["name"], points=())
    return trend_line(line, versions, metric, seen.plan, seen.sight, is_paired=True)


def _of_dataset(
    chain: Sequence[Wire], results: Mapping[int, ModelResults], metric: PlannedMetric, seen: Seen
) -> list[TrendLine]:
    hidden = any(dataset["is_hidden"] for dataset in chain)
    lines = []
    for entry in seen.entries:
        found = {c.dataset_id: c for c in results[entry.model_id].of(metric.name)}
        versions = [
            Version(None if hidden else dataset["id"], dataset["version"], (found[dataset["id"]],))
            for dataset in chain
            if dataset["id"] in found
        ]
        if len(versions) > 1:
            line = TrendLine(
                kind="dataset",
                name=chain[-1]["site"] if hidden else chain[-1]["name"],
                model_id=entry.model_id,
                model=entry.model,
                site=chain[-1]["site"],
                points=(),
            )
            lines.append(trend_line(line, versions, metric, seen.plan, seen.sight, is_paired=False))
    return lines


def _of_benchmark(
    seen: Sequence[Seen], results: Sequence[Mapping[int, ModelResults]], metric: PlannedMetric
) -> list[TrendLine]:
    """One line of each model that took part in two versions that score by this metric."""
    latest = seen[-1]
    sight = Sight(with_sites=all(each.sight.with_sites for each in seen))
    lines = []
    for entry in latest.entries:
        versions = [
            Version(
                each.benchmark["id"],
                each.benchmark["version"],
                found[entry.model_id].of(metric.name),
            )
            for each, found in zip(seen, results, strict=True)
            if entry.model_id in found and planned_metric(each.plan, metric.name) is not None
        ]
        if len([version for version in versions if version.contributions]) > 1:
            line = TrendLine(
                kind="benchmark",
                name=latest.benchmark["name"],
                model_id=entry.model_id,
                model=entry.model,
                points=(),
            )
            lines.append(trend_line(line, versions, metric, latest.plan, sight, is_paired=True))
    return lines
