"""The per-case table, which stays at the site: one row per case, also for those that failed."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from medperf.analysis.metrics.definition import Missing
from medperf.components.evaluator.parameters import Parameters
from medperf.components.evaluator.tasks.base import CaseColumns, Failure, Member
from medperf.domain.case_table import CASE, DETAIL, FAILURE, PATIENT, columns_of


def write_cases(
    path: Path, members: Sequence[Member], outcomes: Sequence[Any], parameters: Parameters
) -> None:
    """Write ``cases.csv``.

    Columns: case, patient, one per subgroup, those of the task, those of the metrics with evidence,
    then failure and its detail, which are empty for a usable prediction.
    """
    task, variables = parameters.task, parameters.cohort.subgroups
    usable = [outcome for outcome in outcomes if not isinstance(outcome, Failure)]
    evidence = dict(_evidence(task.collect(usable), parameters, len(usable)))
    rows = zip(*evidence.values(), strict=True) if evidence else iter([()] * len(usable))
    own = [*task.columns(), *evidence]
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([CASE, PATIENT, *(each.name for each in variables), *own, FAILURE, DETAIL])
        for member, outcome in zip(members, outcomes, strict=True):
            who = [member.case, member.patient, *(member.subgroups[v.name] for v in variables)]
            if isinstance(outcome, Failure):
                what = [*("" for _ in own), outcome.reason, outcome.detail]
            else:
                what = [*task.cells(outcome), *map(_cell, next(rows)), "", ""]
            writer.writerow([*who, *what])


def _evidence(
    group: Any, parameters: Parameters, n: int
) -> Iterator[tuple[str, Sequence[float | str | Missing]]]:
    task = parameters.task
    for metric in parameters.metrics:
        form = task.definition(metric.name).evidence
        for label in (None, *task.labels) if metric.per_class else (None,):
            if form is None:
                continue
            names = columns_of(metric.name, form, label)
            found: CaseColumns | None = task.evidence(group, metric.name, label)
            reason = task.estimate(group, metric.name, label).missing
            if found is None and reason is not None:
                found = ([reason] * n,) * len(names)
            # A mean over classes has a value and no columns: it follows from those of the classes.
            if found is not None:
                yield from zip(names, found, strict=True)


def _cell(value: float | str | Missing) -> str:
    if isinstance(value, Missing):
        return value.value
    if isinstance(value, str):
        return value
    return "" if value != value else repr(float(value))  # noqa: PLR0124  (not a number)
