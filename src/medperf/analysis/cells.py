"""One cell of a leaderboard: a metric of a model over all sites, with all that is known about it.

What the sites' summaries do not allow is not there, and a note says why.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from medperf.analysis.estimates import Method
from medperf.analysis.histograms import (
    CalibrationBin,
    auroc_from_histograms,
    calibration,
    calibration_error,
)
from medperf.analysis.pooled_cells import ONE_ALONE, Pooled, Sight, pool
from medperf.analysis.ranking import worst
from medperf.analysis.site_results import (
    Contribution,
    ModelResults,
    interval_record,
    site_estimate,
)
from medperf.analysis.subgroup_cells import subgroup_parts
from medperf.domain.benchmarks import AnalysisPlan, PlannedMetric, Summary
from medperf.domain.errors import InestimableError
from medperf.domain.leaderboards import (
    AurocOfAllCases,
    CalibrationPoint,
    InferenceCost,
    LeaderboardCell,
    SiteEstimate,
)


def cells_of(
    results: ModelResults, metric: PlannedMetric, plan: AnalysisPlan, sight: Sight
) -> tuple[LeaderboardCell, ...]:
    """The cells of a metric: one, or one of each class for a metric per class."""
    labels: tuple[str | None, ...] = plan.classes if metric.per_class else (None,)
    return tuple(cell(results, metric, label, plan, sight) for label in labels)


def cell(
    results: ModelResults,
    metric: PlannedMetric,
    class_label: str | None,
    plan: AnalysisPlan,
    sight: Sight,
) -> LeaderboardCell:
    """One cell, as far as it may be seen."""
    found = results.of(metric.name, class_label)
    parts = subgroup_parts(results, metric, class_label, plan, sight)
    base = LeaderboardCell(
        metric=metric.name,
        value=None,
        n=0,
        n_sites=len(found),
        class_label=class_label,
        subgroups=parts.subgroups,
        gaps=parts.gaps,
        standardized=parts.standardized,
        notes=parts.notes,
    )
    if not sight.allows(found):
        return base.model_copy(update={"notes": (ONE_ALONE, *parts.notes)})
    pooled = pool(found, metric, plan)
    if pooled is None:
        return base
    scores = _scores(found, metric, plan)
    return base.model_copy(
        update={
            **_values(pooled),
            **(_by_site(found, metric, plan.level) if sight.with_sites else {}),
            "auroc_of_all_cases": scores.auroc,
            "calibration": scores.points,
            "calibration_error": scores.error,
            "notes": (*pooled.notes, *scores.notes, *parts.notes),
        }
    )


def cost_of(results: ModelResults, sight: Sight) -> InferenceCost | None:
    """Medians over the results that tell how long their model ran and what memory it took."""
    others = sum(not result.is_own for result in results.results)
    if others == 1 and not sight.with_sites:
        return None
    seconds = [
        result.seconds / result.document.n_cases
        for result in results.results
        if result.seconds is not None and result.document is not None and result.document.n_cases
    ]
    memory = [
        result.peak_memory_bytes
        for result in results.results
        if result.peak_memory_bytes is not None
    ]
    if not seconds and not memory:
        return None
    return InferenceCost(
        seconds_per_case=statistics.median(seconds) if seconds else None,
        peak_memory_bytes=round(statistics.median(memory)) if memory else None,
    )


def _values(pooled: Pooled) -> dict[str, object]:
    estimate, differ = pooled.estimate, pooled.heterogeneity
    return {
        "value": estimate.value,
        "n": estimate.n,
        "method": estimate.method.value,
        "interval": interval_record(estimate.interval, estimate.method),
        "prediction": interval_record(pooled.prediction, estimate.method),
        "tau": None if differ is None else differ.tau,
        "i2": None if differ is None else differ.i2,
    }


def _by_site(
    found: Sequence[Contribution], metric: PlannedMetric, level: float
) -> dict[str, object]:
    shown, estimates = [], {}
    for each in found:
        estimate = site_estimate(each.summary, metric, level)
        shown.append(
            SiteEstimate(
                site=each.result.site,
                value=estimate.value,
                n=estimate.n,
                n_patients=each.summary.n_patients,
                interval=interval_record(estimate.interval, estimate.method),
            )
        )
        # By name first: which of two equal ones is worst must not depend on numbers unseen.
        estimates[f"{each.result.site} {each.dataset_id}"] = estimate
    names = {f"{each.result.site} {each.dataset_id}": each.result.site for each in found}
    found_worst = worst(estimates, metric.direction) if len(found) > 1 else None
    return {
        "sites": tuple(sorted(shown, key=lambda site: (site.site, site.value, site.n))),
        "worst_site": None if found_worst is None else names[found_worst.where],
    }


@dataclass(frozen=True, slots=True)
class _Scores:
    """What histograms of scores say."""

    auroc: AurocOfAllCases | None = None
    points: tuple[CalibrationPoint, ...] = ()
    error: float | None = None
    notes: tuple[str, ...] = ()


def _scores(found: Sequence[Contribution], metric: PlannedMetric, plan: AnalysisPlan) -> _Scores:
    if Summary.HISTOGRAM not in metric.summaries:
        return _Scores()
    histograms = [each.histogram for each in found if each.histogram is not None]
    if len(histograms) < len(found):
        n_without = len(found) - len(histograms)
        note = f"no AUROC of all cases: {n_without} of {len(found)} results gave no histogram"
        return _Scores(notes=(note,))
    notes: tuple[str, ...] = ()
    auroc = None
    try:
        binned = auroc_from_histograms(histograms, plan.level)
    except InestimableError as error:
        notes = (f"no AUROC of all cases: {error.detail}",)
    else:
        auroc = AurocOfAllCases(
            value=binned.estimate.value,
            n=binned.estimate.n,
            lowest=binned.lowest,
            highest=binned.highest,
            interval=interval_record(binned.estimate.interval, binned.estimate.method),
        )
    try:
        bins = calibration(histograms, plan.score_edges, plan.level)
    except InestimableError as error:
        return _Scores(notes=(*notes, f"no calibration: {error.detail}"))
    return _Scores(auroc, tuple(map(_point, bins)), calibration_error(bins), notes)


def _point(found: CalibrationBin) -> CalibrationPoint:
    observed = found.observed
    return CalibrationPoint(
        mean_score=found.mean_score,
        observed=observed.value,
        n=observed.n,
        interval=interval_record(observed.interval, Method.WILSON),
    )
