"""The per-case table of an evaluator: what a site recomputes metrics from, column by column.

An evaluator leaves ``cases.csv`` in its local outputs: one row per case, also for those that
failed, with the columns ``case``, ``patient``, one per subgroup variable of the plan, ``failure``
(empty for a usable prediction), and for every metric with evidence the columns named here. It never
leaves the hospital. Standard library only: evaluators carry this module with them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

FILE_NAME = "cases.csv"
CASE, PATIENT, FAILURE, DETAIL = "case", "patient", "failure", "detail"


class Evidence(StrEnum):
    """How a metric follows from columns of the per-case table; ``columns_of`` names them."""

    MEAN = "mean"  # of `<metric>`
    RATIO = "ratio"  # of the sums of `<metric>:numerator` and `<metric>:denominator`
    AUROC = "auroc"  # of `<metric>:positive` (0 or 1) and `<metric>:score`
    CONCORDANCE = "concordance"  # of `<metric>:time`, `:weight` (0: no event) and `:risk`
    # Of `<metric>:positive` and `<metric>:score`; the level of the second two ends their name.
    AVERAGE_PRECISION = "average_precision"
    CALIBRATION_ERROR = "calibration_error"  # scores are probabilities
    SENSITIVITY_AT_SPECIFICITY = "sensitivity_at_specificity"
    SPECIFICITY_AT_SENSITIVITY = "specificity_at_sensitivity"
    # Of `<metric>:reference` and `<metric>:predicted`, which are numbers of classes from 0 on ...
    MATTHEWS_CORRELATION = "matthews_correlation"
    BALANCED_ACCURACY = "balanced_accuracy"
    # ... or the numbers themselves.
    R2 = "r2"
    PEARSON = "pearson"
    LIN_CONCORDANCE = "lin_concordance"
    # Of `<metric>`: squared errors, and absolute ones.
    ROOT_MEAN = "root_mean"
    MEDIAN = "median"
    # Of `<metric>:objects`, how many the reference holds, and `<metric>:found`, see `FoundObjects`.
    AP_101 = "ap_101"
    AP_ALL_POINTS = "ap_all_points"
    FROC = "froc"


OF_OBJECTS = frozenset({Evidence.AP_101, Evidence.AP_ALL_POINTS, Evidence.FROC})
"""Evidence whose second column lists what was found, and not a number."""

OF_REPLICATES = frozenset(Evidence) - {
    Evidence.MEAN,
    Evidence.RATIO,
    Evidence.AUROC,
    Evidence.CONCORDANCE,
}
"""Evidence of a metric of all cases together, whose standard error is that of its replicates."""

OF_CLASS_NUMBERS = frozenset({Evidence.MATTHEWS_CORRELATION, Evidence.BALANCED_ACCURACY})
"""Evidence whose columns hold numbers of classes."""

COUNTED: Mapping[Evidence, float] = {
    Evidence.SENSITIVITY_AT_SPECIFICITY: 1.0,
    Evidence.SPECIFICITY_AT_SENSITIVITY: 0.0,
}
"""Evidence whose metric counts only the cases with this in the first column: ``n`` is theirs."""


_SCORED, _PAIRED = (":positive", ":score"), (":reference", ":predicted")
_OBJECTS = (":objects", ":found")
_PARTS: Mapping[Evidence, tuple[str, ...]] = {
    Evidence.MEAN: ("",),
    Evidence.RATIO: (":numerator", ":denominator"),
    Evidence.AUROC: _SCORED,
    Evidence.CONCORDANCE: (":time", ":weight", ":risk"),
    Evidence.AVERAGE_PRECISION: _SCORED,
    Evidence.CALIBRATION_ERROR: _SCORED,
    Evidence.SENSITIVITY_AT_SPECIFICITY: _SCORED,
    Evidence.SPECIFICITY_AT_SENSITIVITY: _SCORED,
    Evidence.MATTHEWS_CORRELATION: _PAIRED,
    Evidence.BALANCED_ACCURACY: _PAIRED,
    Evidence.R2: _PAIRED,
    Evidence.PEARSON: _PAIRED,
    Evidence.LIN_CONCORDANCE: _PAIRED,
    Evidence.ROOT_MEAN: ("",),
    Evidence.MEDIAN: ("",),
    Evidence.AP_101: _OBJECTS,
    Evidence.AP_ALL_POINTS: _OBJECTS,
    Evidence.FROC: _OBJECTS,
}
_MOST_CLASSES = 1000


def columns_of(metric: str, evidence: Evidence, class_label: str | None = None) -> tuple[str, ...]:
    """The columns of a metric, of one class with its label in brackets: ``f1[edema]:numerator``.

    A cell holds a number. It is empty, or names a reason of a missing estimate, where the case does
    not count towards the metric; then it does so in all columns of the metric.
    """
    name = metric if class_label is None else f"{metric}[{class_label}]"
    return tuple(name + part for part in _PARTS[evidence])


@dataclass(frozen=True, slots=True)
class FoundObjects:
    """What was found in all cases of one column ``<metric>:found``, one entry per predicted object.

    A cell lists its case's objects as ``0.93:1 0.4:0``: the score, and whether the object hits one
    of the reference, with as many digits as the metric has thresholds of a hit. A dash is a case
    in which nothing was found.

    Attributes:
        rows: the row of the case.
        scores: of the objects.
        hits: of each object the digits, all equally many.
    """

    rows: Sequence[int]
    scores: Sequence[float]
    hits: Sequence[str]


NOTHING_FOUND = "-"


def found_cell(scores: Sequence[float], hits: Sequence[str]) -> str:
    """The cell of a case."""
    listed = (f"{float(score)!r}:{hit}" for score, hit in zip(scores, hits, strict=True))
    return " ".join(listed) or NOTHING_FOUND


def found_in(cell: str) -> list[tuple[float, str]] | None:
    """The objects that a cell lists; None if it is no such cell."""
    if cell == NOTHING_FOUND:
        return []
    found: list[tuple[float, str]] = []
    for each in cell.split(" "):
        score, _, hits = each.partition(":")
        try:
            number = float(score)
        except ValueError:
            return None
        if not math.isfinite(number) or not hits or not set(hits) <= {"0", "1"}:
            return None
        found.append((number, hits))
    return found


def level_of(metric: str) -> float | None:
    """The level that ends a name such as ``sensitivity_at_specificity_0.90``; None without one."""
    text = metric.rpartition("_")[2]
    is_share = text.startswith("0.") and text[2:].isdecimal()
    return float(text) if is_share else None


def is_possible(evidence: Evidence, numbers: Sequence[float]) -> bool:
    """Whether a case may have these numbers in the columns of a metric."""
    first, second = numbers[0], numbers[-1]
    if math.isnan(first):
        return True
    if _PARTS[evidence] == _SCORED:
        is_score = evidence is not Evidence.CALIBRATION_ERROR or 0.0 <= second <= 1.0
        return first in {0.0, 1.0} and is_score
    if evidence in OF_CLASS_NUMBERS:
        return all(number.is_integer() and 0 <= number < _MOST_CLASSES for number in numbers)
    if evidence in OF_OBJECTS:
        return first >= 0 and first.is_integer()
    if evidence in {Evidence.RATIO, Evidence.CONCORDANCE}:
        return numbers[1] >= 0  # the denominator and the weight
    return evidence is not Evidence.ROOT_MEAN or first >= 0


@dataclass(frozen=True, slots=True)
class CaseTable:
    """A per-case table that was read and checked; everything is in the order of its rows.

    Attributes:
        cases: the name of each case, each once.
        patients: the patient of each case, also of those that failed.
        usable: whether each case has a usable prediction.
        subgroups: the value of each variable for each case.
        columns: numbers by column name, NaN where a case does not count; of a column of found
            objects how many they are.
        found: the objects themselves, by column name.
    """

    cases: tuple[str, ...]
    patients: tuple[str, ...]
    usable: Sequence[bool]
    subgroups: Mapping[str, tuple[str, ...]]
    columns: Mapping[str, Sequence[float]]
    found: Mapping[str, FoundObjects] = field(default_factory=dict)
