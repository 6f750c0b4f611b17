"""Two models by one metric, over the datasets that both ran on and on the same patients.

A dataset counts where both gave paired replicates. Under `Pooling.CASE_WEIGHTED` the difference is
that of the two case-weighted means and its error made of the sites' paired differences; under
`Pooling.RANDOM_EFFECTS` it is the mean over sites like these of the sites' paired differences.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medperf.analysis import comparison
from medperf.analysis.comparison import (
    compare_by_cases,
    compare_over_sites,
    difference_errors,
    site_difference,
)
from medperf.analysis.estimates import Floats
from medperf.analysis.pooled_cells import IN_PART, ONE_ALONE, Sight
from medperf.analysis.pooling import case_shares, stacked_replicates
from medperf.analysis.site_results import Contribution
from medperf.analysis.site_summary import SiteSummary
from medperf.domain.benchmarks import AnalysisPlan, PlannedMetric, Pooling
from medperf.domain.errors import InestimableError

FIRST, SECOND = "first", "second"


@dataclass(frozen=True, slots=True)
class Line:
    """One model's contributions to one metric; `Line.of` keeps what was stacked of them."""

    contributions: Mapping[int, Contribution]
    drawn: frozenset[tuple[int, str | None]]
    """The datasets with replicates, each with its pairing."""
    _stacked: dict[tuple[int, ...], Floats]

    @classmethod
    def of(cls, contributions: Sequence[Contribution]) -> "Line":
        """The contributions by dataset."""
        by_dataset = {each.dataset_id: each for each in contributions}
        drawn = frozenset(
            (number, each.pairing)
            for number, each in by_dataset.items()
            if each.summary.replicates is not None
        )
        return cls(by_dataset, drawn, {})

    @property
    def datasets(self) -> set[int]:
        """The datasets that the model has a value on."""
        return set(self.contributions)

    def summaries(self, datasets: Sequence[int]) -> list[SiteSummary]:
        """Those of some datasets, in their order."""
        return [self.contributions[number].summary for number in datasets]

    def case_weighted(self, datasets: Sequence[int]) -> float:
        """The case-weighted value over some datasets."""
        sites = self.summaries(datasets)
        return float(case_shares(sites) @ np.array([site.value for site in sites]))

    def replicates(self, datasets: tuple[int, ...]) -> Floats:
        """The replicates over some datasets, shape ``datasets x b``."""
        if datasets not in self._stacked:
            self._stacked[datasets] = stacked_replicates(self.summaries(datasets))
        return self._stacked[datasets]


@dataclass(frozen=True, slots=True)
class Compared:
    """What two models' common datasets say; ``found`` is None where they do not say enough.

    ``difference`` is there as soon as there is a common dataset that may be seen. ``datasets`` are
    those that count.
    """

    difference: float | None
    n: int
    datasets: tuple[int, ...]
    found: comparison.Comparison | None = None
    notes: tuple[str, ...] = ()


def paired_datasets(lines: Sequence[Line]) -> tuple[int, ...]:
    """The datasets on which all lines have paired replicates, in order."""
    if not lines:
        return ()
    return tuple(sorted(number for number, _ in _common(lines)))


def compare_lines(
    first: Line,
    second: Line,
    metric: PlannedMetric,
    plan: AnalysisPlan,
    sight: Sight,
    *,
    margin: float | None = None,
) -> Compared:
    """Compare two models; ``margin`` is in units of the metric, None for none."""
    common = tuple(sorted(first.datasets & second.datasets))
    if not common:
        return Compared(None, 0, (), notes=("no dataset has results of both",))
    paired = paired_datasets([first, second])
    used = paired or common
    if not sight.allows([first.contributions[number] for number in used]):
        return Compared(None, 0, used, notes=(ONE_ALONE,))
    if not sight.with_sites and not set(used) == first.datasets == second.datasets:
        return Compared(None, 0, used, notes=(IN_PART,))
    n = _n_cases(first, second, used)
    notes = _left_out(first, second, common, paired)
    if not paired:
        value = first.case_weighted(common) - second.case_weighted(common)
        return Compared(value, n, common, None, notes)
    try:
        found = _compare(first, second, paired, metric, plan, margin or 0.0)
    except InestimableError as error:
        value = first.case_weighted(paired) - second.case_weighted(paired)
        return Compared(value, n, paired, None, (*notes, error.detail))
    return Compared(found.difference.value, n, paired, found, notes)


def paired_error(
    first: Line,
    second: Line,
    datasets: tuple[int, ...],
    metric: PlannedMetric,
    plan: AnalysisPlan,
) -> tuple[float, float | None]:
    """The standard error of two models' difference over datasets, and its degrees of freedom.

    Raises:
        InestimableError: where replicates do not say it.
    """
    found = _compare(first, second, datasets, metric, plan, 0.0)
    return found.difference.standard_error or 0.0, found.degrees


def _common(lines: Sequence[Line]) -> frozenset[tuple[int, str | None]]:
    return frozenset.intersection(*(line.drawn for line in lines))


def _compare(
    first: Line,
    second: Line,
    datasets: tuple[int, ...],
    metric: PlannedMetric,
    plan: AnalysisPlan,
    margin: float,
) -> comparison.Comparison:
    if plan.pooling is Pooling.RANDOM_EFFECTS:
        pairs = zip(first.summaries(datasets), second.summaries(datasets), strict=True)
        if all(site_difference(one, other).standard_error for one, other in pairs):
            return compare_over_sites(
                FIRST,
                SECOND,
                {FIRST: first.summaries(datasets), SECOND: second.summaries(datasets)},
                direction=metric.direction,
                margin=margin,
                level=plan.level,
            )
    # Also where a site's differences have no spread: the interval's method says which it was.
    sites = first.summaries(datasets)
    errors = difference_errors(
        first.replicates(datasets),
        second.replicates(datasets),
        [site.n_patients for site in sites],
    )
    return compare_by_cases(
        FIRST,
        SECOND,
        first.case_weighted(datasets) - second.case_weighted(datasets),
        errors,
        sites,
        direction=metric.direction,
        margin=margin,
        level=plan.level,
    )


def _left_out(
    first: Line, second: Line, common: tuple[int, ...], paired: tuple[int, ...]
) -> tuple[str, ...]:
    notes = []
    either = first.datasets | second.datasets
    if len(common) < len(either):
        notes.append(f"over {len(common)} of {len(either)} datasets: the others have one result")
    if not paired:
        notes.append("no interval: no dataset has paired replicates of both")
    elif len(paired) < len(common):
        notes.append(f"over {len(paired)} of {len(common)} datasets: the others gave no replicates")
    return tuple(notes)


def _n_cases(first: Line, second: Line, datasets: Sequence[int]) -> int:
    pairs = zip(first.summaries(datasets), second.summaries(datasets), strict=True)
    return sum(min(one.n, other.n) for one, other in pairs)
