"""What one site says about one metric: enough to pool, compare and rank, and no case.

A summary travels as the ``summary`` of a metric estimate: a flat mapping of names to numbers or
lists of numbers, rounded before it leaves.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medperf.analysis.bootstrap import Resampling, Statistic, weighted_mean
from medperf.analysis.estimates import Floats
from medperf.analysis.histograms import BinnedScores, ScoreHistogram
from medperf.analysis.intervals import clustered_mean, defined_replicates
from medperf.analysis.moments import Moments
from medperf.domain.errors import InestimableError

WireSummary = dict[str, float | tuple[float, ...]]

_SIDES = ("positive", "negative")
_MOMENT_DIGITS = 6
_FEWEST_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class SiteSummary:
    """One site's value of one metric of one model, over ``n`` cases of ``n_patients`` patients.

    ``moments`` are those of per-case values, where the metric is a mean of them. ``replicates``
    (shape ``b``) are paired across models at the same site and independent between sites.
    ``histogram`` is of the scores behind an AUROC.
    """

    site: str
    value: float
    n: int
    standard_error: float | None = None
    n_patients: int | None = None
    moments: Moments | None = None
    replicates: Floats | None = None
    histogram: ScoreHistogram | None = None


def summarize_mean(
    site: str, values: Floats, patients: Sequence[str], resampling: Resampling | None = None
) -> SiteSummary:
    """Summarize the mean of per-case values (shape ``n``) with the patient of each case."""
    _, index = np.unique(np.asarray(patients), return_inverse=True)
    estimate = clustered_mean(values, index)
    return SiteSummary(
        site=site,
        value=estimate.value,
        n=estimate.n,
        standard_error=estimate.standard_error,
        n_patients=int(index.max()) + 1,
        moments=Moments.of(values),
        replicates=None
        if resampling is None
        else resampling.replicates(patients, weighted_mean(values)),
    )


def summarize_statistic(
    site: str, statistic: Statistic, patients: Sequence[str], resampling: Resampling
) -> SiteSummary:
    """Summarize any statistic of weighted cases, such as AUROC; its error is its replicates'.

    Raises:
        InestimableError: if it has no value over the cases, or under too many replicates.
    """
    value = float(statistic(np.ones((1, len(patients))))[0])
    if not math.isfinite(value):
        raise InestimableError(f"the metric has no value at site '{site}'")
    replicates = resampling.replicates(patients, statistic)
    error = float(defined_replicates(replicates).std(ddof=1))
    return SiteSummary(site, value, len(patients), error, len(set(patients)), None, replicates)


def to_wire(summary: SiteSummary, decimals: int) -> WireSummary:
    """The flat, rounded form: replicates to ``decimals``, at least 6; moments to 6 digits.

    Fewer decimals would add their own noise to differences of like models; more would say more
    about small groups than any interval needs.
    """
    places = max(decimals, _FEWEST_DECIMALS)
    wire: WireSummary = {}
    if summary.n_patients is not None:
        wire["n_patients"] = float(summary.n_patients)
    if summary.standard_error is not None:
        wire["standard_error"] = round(summary.standard_error, places)
    if summary.moments is not None:
        for name in ("m2", "m3", "m4"):
            wire[name] = float(f"{getattr(summary.moments, name):.{_MOMENT_DIGITS}g}")
    if summary.replicates is not None:
        # A replicate without a value cannot be written as a number; without pairing it is no use.
        if not np.isfinite(summary.replicates).all():
            raise InestimableError(
                f"some replicates of site '{summary.site}' have no value",
                hint="Draw exponential weights, under which every replicate has one.",
            )
        wire["replicates"] = tuple(np.round(summary.replicates, places).tolist())
    if summary.histogram is not None:
        for side in _SIDES:
            part: BinnedScores = getattr(summary.histogram, side)
            wire[f"{side}_edges"] = part.edges
            wire[f"{side}_counts"] = tuple(map(float, part.counts))
            wire[f"{side}_sums"] = tuple(round(total, places) for total in part.sums)
    return wire


def from_wire(
    site: str, value: float, n: int, summary: Mapping[str, float | Sequence[float]] | None
) -> SiteSummary:
    """Read what ``to_wire`` wrote; unknown names are left alone.

    Histograms are left to ``site_results.histogram_from_wire``: they may be wrong by themselves.

    Raises:
        InestimableError: if a known name holds the wrong kind of thing.
    """
    given = summary or {}
    patients, moments = (
        _number(given, "n_patients"),
        [_number(given, m) for m in ("m2", "m3", "m4")],
    )
    replicates = given.get("replicates")
    if isinstance(replicates, int | float):
        raise InestimableError("'replicates' is a number where a list of numbers is needed")
    m2, m3, m4 = moments
    return SiteSummary(
        site=site,
        value=value,
        n=n,
        standard_error=_number(given, "standard_error"),
        n_patients=None if patients is None else int(patients),
        moments=None if m2 is None else Moments(n, value, m2, m3 or 0.0, m4 or 0.0),
        replicates=None if replicates is None else np.asarray(replicates, dtype=np.float64),
    )


def _number(given: Mapping[str, float | Sequence[float]], name: str) -> float | None:
    value = given.get(name)
    if value is None or isinstance(value, int | float):
        return value
    raise InestimableError(f"'{name}' is a list where a number is needed")
