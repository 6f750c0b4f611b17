"""Estimates: the metrics over all cases and each subgroup, as a ``medperf.results/v1`` document."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from medperf.analysis.metrics.definition import MetricValue
from medperf.components.evaluator.parameters import Parameters
from medperf.components.evaluator.tasks.base import Failure, Member

SCHEMA = "medperf.results/v1"


def estimate(
    members: Sequence[Member],
    outcomes: Sequence[Any],
    parameters: Parameters,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Compute every wanted number. ``say`` is told after each metric.

    A number that cannot be computed stands under ``missing`` with its reason.
    """
    task = parameters.task
    usable = [
        (member, outcome)
        for member, outcome in zip(members, outcomes, strict=True)
        if not isinstance(outcome, Failure)
    ]
    whole = task.collect([outcome for _, outcome in usable])
    groups = [
        (name, whole if name is None else task.part(task.collect(evidence), whole))
        for name, evidence in _groups(usable, parameters)
    ]
    metrics: list[dict[str, Any]] = []
    missing: list[dict[str, Any]] = []
    for number, metric in enumerate(parameters.metrics, start=1):
        labels = (None, *task.labels) if metric.per_class else (None,)
        for subgroup, group in groups:
            for label in labels:
                found = task.estimate(group, metric.name, label)
                entry = _entry(metric.name, found, subgroup, label)
                (missing if found.value is None else metrics).append(entry)
        say(f"computed {metric.name} ({number} of {len(parameters.metrics)})")
    document = {
        "schema": SCHEMA,
        "n_cases": len(members),
        "n_failed": len(members) - len(usable),
        "metrics": metrics,
    }
    return {**document, "missing": missing} if missing else document


def _groups(
    usable: Sequence[tuple[Member, Any]], parameters: Parameters
) -> Iterator[tuple[dict[str, str] | None, list[Any]]]:
    yield None, [outcome for _, outcome in usable]
    for subgroup in parameters.cohort.subgroups:
        for value in subgroup.values:
            yield (
                {subgroup.name: value},
                [outcome for member, outcome in usable if member.subgroups[subgroup.name] == value],
            )


def _entry(
    name: str, found: MetricValue, subgroup: dict[str, str] | None, label: str | None
) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": name}
    if found.missing is not None:
        entry["reason"] = found.missing.value
    else:
        entry |= {"value": found.value, "n": found.n}
    if subgroup is not None:
        entry["subgroup"] = dict(subgroup)
    if label is not None:
        entry["class_label"] = label
    return entry
