"""A leaderboard as a value, with everything one can hold: for tests of pages, reports and packs."""

from datetime import UTC, datetime

from medperf.domain.leaderboards import (
    CalibrationPoint,
    Comparison,
    InferenceCost,
    IntervalRecord,
    Leaderboard,
    LeaderboardCell,
    LeaderboardRow,
    SiteEstimate,
    Stability,
    Standardized,
    SubgroupEstimate,
    SubgroupGap,
    Trend,
    TrendLine,
    TrendPoint,
)

AS_OF = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
SITES = (("northfield", 205, 0.012), ("riverside", 85, -0.008), ("lakeview", 51, -0.02))
MODELS = (
    ("Logistic regression", "Committee", 0.961),
    ("Gradient boosting", "Arbor", 0.957),
    ("Random forest", "Arbor", 0.948),
    ("Nearest neighbors <5>", "Lattice & Co", 0.917),
)


def between(lower: float, upper: float, method: str = "delong-logit/v1") -> IntervalRecord:
    """An interval at 95 %."""
    return IntervalRecord(lower=lower, upper=upper, level=0.95, method=method)


def leaderboard() -> Leaderboard:
    """Four models at three sites, with all that a leaderboard can say."""
    rows = tuple(row(rank, *model) for rank, model in enumerate(MODELS, start=1))
    return Leaderboard(
        benchmark_id=1,
        benchmark="Malignant breast mass",
        primary="auroc",
        direction="higher",
        metrics=("auroc", "brier"),
        rows=rows,
        comparisons=(
            Comparison(
                metric="auroc",
                first_id=1,
                second_id=4,
                first="Logistic regression",
                second="Nearest neighbors <5>",
                difference=0.044,
                n=341,
                interval=between(0.012, 0.071, "paired-bootstrap/v1"),
                p_value=0.004,
                p_adjusted=0.024,
                verdict="superior",
                margin=0.02,
            ),
        ),
        stability=Stability(
            tau=0.81, tau_lower=0.33, tau_upper=1.0, agreement={"auroc": 1.0, "brier": 0.67}
        ),
        as_of=AS_OF,
    )


def bare() -> Leaderboard:
    """The same as a server shows it that has no intervals."""
    full = leaderboard()
    rows = tuple(
        LeaderboardRow(
            rank=row.rank,
            model_id=row.model_id,
            model=row.model,
            organization=row.organization,
            cells=tuple(
                LeaderboardCell(
                    metric=cell.metric,
                    value=cell.value,
                    n=cell.n,
                    sites=tuple(
                        SiteEstimate(site=site.site, value=site.value, n=site.n)
                        for site in cell.sites
                    ),
                )
                for cell in row.cells
            ),
            n_results=row.n_results,
            n_missing=row.n_missing,
            n_cases=row.n_cases,
            n_failed_cases=row.n_failed_cases,
            n_failed_executions=row.n_failed_executions,
        )
        for row in full.rows
    )
    return full.model_copy(update={"rows": rows, "comparisons": (), "stability": None})


def row(rank: int, model: str, organization: str, value: float) -> LeaderboardRow:
    """One model; the last one has failures."""
    is_last = rank == len(MODELS)
    return LeaderboardRow(
        rank=rank,
        model_id=rank,
        model=model,
        organization=organization,
        cells=(_auroc(value), _brier(value)),
        n_results=2 if is_last else 3,
        n_missing=1 if is_last else 0,
        n_cases=341,
        n_failed_cases=4 if is_last else 0,
        n_failed_executions=1 if is_last else 0,
        rank_from=4 if is_last else 1,
        rank_to=4 if is_last else 3,
        tie_group=2 if is_last else 1,
        share_first=(0.55, 0.31, 0.14, 0.0)[rank - 1],
        cost=InferenceCost(seconds_per_case=0.004 * rank, peak_memory_bytes=rank * 90 * 2**20),
    )


def _auroc(value: float) -> LeaderboardCell:
    return LeaderboardCell(
        metric="auroc",
        value=value,
        n=341,
        method="case-weighted/v1",
        interval=between(value - 0.02, value + 0.018, "case-weighted/v1"),
        prediction=between(value - 0.05, value + 0.03, "prediction-t/v1"),
        tau=0.01,
        i2=0.32,
        worst_site="lakeview",
        sites=tuple(
            SiteEstimate(
                site=site,
                value=value + shift,
                n=n,
                n_patients=n,
                interval=between(value + shift - 0.4 / n**0.5, value + shift + 0.2 / n**0.5),
            )
            for site, n, shift in SITES
        ),
        subgroups=tuple(
            SubgroupEstimate(
                variable="texture_group",
                subgroup=name,
                value=value + shift,
                n=n,
                n_suppressed=suppressed,
                interval=between(value + shift - 0.03, value + shift + 0.02),
            )
            for name, shift, n, suppressed in (
                ("low", 0.01, 120, 0), ("medium", 0.0, 130, 0), ("high", -0.03, 91, 1),
            )
        ),
        gaps=(
            SubgroupGap(
                variable="texture_group",
                better="low",
                worse="high",
                difference=0.04,
                interval=between(-0.005, 0.085, "gap/v1"),
            ),
        ),
        standardized=(
            Standardized(
                variable="texture_group",
                value=value - 0.004,
                n_effective=287.5,
                interval=between(value - 0.03, value + 0.02, "direct-standardization/v1"),
            ),
        ),
        calibration=tuple(
            CalibrationPoint(
                mean_score=score,
                observed=min(1.0, max(0.0, score + shift)),
                n=n,
                interval=between(
                    max(0.0, score + shift - 0.08), min(1.0, score + shift + 0.08), "wilson/v1"
                ),
            )
            for score, shift, n in ((0.05, 0.01, 150), (0.3, -0.06, 40), (0.6, 0.05, 35), (0.93, 0.0, 116))
        ),
    )  # fmt: skip


def _brier(value: float) -> LeaderboardCell:
    brier = 1 - value
    return LeaderboardCell(
        metric="brier",
        value=brier,
        n=341,
        method="case-weighted/v1",
        interval=between(brier - 0.01, brier + 0.01, "clustered-mean-t/v1"),
        sites=tuple(
            SiteEstimate(site=site, value=brier - shift / 2, n=n) for site, n, shift in SITES
        ),
    )


def trend() -> Trend:
    """A model that got worse, another of its name, and a dataset with a second version."""
    worse = TrendPoint(
        id=9,
        version=2,
        value=0.912,
        n=341,
        n_sites=3,
        interval=between(0.88, 0.94),
        difference=-0.049,
        difference_interval=between(-0.07, -0.028, "bootstrap-normal/v1"),
        is_paired=True,
        p_value=0.001,
        p_adjusted=0.003,
        is_worse=True,
    )
    first = TrendPoint(
        id=1, version=1, value=0.961, n=341, n_sites=3, interval=between(0.94, 0.975)
    )
    hidden = TrendPoint(id=2, version=1, value=None, n=0, n_sites=1, notes=("one result alone",))
    newer = TrendPoint(
        id=3,
        version=2,
        value=0.95,
        n=60,
        n_sites=1,
        difference=-0.011,
        notes=("no interval of the difference: a value has no standard error above 0",),
    )
    return Trend(
        benchmark_id=1,
        benchmark="Malignant breast mass",
        primary="auroc",
        direction="higher",
        lines=(
            TrendLine(kind="model", name="Net", points=(first, worse)),
            TrendLine(kind="model", name="Net", points=(hidden, first)),
            TrendLine(
                kind="dataset", name="nuclei", model_id=1, model="Net", points=(first, newer)
            ),
        ),
        n_worse=1,
        as_of=AS_OF,
    )
