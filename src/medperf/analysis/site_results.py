"""What sites' results say about one number: a model's metric, perhaps of a class or a subgroup.

A *dataset* is what is pooled and paired: a site with two datasets speaks twice. Everything here is
in order of datasets, so that the same results give the same number to the last digit, in whatever
order they came.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from medperf.analysis.estimates import Estimate, Interval, Method, clip
from medperf.analysis.histograms import BinnedScores, ScoreHistogram
from medperf.analysis.intervals import logit, normal
from medperf.analysis.site_summary import SiteSummary, WireSummary, from_wire
from medperf.domain.benchmarks import AnalysisPlan, PlannedMetric
from medperf.domain.errors import InestimableError
from medperf.domain.leaderboards import IntervalRecord
from medperf.domain.results import MetricEstimate, TypedResult

OVERALL: tuple[str, str] | None = None
_FEWEST_PATIENTS = 2
_LARGEST = 1e50  # beyond it squares of differences overflow
_SMALLEST = 1e-12  # below it rounding is all there is, and squares underflow
_SLACK = 1e-3  # sums are rounded


@dataclass(frozen=True, slots=True)
class SiteResult:
    """A result that may be shown, of one model on one dataset.

    Attributes:
        site: the name under which its site is shown.
        document: None for a free-form one.
        is_own: whether it is of a site of whoever looks.
        seconds: how long the model ran, where the statement says so.
        peak_memory_bytes: the most memory it took, where the statement says so.
    """

    model_id: int
    dataset_id: int
    site: str
    document: TypedResult | None
    is_own: bool = False
    seconds: float | None = None
    peak_memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one result says about one number; ``pairing`` as in `TypedResult`."""

    result: SiteResult
    summary: SiteSummary
    histogram: ScoreHistogram | None
    pairing: str | None

    @property
    def dataset_id(self) -> int:
        """Which dataset it is over."""
        return self.result.dataset_id


Cell = tuple[str, str | None, tuple[str, str] | None]
"""Which number: the metric, the class or None, and a subgroup's variable and value or None."""


class ModelResults:
    """The results of one model, looked up by number; one of each dataset, the latest."""

    def __init__(self, plan: AnalysisPlan, results: Iterable[SiteResult]) -> None:
        latest = {result.dataset_id: result for result in results}
        self.results = tuple(latest[number] for number in sorted(latest))
        self._found: dict[Cell, list[Contribution]] = {}
        self._suppressed: dict[Cell, int] = {}
        for result in self.results:
            self._read(plan, result)

    def of(
        self,
        metric: str,
        class_label: str | None = None,
        subgroup: tuple[str, str] | None = OVERALL,
    ) -> tuple[Contribution, ...]:
        """What the datasets say about a number, in their order."""
        return tuple(self._found.get((metric, class_label, subgroup), ()))

    def n_suppressed(
        self, metric: str, class_label: str | None, subgroup: tuple[str, str] | None
    ) -> int:
        """How many datasets had too few cases to say it."""
        return self._suppressed.get((metric, class_label, subgroup), 0)

    def _read(self, plan: AnalysisPlan, result: SiteResult) -> None:
        if result.document is None:
            return
        for estimate in result.document.metrics:
            cell = _cell_of(estimate.name, estimate.class_label, estimate.subgroup)
            if cell is not None and estimate.n:
                found = _contribution(plan, result, estimate, result.document.pairing)
                self._found.setdefault(cell, []).append(found)
        for missing in result.document.missing:
            cell = _cell_of(missing.name, missing.class_label, missing.subgroup)
            if cell is not None and missing.reason == "suppressed":
                self._suppressed[cell] = self._suppressed.get(cell, 0) + 1


def site_estimate(summary: SiteSummary, metric: PlannedMetric, level: float) -> Estimate:
    """One site's value with its interval, where the standard error allows one.

    On the logit scale for a metric with both ends of its range, else normal and cut to the range;
    Student's quantile on the number of patients less one, where that is known. A value at an end of
    its range, or without any spread, has no interval: nothing is that certain.
    """
    error, patients = summary.standard_error, summary.n_patients
    if not error or (patients is not None and patients < _FEWEST_PATIENTS):
        return Estimate(summary.value, summary.n, Method.NORMAL, None, error)
    degrees = None if patients is None else patients - 1
    lower, upper = metric.lower, metric.upper
    if lower is not None and upper is not None:
        return logit(
            summary.value, error, summary.n, level, lower=lower, upper=upper, degrees=degrees
        )
    found = normal(summary.value, error, summary.n, level, degrees=degrees)
    return in_range(found, metric)


def in_range(estimate: Estimate, metric: PlannedMetric) -> Estimate:
    """The estimate with its interval cut to the range of the metric."""
    if estimate.interval is None:
        return estimate
    return Estimate(
        estimate.value,
        estimate.n,
        estimate.method,
        clip(estimate.interval, metric.lower, metric.upper),
        estimate.standard_error,
    )


def interval_record(interval: Interval | None, method: Method) -> IntervalRecord | None:
    """The interval as it travels."""
    if interval is None:
        return None
    return IntervalRecord(
        lower=interval.lower, upper=interval.upper, level=interval.level, method=method.value
    )


def histogram_from_wire(summary: Mapping[str, float | Sequence[float]]) -> ScoreHistogram | None:
    """The histogram in a summary; None where there is none.

    Raises:
        InestimableError: if its parts do not fit together.
    """
    if "positive_counts" not in summary:
        return None
    return ScoreHistogram(_side(summary, "positive"), _side(summary, "negative"))


def _side(summary: Mapping[str, float | Sequence[float]], side: str) -> BinnedScores:
    parts = []
    for name in ("edges", "counts", "sums"):
        part = summary.get(f"{side}_{name}")
        if part is None or isinstance(part, int | float):
            raise InestimableError(f"a histogram has no list '{side}_{name}'")
        parts.append(tuple(part))
    edges, counts, sums = parts
    if not len(edges) == len(counts) + 1 == len(sums) + 1:
        raise InestimableError(f"the {side} edges, counts and sums of a histogram do not fit")
    rising = all(lower < upper for lower, upper in itertools.pairwise(edges))
    inside = all(
        count >= 0 and count * lower - _SLACK <= total <= count * upper + _SLACK
        for count, total, lower, upper in zip(counts, sums, edges, edges[1:], strict=False)
    )
    if not (rising and inside and len(counts)):
        raise InestimableError(f"the {side} bins of a histogram cannot hold what they say")
    return BinnedScores(edges, tuple(round(count) for count in counts), sums)


def _cell_of(
    metric: str, class_label: str | None, subgroup: Mapping[str, str] | None
) -> Cell | None:
    """The number's place; None for crossed subgroups, which leaderboards do not show."""
    if not subgroup:
        return metric, class_label, OVERALL
    if len(subgroup) > 1:
        return None
    [(variable, value)] = subgroup.items()
    return metric, class_label, (variable, value)


def _contribution(
    plan: AnalysisPlan, result: SiteResult, estimate: MetricEstimate, pairing: str | None
) -> Contribution:
    """Read an estimate; a summary that does not hold together counts as none.

    The value still counts, as it does without a summary.
    """
    wire: WireSummary = dict(estimate.summary or {})
    site = str(result.dataset_id)
    try:
        histogram = histogram_from_wire(wire)
    except InestimableError:
        histogram = None
    try:
        summary = from_wire(site, estimate.value, estimate.n, wire)
    except InestimableError:
        summary = SiteSummary(site, estimate.value, estimate.n)
    return Contribution(result, _believable(summary, plan), histogram, pairing)


def _believable(summary: SiteSummary, plan: AnalysisPlan) -> SiteSummary:
    """Without what cannot be: a negative error, or other replicates than were planned.

    Another number of replicates cannot stand beside those of other sites.
    """
    error, replicates = summary.standard_error, summary.replicates
    if error is not None:
        error = None if not 0 <= error < _LARGEST else error if error > _SMALLEST else 0.0
    if replicates is not None and (
        replicates.size != plan.replicates or np.abs(replicates).max() > _LARGEST
    ):
        replicates = None
    return replace(summary, standard_error=error, replicates=replicates)
