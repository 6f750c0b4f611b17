"""The per-case table of an evaluator: what a site recomputes metrics from, column by column.

An evaluator leaves ``cases.csv`` in its local outputs: one row per case, also for those that
failed, with the columns ``case``, ``patient``, one per subgroup variable of the plan, ``failure``
(empty for a usable prediction), and for every metric with evidence the columns named here. It never
leaves the hospital. Standard library only: evaluators carry this module with them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

FILE_NAME = "cases.csv"
CASE, PATIENT, FAILURE, DETAIL = "case", "patient", "failure", "detail"


class Evidence(StrEnum):
    """How a metric follows from columns of the per-case table; ``columns_of`` names them."""

    MEAN = "mean"  # of `<metric>`
    RATIO = "ratio"  # of the sums of `<metric>:numerator` and `<metric>:denominator`
    AUROC = "auroc"  # of `<metric>:positive` (0 or 1) and `<metric>:score`
    CONCORDANCE = "concordance"  # of `<metric>:time`, `:weight` (0: no event) and `:risk`


_PARTS: Mapping[Evidence, tuple[str, ...]] = {
    Evidence.MEAN: ("",),
    Evidence.RATIO: (":numerator", ":denominator"),
    Evidence.AUROC: (":positive", ":score"),
    Evidence.CONCORDANCE: (":time", ":weight", ":risk"),
}


def columns_of(metric: str, evidence: Evidence, class_label: str | None = None) -> tuple[str, ...]:
    """The columns of a metric, of one class with its label in brackets: ``f1[edema]:numerator``.

    A cell holds a number. It is empty, or names a reason of a missing estimate, where the case does
    not count towards the metric; then it does so in all columns of the metric.
    """
    name = metric if class_label is None else f"{metric}[{class_label}]"
    return tuple(name + part for part in _PARTS[evidence])


@dataclass(frozen=True, slots=True)
class CaseTable:
    """A per-case table that was read and checked; everything is in the order of its rows.

    Attributes:
        cases: the name of each case, each once.
        patients: the patient of each case, also of those that failed.
        usable: whether each case has a usable prediction.
        subgroups: the value of each variable for each case.
        columns: numbers by column name, NaN where a case does not count.
    """

    cases: tuple[str, ...]
    patients: tuple[str, ...]
    usable: Sequence[bool]
    subgroups: Mapping[str, tuple[str, ...]]
    columns: Mapping[str, Sequence[float]]
