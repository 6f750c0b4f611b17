"""What of a checked document may leave, given the cases behind it and all that left before.

`disclosure` has looked at the document alone: declared names, ranges, digits, the smallest cell.
Here its numbers meet the people behind them, in this order: too few patients, one patient who makes
up the number, differencing, and the rest that a suppressed cell leaves. What may not leave is
listed in the document as suppressed; why, and because of which earlier release, stays at the site.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from medperf.domain.benchmarks import SUMMARY_NAMES, AnalysisPlan, PlannedMetric, Summary
from medperf.domain.case_table import COUNTED, OF_OBJECTS, Evidence, columns_of
from medperf.domain.results import (
    FreeFormResult,
    MetricEstimate,
    MissingEstimate,
    ResultDocument,
    TypedResult,
)
from medperf.policy.cohorts import Cell, Cohort, Release, Subgroup
from medperf.policy.differencing import check_differences, check_rest
from medperf.policy.disclosure import Finding, SmallCell
from medperf.policy.dominance import Contribution, largest_share

_BINS = frozenset(SUMMARY_NAMES[Summary.HISTOGRAM])
FREE_FORM = "free-form"
"""The one cell of a free-form document: all of its values are about the whole cohort."""


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One case of the evaluator's table, as far as the gate looks at it.

    Attributes:
        tag: the keyed hash of patient and case.
        patient: as the table says; used within one document only.
        is_usable: whether the model gave a usable prediction.
        subgroups: the value of each variable.
        numbers: by column of a metric; a case without one does not count there.
    """

    tag: bytes
    patient: str
    is_usable: bool
    subgroups: Mapping[str, str]
    numbers: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Limits:
    """The stricter of what the plan and the site demand.

    Attributes:
        smallest_cell: fewer people than this are never told about.
        largest_share: one patient may make up no more than this of a number, 0 to 1.
    """

    smallest_cell: int
    largest_share: float = 1.0


@dataclass(frozen=True, slots=True)
class Screened:
    """The document that may leave (None: nothing may), its cells, and what people should know."""

    document: ResultDocument | None
    release: Release
    findings: tuple[Finding, ...] = ()
    cautions: tuple[Finding, ...] = ()


@dataclass(slots=True)
class _Screen:
    """One document under way through the checks."""

    limits: Limits
    release: Release
    cells: list[Cell] = field(default_factory=list)
    gone: dict[tuple[str, str | None, Subgroup], Finding] = field(default_factory=dict)

    def suppress(self, cell: Cell, code: str, message: str) -> None:
        self.gone[cell.key] = Finding(code, cell.place, message)


def screen(
    document: ResultDocument,
    plan: AnalysisPlan,
    rows: Sequence[CaseRow],
    limits: Limits,
    about: Release,
    *,
    small: Iterable[SmallCell] = (),
    earlier: Sequence[Release] = (),
    n_cases: int | None = None,
) -> Screened:
    """Screen a document.

    Args:
        document: as `disclosure` built it.
        plan: the benchmark's.
        rows: the evaluator's table of cases; empty where it left none, and then cohorts are known
            by their size only, and neither patients nor dominance can be looked at.
        limits: what the plan and the site demand.
        about: names the release; its cells are ignored.
        small: what `disclosure` suppressed already.
        earlier: what left this site before or is about to.
        n_cases: how many cases the dataset has, for documents that do not say it.
    """
    if isinstance(document, FreeFormResult):
        usable = [row for row in rows if row.is_usable]
        return _free_form(document, usable, n_cases, limits, about, earlier)
    found = _Screen(limits, about)
    few = tuple(small)
    metrics = {metric.name: metric for metric in plan.metrics}
    hidden: list[Cell] = []
    seen: dict[frozenset[bytes], frozenset[bytes]] = {}
    for estimate in document.metrics:
        counted = _counted(estimate, metrics[estimate.name], rows)
        cell = _cell(estimate, counted, seen)
        found.cells.append(cell)
        if counted is not None:
            _look_at_people(found, cell, counted, metrics[estimate.name])
            if cell.key in found.gone:
                hidden.append(cell)
    cautions: tuple[str, ...] = ()
    before = -1
    while before != len(found.gone):  # what one check takes away may leave a rest for another
        before = len(found.gone)
        _look_at_means_of_classes(found, metrics, rows)
        left = [cell for cell in found.cells if cell.key not in found.gone]
        differences = check_differences(
            replace(about, cells=tuple(left)), earlier, limits.smallest_cell, hidden=hidden
        )
        for each in differences.suppressed:
            found.suppress(each.cell, "too-close", each.reason)
        totals = (document.n_cases, document.n_cases - document.n_failed)
        sizes = [(cell.subgroup, cell.n) for cell in few]
        rest = check_rest(differences.cells, sizes, totals, limits.smallest_cell)
        for each in rest:
            found.suppress(each.cell, "rest-too-small", each.reason)
        cautions = differences.cautions
    released = replace(
        about, cells=tuple(cell for cell in found.cells if cell.key not in found.gone)
    )
    left_over, bins = _without_histograms(_without(document, found.gone), released, earlier)
    return Screened(
        left_over,
        released,
        (*(_too_small(cell, limits) for cell in few), *found.gone.values(), *bins),
        tuple(Finding("close-to-earlier", "", text) for text in cautions),
    )


def _look_at_people(
    found: _Screen, cell: Cell, counted: Sequence[CaseRow], metric: PlannedMetric
) -> None:
    limits = found.limits
    n_people = cell.cohort.n_people
    if n_people < limits.smallest_cell:
        message = f"{cell.cohort.n} cases are of {n_people} people only"
        found.suppress(cell, "too-few-people", message)
        return
    share = largest_share(_contributions(counted, metric, cell.class_label))
    if share > limits.largest_share:
        found.suppress(
            cell,
            "dominated",
            f"one patient makes up {share:.0%} of it, {limits.largest_share:.0%} are allowed",
        )


def _look_at_means_of_classes(
    found: _Screen, metrics: Mapping[str, PlannedMetric], rows: Sequence[CaseRow]
) -> None:
    """An overall number without columns of its own is the mean of its classes: less all but one."""
    for name, label, subgroup in list(found.gone):
        if label is None or metrics[name].evidence is None:
            continue
        if any(_holds(row, metrics[name], None) for row in rows):
            continue
        for cell in found.cells:
            if cell.key == (name, None, subgroup) and cell.key not in found.gone:
                message = f"it is a mean that would give away that of the class {label}"
                found.suppress(cell, "rest-too-small", message)


def _contributions(
    counted: Iterable[CaseRow], metric: PlannedMetric, label: str | None
) -> Iterable[Contribution]:
    column = _column(metric.name, label)
    has_bounds = metric.lower is not None and metric.upper is not None
    for row in counted:
        weight = 1.0
        if metric.evidence is Evidence.RATIO:
            weight = row.numbers.get(f"{column}:denominator", 1.0)
        elif metric.evidence in OF_OBJECTS:
            weight = row.numbers.get(f"{column}:objects", 1.0)
        magnitude = None
        if metric.evidence is not Evidence.RATIO and not has_bounds:
            magnitude = row.numbers.get(column)
        if metric.evidence is Evidence.R2 and not has_bounds:
            parts = (row.numbers.get(name) for name in columns_of(metric.name, Evidence.R2, label))
            known = [part for part in parts if part is not None]
            magnitude = (known[0] - known[1]) ** 2 if len(known) > 1 else None
        yield Contribution(row.patient, weight, magnitude)


def _column(metric: str, label: str | None) -> str:
    return columns_of(metric, Evidence.MEAN, label)[0]


def _counted(
    estimate: MetricEstimate, metric: PlannedMetric, rows: Sequence[CaseRow]
) -> list[CaseRow] | None:
    """The rows behind an estimate; None if they cannot be told.

    They are those that have a value in the metric's columns, else all usable ones of the subgroup,
    if there are as many as the estimate says.
    """
    group = [
        row
        for row in rows
        if row.is_usable
        and all(row.subgroups.get(k) == v for k, v in (estimate.subgroup or {}).items())
    ]
    with_value = [row for row in group if _holds(row, metric, estimate.class_label)]
    if metric.evidence is not None and metric.evidence in COUNTED:
        part = columns_of(metric.name, metric.evidence, estimate.class_label)[0]
        with_value = [row for row in with_value if row.numbers[part] == COUNTED[metric.evidence]]
    # Also those that add nothing to a ratio: of an F1 that would be whom the model got right, and
    # so another cohort for every model.
    return next((each for each in (with_value, group) if len(each) == estimate.n), None)


def _holds(row: CaseRow, metric: PlannedMetric, label: str | None) -> bool:
    columns = columns_of(metric.name, metric.evidence or Evidence.MEAN, label)
    return all(column in row.numbers for column in columns)


def _cell(
    estimate: MetricEstimate,
    counted: Sequence[CaseRow] | None,
    seen: dict[frozenset[bytes], frozenset[bytes]],
) -> Cell:
    cohort = Cohort(estimate.n)
    if counted is not None:
        members = frozenset(row.tag for row in counted)
        cohort = Cohort(len(members), seen.setdefault(members, members))  # one set for all metrics
    name, label, subgroup = _key(estimate)
    return Cell(name, label, subgroup, cohort)


def _key(estimate: MetricEstimate) -> tuple[str, str | None, Subgroup]:
    subgroup = tuple(sorted((estimate.subgroup or {}).items()))
    return estimate.name, estimate.class_label, subgroup


def _without(document: TypedResult, gone: Iterable[object]) -> TypedResult:
    keys = set(gone)
    suppressed = tuple(
        MissingEstimate(
            name=estimate.name,
            reason="suppressed",
            subgroup=estimate.subgroup,
            class_label=estimate.class_label,
        )
        for estimate in document.metrics
        if _key(estimate) in keys
    )
    return document.model_copy(
        update={
            "metrics": tuple(e for e in document.metrics if _key(e) not in keys),
            "missing": (*document.missing, *suppressed),
        }
    )


def _without_histograms(
    document: TypedResult, about: Release, earlier: Sequence[Release]
) -> tuple[TypedResult, list[Finding]]:
    """Leave out histograms where the same model has been told about of other cases.

    A bin holds whoever the model gave such a score: two histograms of many different people may
    differ in one of them within a bin, and the sums of the bins by that one's score.
    """
    findings: list[Finding] = []
    metrics: list[MetricEstimate] = []
    cells = {cell.key: cell for cell in about.cells}
    for estimate in document.metrics:
        cell, summary = cells[_key(estimate)], dict(estimate.summary or {})
        name = _told_of_others(cell, about.model, earlier) if _BINS & summary.keys() else None
        if name is None:
            metrics.append(estimate)
            continue
        kept = {key: value for key, value in summary.items() if key not in _BINS}
        metrics.append(estimate.model_copy(update={"summary": kept or None}))
        message = f"its histogram stays here: {name} told about other cases of the same model"
        findings.append(Finding("histogram-too-close", cell.place, message))
    return document.model_copy(update={"metrics": tuple(metrics)}), findings


def _told_of_others(cell: Cell, model: str, earlier: Sequence[Release]) -> str | None:
    """The name of a release that told the same of other cases, if there is one."""
    for old in earlier:
        if old.model == model:
            for other in old.cells:
                if other.key == cell.key and other.cohort != cell.cohort:
                    return old.name
    return None


def _too_small(cell: SmallCell, limits: Limits) -> Finding:
    place = Cell(cell.name, cell.class_label, cell.subgroup, Cohort(cell.n)).place
    message = f"it is about {cell.n} cases, fewer than {limits.smallest_cell}"
    return Finding("too-small", place, message)


def _free_form(
    document: FreeFormResult,
    usable: Sequence[CaseRow],
    n_cases: int | None,
    limits: Limits,
    about: Release,
    earlier: Sequence[Release],
) -> Screened:
    """All or nothing: nobody knows which of the values would give somebody away."""
    if not usable and n_cases is None:
        return Screened(document, about)
    cohort = Cohort.of(row.tag for row in usable) if usable else Cohort(n_cases or 0)
    cell = Cell(FREE_FORM, None, (), cohort)
    if cohort.n_people < limits.smallest_cell:
        message = f"it is about {cohort.n_people} people, fewer than {limits.smallest_cell}"
        return Screened(
            None, replace(about, cells=()), (Finding("too-few-people", cell.place, message),)
        )
    found = check_differences(replace(about, cells=(cell,)), earlier, limits.smallest_cell)
    problems = [Finding("too-close", each.cell.place, each.reason) for each in found.suppressed]
    share = largest_share(Contribution(row.patient) for row in usable)
    if share > limits.largest_share:
        problems.append(Finding("dominated", cell.place, f"one patient has {share:.0%} of it"))
    return Screened(
        None if problems else document,
        replace(about, cells=found.cells),
        tuple(problems),
        tuple(Finding("close-to-earlier", "", text) for text in found.cautions),
    )
