"""Per-case values, which stay at the site: one row per case, also for those that failed."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medperf.components.evaluator.parameters import Parameters
from medperf.components.evaluator.tasks.base import Failure, Member


def write_cases(
    path: Path, members: Sequence[Member], outcomes: Sequence[Any], parameters: Parameters
) -> None:
    """Write ``cases.csv``.

    Columns: case, patient, one per subgroup, those of the task, then failure and its detail, which
    are empty for a usable prediction.
    """
    columns = parameters.task.columns()
    names = [subgroup.name for subgroup in parameters.cohort.subgroups]
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["case", "patient", *names, *columns, "failure", "detail"])
        for member, outcome in zip(members, outcomes, strict=True):
            who = [member.case, member.patient, *(member.subgroups[name] for name in names)]
            if isinstance(outcome, Failure):
                what = [*("" for _ in columns), outcome.reason, outcome.detail]
            else:
                what = [*parameters.task.cells(outcome), "", ""]
            writer.writerow([*who, *what])
