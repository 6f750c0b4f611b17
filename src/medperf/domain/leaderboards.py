"""Leaderboards: what the results of many sites say together, and how sure that is."""

from typing import Any

from pydantic import Field

from medperf.domain.identifiers import Id, UtcTime
from medperf.domain.wire import Record


class IntervalRecord(Record):
    """From ``lower`` to ``upper`` at a confidence ``level``, by a versioned ``method``."""

    lower: float
    upper: float
    level: float
    method: str


class SiteEstimate(Record):
    """One site's contribution to a leaderboard cell; ``n_patients`` where the site told it."""

    site: str
    value: float
    n: int
    n_patients: int | None = None
    interval: IntervalRecord | None = None


class SubgroupEstimate(Record):
    """A pre-registered subgroup over all sites; ``n_suppressed`` sites had too few cases of it."""

    variable: str
    subgroup: str
    value: float | None
    n: int
    n_sites: int = 0
    n_suppressed: int = 0
    interval: IntervalRecord | None = None


class SubgroupGap(Record):
    """The best against the worst subgroup of a variable; the interval counts all pairs."""

    variable: str
    better: str
    worse: str
    difference: float
    interval: IntervalRecord | None = None


class Standardized(Record):
    """The value in the plan's population of reference for a variable."""

    variable: str
    value: float
    n_effective: float
    interval: IntervalRecord | None = None


class CalibrationPoint(Record):
    """Cases of like scores: their mean score, and the share of them that is positive."""

    mean_score: float
    observed: float
    n: int
    interval: IntervalRecord | None = None


class AurocOfAllCases(Record):
    """The AUROC over all cases of all sites in one heap, from histograms of scores.

    It compares cases of different sites with each other, which the cell's own value, a mean over
    sites, does not. With the scores themselves it would lie between ``lowest`` and ``highest``.
    """

    value: float
    n: int
    lowest: float
    highest: float
    interval: IntervalRecord | None = None


class LeaderboardCell(Record):
    """A metric of a model over all sites; ``sites`` is empty where only pooled may be seen.

    ``tau`` is the standard deviation between sites' true values in units of the metric, ``i2`` the
    share (0 to 1) of visible differences that is not chance, ``prediction`` where the next site's
    true value is expected. ``class_label`` names the class of a per-class metric. ``notes`` say, in
    sentences that name no site, why a number is not there or is not what the plan asks for.
    """

    metric: str
    value: float | None
    n: int
    n_sites: int = 0
    class_label: str | None = None
    method: str | None = None
    interval: IntervalRecord | None = None
    prediction: IntervalRecord | None = None
    tau: float | None = None
    i2: float | None = None
    worst_site: str | None = None
    sites: tuple[SiteEstimate, ...] = ()
    subgroups: tuple[SubgroupEstimate, ...] = ()
    gaps: tuple[SubgroupGap, ...] = ()
    standardized: tuple[Standardized, ...] = ()
    auroc_of_all_cases: AurocOfAllCases | None = None
    calibration: tuple[CalibrationPoint, ...] = ()
    calibration_error: float | None = None
    notes: tuple[str, ...] = ()


class InferenceCost(Record):
    """What it took to run a model: medians over the executions that were shown."""

    seconds_per_case: float | None = None
    peak_memory_bytes: int | None = None


class LeaderboardRow(Record):
    """One model. ``n_missing`` counts approved datasets without a shown result.

    ``rank_from`` to ``rank_to`` are the ranks that the data do not exclude, for all models at once;
    ``tie_group`` 1 holds the best model and all not significantly worse; ``share_first`` is the
    share of draws of what could have been seen in which the model comes first, not adjusted for
    being one of many. None where replicates do not allow it.
    """

    rank: int | None
    model_id: Id
    model: str
    version: int = 1
    organization: str
    cells: tuple[LeaderboardCell, ...]
    n_results: int
    n_missing: int
    n_cases: int
    n_failed_cases: int
    n_failed_executions: int
    rank_from: int | None = None
    rank_to: int | None = None
    tie_group: int | None = None
    share_first: float | None = None
    cost: InferenceCost | None = None


class Comparison(Record):
    """Two models on the same patients, by one metric: ``first`` less ``second``.

    Only the ``n_sites`` datasets that both ran on count, ``n`` cases of each. ``p_adjusted`` counts
    that it is one of many (Holm). ``verdict`` is of the first, ``verdict_of_second`` of the other:
    superior, non_inferior (by ``margin``), inferior or inconclusive. ``is_exploratory`` marks what
    the analysis plan did not fix beforehand; it is not adjusted, as nobody knows for what.
    """

    metric: str
    first_id: Id
    second_id: Id
    first: str
    second: str
    difference: float | None
    n: int
    interval: IntervalRecord | None
    p_value: float | None
    p_adjusted: float | None
    verdict: str
    verdict_of_second: str = "inconclusive"
    margin: float | None = None
    n_sites: int = 0
    is_exploratory: bool = False
    notes: tuple[str, ...] = ()


class Stability(Record):
    """How much of the order is chance: Kendall's tau between the order shown and others.

    ``tau`` is the mean over draws of what could have been seen as well, with its 95 % range, over
    the ``n_sites`` datasets that all ranked models ran on; ``method`` says how they are drawn.
    ``agreement`` holds tau between the orders by the primary and by each other metric.
    """

    tau: float | None = None
    tau_lower: float | None = None
    tau_upper: float | None = None
    n_sites: int = 0
    method: str | None = None
    agreement: dict[str, float] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Leaderboard(Record):
    """The models of a benchmark in order of its primary metric, as far as the caller may see.

    ``comparisons`` are of each two models by the primary metric. Everything follows from the
    results shown and the ``analysis_plan``, whose digest every result names.
    """

    benchmark_id: Id
    benchmark: str
    version: int = 1
    primary: str | None
    direction: str | None
    metrics: tuple[str, ...]
    rows: tuple[LeaderboardRow, ...]
    comparisons: tuple[Comparison, ...] = ()
    stability: Stability | None = None
    rank_method: str | None = None
    analysis_plan: dict[str, Any] = Field(default_factory=dict)
    analysis_plan_digest: str = ""
    withheld_reason: str = ""
    as_of: UtcTime


class TrendPoint(Record):
    """One version of something, and how it differs from the version before it.

    ``difference`` is this version less the one before, on the same datasets where ``is_paired``.
    ``is_worse`` is the alarm: worse for sure, all changes of the trend counted (Holm). ``id`` is
    absent where a dataset's would give away a site that has a pseudonym.
    """

    id: Id | None
    version: int
    value: float | None
    n: int
    n_sites: int
    interval: IntervalRecord | None = None
    difference: float | None = None
    difference_interval: IntervalRecord | None = None
    is_paired: bool = False
    p_value: float | None = None
    p_adjusted: float | None = None
    is_worse: bool = False
    notes: tuple[str, ...] = ()


class TrendLine(Record):
    """The versions of a model, of a dataset (for one model), or of the benchmark (for one model).

    ``kind`` is model, dataset or benchmark; ``model`` and ``site`` say of which, where it is one.
    """

    kind: str
    name: str
    model_id: Id | None = None
    model: str | None = None
    site: str | None = None
    points: tuple[TrendPoint, ...]


class Trend(Record):
    """The primary metric over versions, as far as the caller may see."""

    benchmark_id: Id
    benchmark: str
    primary: str | None
    direction: str | None
    lines: tuple[TrendLine, ...]
    n_worse: int = 0
    withheld_reason: str = ""
    as_of: UtcTime
