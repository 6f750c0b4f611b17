"""Estimates: the metrics over all cases and each subgroup, as a ``medperf.results/v1`` document."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from medperf.analysis.metrics.classification import ClassifiedCases, value_of
from medperf.analysis.metrics.definition import MetricValue
from medperf.components.evaluator.matching import Case, Prediction, arrays
from medperf.components.evaluator.parameters import Parameters

SCHEMA = "medperf.results/v1"


def estimate(
    cases: list[Case], parameters: Parameters, say: Callable[[str], None]
) -> dict[str, Any]:
    """Compute every wanted number. ``say`` is told after each metric.

    A number that cannot be computed stands under ``missing`` with its reason.
    """
    usable = [case for case in cases if isinstance(case.outcome, Prediction)]
    everyone = arrays(usable, parameters)
    groups = list(_groups(usable, everyone, parameters))
    metrics: list[dict[str, Any]] = []
    missing: list[dict[str, Any]] = []
    for number, metric in enumerate(parameters.metrics, start=1):
        labels = (None, *parameters.classes) if metric.per_class else (None,)
        for subgroup, members in groups:
            for label in labels:
                found = value_of(metric.name, members, label)
                entry = _entry(metric.name, found, subgroup, label)
                (missing if found.value is None else metrics).append(entry)
        say(f"computed {metric.name} ({number} of {len(parameters.metrics)})")
    document = {
        "schema": SCHEMA,
        "n_cases": len(cases),
        "n_failed": len(cases) - len(usable),
        "metrics": metrics,
    }
    return {**document, "missing": missing} if missing else document


def _groups(
    usable: list[Case], everyone: ClassifiedCases, parameters: Parameters
) -> Iterator[tuple[dict[str, str] | None, ClassifiedCases]]:
    yield None, everyone
    for subgroup in parameters.subgroups:
        column = [case.subgroups[subgroup.name] for case in usable]
        for value in subgroup.values:
            chosen = np.array([cell == value for cell in column], dtype=np.bool_)
            yield {subgroup.name: value}, everyone.where(chosen)


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
