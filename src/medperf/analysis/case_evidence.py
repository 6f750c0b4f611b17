"""From the cases of one site to what it may say about each number of a plan.

The plan is walked cell by cell: every metric with evidence, overall, for each class label, for each
value of each subgroup variable. A cell with too few cases or patients is small: nobody is told its
value. One rule covers all evidence: what is counted against the smallest cell is what the value
rests on, which is each class by itself for an AUROC and whatever else is made of classes, the cases
in the denominator for a ratio, and the earlier and the later cases of comparable pairs, each by
themselves, for a concordance.

The overall cell of a per-class metric that has no columns of its own is the mean of its classes.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from medperf.analysis.bootstrap import Resampling, Statistic, weighted_auroc
from medperf.analysis.concordance import RankedCases
from medperf.analysis.delong import auroc
from medperf.analysis.estimates import Bools, Floats, Integers
from medperf.analysis.histograms import ScoreHistogram, bin_scores
from medperf.analysis.intervals import clustered_ratio, defined_replicates
from medperf.analysis.moments import Moments
from medperf.analysis.ranked_objects import RankedObjects
from medperf.analysis.site_summary import SiteSummary
from medperf.analysis.weighted_metrics import rests_on, weighted_metric
from medperf.domain.benchmarks import AnalysisPlan, PlannedMetric, Summary
from medperf.domain.case_table import (
    COUNTED,
    OF_CLASS_NUMBERS,
    OF_OBJECTS,
    OF_REPLICATES,
    CaseTable,
    Evidence,
    FoundObjects,
    columns_of,
)
from medperf.domain.errors import InestimableError

Absence = Literal[
    "no_cases", "one_class", "absent_class", "constant_reference", "no_objects", "suppressed"
]
Subgroup = tuple[str, str]


@dataclass(frozen=True, slots=True)
class MeasuredCell:
    """One number of a plan: its summary, or why there is none to tell.

    ``is_macro`` marks a mean over classes of which some may have no value.
    """

    metric: PlannedMetric
    subgroup: Subgroup | None
    class_label: str | None
    summary: SiteSummary | None
    absence: Absence | None = None
    is_macro: bool = False


def measure(
    table: CaseTable, plan: AnalysisPlan, resampling: Resampling | None
) -> Iterator[MeasuredCell]:
    """Measure every cell of the plan's metrics with evidence.

    Args:
        table: with every column that the plan needs, see ``missing_columns``.
        plan: whose ``summaries`` are made, and no others. Subgroups have no replicates and no
            histogram.
        resampling: the dataset's weights; None where there are too few patients to have any.
    """
    cases = _Cases(table, plan, resampling)
    groups: list[Subgroup | None] = [None]
    groups += [(variable.name, value) for variable in plan.subgroups for value in variable.values]
    for metric in plan.metrics:
        if metric.evidence is not None:
            for subgroup in groups:
                yield from cases.cells(metric, metric.evidence, subgroup)


def missing_columns(columns: Collection[str], plan: AnalysisPlan) -> list[str]:
    """The columns that the plan needs beyond those given."""
    wanted: list[str] = []
    for metric in plan.metrics:
        if metric.evidence is None:
            continue
        labels = plan.classes if metric.per_class else ()
        for label in labels:
            wanted += columns_of(metric.name, metric.evidence, label)
        overall = columns_of(metric.name, metric.evidence)
        # Without columns of its own the overall value is the mean of the classes.
        if not labels or any(column in columns for column in overall):
            wanted += overall
    return [column for column in wanted if column not in columns]


@dataclass(frozen=True, slots=True)
class _Found:
    """A value and all that is known about it; the plan says what of that is told."""

    value: float
    n: int
    patients: int
    error: float | None
    replicates: Floats | None
    moments: Moments | None = None
    histogram: ScoreHistogram | None = None


class _Cases:
    def __init__(self, table: CaseTable, plan: AnalysisPlan, resampling: Resampling | None) -> None:
        self._plan = plan
        self._resampling = resampling
        self._names = table.patients
        # In the order of the names, as the weights are.
        _, self._patients = np.unique(np.asarray(table.patients, dtype=str), return_inverse=True)
        self._usable = np.asarray(table.usable, dtype=bool)
        self._groups = {k: np.asarray(v, dtype=str) for k, v in table.subgroups.items()}
        self._columns = {k: np.asarray(v, dtype=np.float64) for k, v in table.columns.items()}
        self._found_objects = table.found

    def cells(
        self, metric: PlannedMetric, evidence: Evidence, subgroup: Subgroup | None
    ) -> Iterator[MeasuredCell]:
        members = self._usable
        if subgroup is not None:
            members = members & (self._groups[subgroup[0]] == subgroup[1])
        labels = self._plan.classes if metric.per_class else ()
        is_macro = columns_of(metric.name, evidence)[0] not in self._columns
        # Errors of means over classes and of all cases together come from replicates, told or not.
        told = subgroup is None and Summary.REPLICATES in metric.summaries
        needed = evidence in OF_REPLICATES and Summary.STANDARD_ERROR in metric.summaries
        weights = self._resampling if is_macro or needed or told else None
        by_class = [self._found(metric, evidence, label, members, weights) for label in labels]
        if not is_macro:
            overall = self._found(metric, evidence, None, members, weights)
            yield self._cell(metric, subgroup, None, overall)
        else:
            macro = self._macro(by_class, members)
            yield self._cell(metric, subgroup, None, macro, is_macro=True)
        for label, found in zip(labels, by_class, strict=True):
            yield self._cell(metric, subgroup, label, found)

    def _cell(
        self,
        metric: PlannedMetric,
        subgroup: Subgroup | None,
        label: str | None,
        found: _Found | Absence,
        *,
        is_macro: bool = False,
    ) -> MeasuredCell:
        if not isinstance(found, _Found):
            return MeasuredCell(metric, subgroup, label, None, found, is_macro)
        told, overall = set(metric.summaries), subgroup is None
        with_error = Summary.STANDARD_ERROR in told
        summary = SiteSummary(
            site="",
            value=found.value,
            n=found.n,
            standard_error=found.error if with_error else None,
            n_patients=found.patients if with_error else None,
            moments=found.moments if Summary.MOMENTS in told else None,
            replicates=found.replicates if overall and Summary.REPLICATES in told else None,
            histogram=found.histogram if overall and Summary.HISTOGRAM in told else None,
        )
        return MeasuredCell(metric, subgroup, label, summary, None, is_macro)

    def _found(
        self,
        metric: PlannedMetric,
        evidence: Evidence,
        label: str | None,
        members: Bools,
        weights: Resampling | None,
    ) -> _Found | Absence:
        columns = [self._columns[name] for name in columns_of(metric.name, evidence, label)]
        rows = np.flatnonzero(members & np.isfinite(columns).all(axis=0))
        first, *rest = (column[rows] for column in columns)
        if evidence is Evidence.AUROC:
            return self._auroc(rows, first > 0, rest[0], weights)
        if evidence is Evidence.CONCORDANCE:
            return self._concordance(rows, RankedCases(first, *rest), weights)
        if evidence in OF_OBJECTS:
            column = columns_of(metric.name, evidence, label)[1]
            ranked = _ranked(self._found_objects[column], rows, first)
            return self._objects(evidence, rows, ranked, weights)
        if evidence in OF_REPLICATES:
            n_classes = self._n_classes(columns[0]) if evidence in OF_CLASS_NUMBERS else 0
            return self._together(metric.name, evidence, rows, [first, *rest], n_classes, weights)
        return self._ratio(rows, first, rest[0] if rest else None, weights)

    def _ratio(
        self,
        rows: Integers,
        numerator: Floats,
        denominator: Floats | None,
        weights: Resampling | None,
    ) -> _Found | Absence:
        below = np.ones_like(numerator) if denominator is None else denominator
        counted = rows[below > 0]
        if not counted.size:
            return "no_cases"
        if self._is_small(counted):
            return "suppressed"
        patients = self._patients[rows]
        estimate = clustered_ratio(numerator, below, patients)
        return _Found(
            value=estimate.value,
            n=rows.size,
            patients=np.unique(patients).size,
            error=estimate.standard_error,
            replicates=weights.ratio_replicates(patients, numerator, below) if weights else None,
            moments=Moments.of(numerator) if denominator is None else None,
        )

    def _auroc(
        self, rows: Integers, positive: Bools, scores: Floats, weights: Resampling | None
    ) -> _Found | Absence:
        if not rows.size:
            return "no_cases"
        if positive.all() or not positive.any():
            return "one_class"
        if self._is_small(rows[positive]) or self._is_small(rows[~positive]):
            return "suppressed"
        patients = self._patients[rows]
        statistic = weighted_auroc(positive, scores)
        try:
            error = auroc(positive, scores, patients=patients).standard_error
        except InestimableError:  # a class of a single case, where the plan has no smallest cell
            error = None
        return _Found(
            value=float(statistic(np.ones((1, rows.size)))[0]),
            n=rows.size,
            patients=np.unique(patients).size,
            error=error,
            replicates=weights.replicates([self._names[row] for row in rows], statistic)
            if weights
            else None,
            histogram=self._histogram(positive, scores, patients),
        )

    def _concordance(
        self, rows: Integers, ranked: RankedCases, weights: Resampling | None
    ) -> _Found | Absence:
        value = ranked.value
        if value is None:
            return "no_cases"
        if self._is_small(rows[ranked.earlier]) or self._is_small(rows[ranked.later]):
            return "suppressed"
        patients = self._patients[rows]
        return _Found(
            value=value,
            n=rows.size,
            patients=np.unique(patients).size,
            error=ranked.standard_error(patients),
            replicates=None
            if weights is None
            else weights.replicates([self._names[row] for row in rows], ranked.weighted()),
        )

    def _objects(
        self, evidence: Evidence, rows: Integers, ranked: RankedObjects, weights: Resampling | None
    ) -> _Found | Absence:
        if not rows.size:
            return "no_cases"
        statistic = ranked.statistic(evidence)
        value = float(statistic(np.ones((1, rows.size)))[0])
        if not np.isfinite(value):
            return "no_objects"
        # A sensitivity of objects in few cases tells of those few, however many show nothing.
        if self._is_small(rows[ranked.objects > 0]):
            return "suppressed"
        return self._from_replicates(value, rows.size, rows, statistic, weights)

    def _from_replicates(
        self,
        value: float,
        n: int,
        rows: Integers,
        statistic: Statistic,
        weights: Resampling | None,
    ) -> _Found:
        patients = [self._names[row] for row in rows]
        replicates = weights.replicates(patients, statistic) if weights else None
        return _Found(
            value=value,
            n=n,
            patients=len(set(patients)),
            error=None if replicates is None else _spread(replicates),
            replicates=replicates,
        )

    def _together(
        self,
        name: str,
        evidence: Evidence,
        rows: Integers,
        columns: Sequence[Floats],
        n_classes: int,
        weights: Resampling | None,
    ) -> _Found | Absence:
        if not rows.size:
            return "no_cases"
        statistic = weighted_metric(name, evidence, columns, n_classes)
        value = float(statistic(np.ones((1, rows.size)))[0])
        if not np.isfinite(value):
            return _WITHOUT_VALUE.get(evidence, "one_class")
        if any(self._is_small(rows[part]) for part in rests_on(evidence, columns)):
            return "suppressed"
        counted = COUNTED.get(evidence)
        n = rows.size if counted is None else int(np.count_nonzero(columns[0] == counted))
        return self._from_replicates(value, n, rows, statistic, weights)

    def _n_classes(self, reference: Floats) -> int:
        """As many as the usable cases of the dataset show, also where a subgroup shows fewer."""
        shown = reference[self._usable & np.isfinite(reference)]
        return int(shown.max(initial=-1)) + 1

    def _histogram(
        self, positive: Bools, scores: Floats, patients: Integers
    ) -> ScoreHistogram | None:
        edges = self._plan.score_edges
        # A bin of this many cases holds the smallest cell of patients, whoever they are.
        smallest = self._plan.smallest_cell * int(np.bincount(patients).max())
        if not edges or scores.min() < edges[0] or scores.max() > edges[-1]:
            return None
        if min(np.count_nonzero(positive), np.count_nonzero(~positive)) < smallest:
            return None
        return bin_scores(positive, scores, edges, smallest)

    def _macro(self, by_class: Sequence[_Found | Absence], members: Bools) -> _Found | Absence:
        found = [each for each in by_class if isinstance(each, _Found)]
        # The mean less the other classes would tell the value of a class that is suppressed.
        if "suppressed" in by_class:
            return "suppressed"
        if not found:
            return "absent_class" if members.any() else "no_cases"
        parts = [each.replicates for each in found if each.replicates is not None]
        replicates = np.mean(parts, axis=0) if len(parts) == len(found) else None
        return _Found(
            value=float(np.mean([each.value for each in found])),
            n=int(np.count_nonzero(members)),
            patients=np.unique(self._patients[members]).size,
            error=None if replicates is None else _spread(replicates),
            replicates=replicates,
        )

    def _is_small(self, rows: Integers) -> bool:
        smallest = self._plan.smallest_cell
        return rows.size < smallest or np.unique(self._patients[rows]).size < smallest


_WITHOUT_VALUE: Mapping[Evidence, Absence] = {
    Evidence.BALANCED_ACCURACY: "absent_class",
    Evidence.R2: "constant_reference",
    Evidence.PEARSON: "constant_reference",
    Evidence.LIN_CONCORDANCE: "constant_reference",
}


def _ranked(found: FoundObjects, rows: Integers, objects: Floats) -> RankedObjects:
    """The objects in these rows."""
    row = np.asarray(found.rows, dtype=np.int64)
    is_here = np.isin(row, rows)
    digits = [hits for hits, here in zip(found.hits, is_here, strict=True) if here]
    steps = len(found.hits[0]) if found.hits else 0
    hits = np.array([[digit == "1" for digit in each] for each in digits], dtype=np.bool_)
    return RankedObjects(
        np.searchsorted(rows, row[is_here]),
        np.asarray(found.scores, dtype=np.float64)[is_here],
        hits.reshape(len(digits), steps),
        objects,
    )


def _spread(replicates: Floats) -> float | None:
    """The standard error; None where too many replicates have no value."""
    try:
        return float(defined_replicates(replicates).std(ddof=1))
    except InestimableError:
        return None
