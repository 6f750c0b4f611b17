"""A leaderboard as tidy rows: one number a row, with what it is of, its n, interval and method."""

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

from medperf.domain.leaderboards import IntervalRecord, Leaderboard, LeaderboardCell, LeaderboardRow

COLUMNS = (
    "benchmark_id",
    "model_id",
    "model",
    "organization",
    "metric",
    "class_label",
    "quantity",
    "site",
    "variable",
    "subgroup",
    "other_model_id",
    "value",
    "n",
    "lower",
    "upper",
    "level",
    "method",
    "as_of",
)


def to_csv(leaderboard: Leaderboard) -> str:
    """Write all numbers of a leaderboard as CSV."""
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    for row in rows(leaderboard):
        writer.writerow({key: _safe(value) for key, value in row.items() if value is not None})
    return file.getvalue()


def rows(leaderboard: Leaderboard) -> Iterator[dict[str, Any]]:
    """One number a row; ``quantity`` says which."""
    shared = {
        "benchmark_id": leaderboard.benchmark_id,
        "as_of": leaderboard.as_of.isoformat().replace("+00:00", "Z"),
    }
    for row in leaderboard.rows:
        model = {
            **shared,
            "model_id": row.model_id,
            "model": row.model,
            "organization": row.organization,
        }
        for number in _of_row(row):
            yield {**model, "metric": leaderboard.primary, **number}
        for cell in row.cells:
            named = {**model, "metric": cell.metric, "class_label": cell.class_label}
            for number in _of_cell(cell):
                yield {**named, **number}
    for each in leaderboard.comparisons:
        pair = {
            **shared,
            "metric": each.metric,
            "model_id": each.first_id,
            "model": each.first,
            "other_model_id": each.second_id,
        }
        yield {**pair, **_number("difference", each.difference, each.interval, n=each.n)}
        if each.p_value is not None:
            yield {**pair, "quantity": "p_value", "value": each.p_value, "n": each.n}
        if each.p_adjusted is not None:
            yield {**pair, "quantity": "p_adjusted", "value": each.p_adjusted, "n": each.n}


def _of_row(row: LeaderboardRow) -> Iterator[dict[str, Any]]:
    if row.rank is not None:
        yield {
            "quantity": "rank",
            "value": row.rank,
            "n": row.n_cases,
            "lower": row.rank_from,
            "upper": row.rank_to,
        }
    counts: Mapping[str, float | None] = {
        "tie_group": row.tie_group,
        "share_first": row.share_first,
        "results": row.n_results,
        "results_missing": row.n_missing,
        "executions_failed": row.n_failed_executions,
        "cases": row.n_cases,
        "cases_failed": row.n_failed_cases,
        "seconds_per_case": row.cost.seconds_per_case if row.cost else None,
        "peak_memory_bytes": row.cost.peak_memory_bytes if row.cost else None,
    }
    for quantity, value in counts.items():
        if value is not None:
            # These are of the model, not of its primary metric.
            yield {"quantity": quantity, "value": value, "metric": None}


def _of_cell(cell: LeaderboardCell) -> Iterator[dict[str, Any]]:
    if cell.value is not None:
        yield _number("pooled", cell.value, cell.interval, n=cell.n, method=cell.method)
    if cell.prediction is not None:
        yield _number("next_site", None, cell.prediction)
    singles = {"tau": cell.tau, "i2": cell.i2, "calibration_error": cell.calibration_error}
    yield from (
        {"quantity": name, "value": value} for name, value in singles.items() if value is not None
    )
    if (whole := cell.auroc_of_all_cases) is not None:
        yield _number("auroc_of_all_cases", whole.value, whole.interval, n=whole.n)
    for site in cell.sites:
        yield {**_number("site", site.value, site.interval, n=site.n), "site": site.site}
    yield from _of_subgroups(cell)
    for point in cell.calibration:
        bin_ = {"variable": "mean score", "subgroup": repr(point.mean_score)}
        yield {**_number("calibration", point.observed, point.interval, n=point.n), **bin_}


def _of_subgroups(cell: LeaderboardCell) -> Iterator[dict[str, Any]]:
    for each in cell.subgroups:
        named = {"variable": each.variable, "subgroup": each.subgroup}
        yield {**_number("subgroup", each.value, each.interval, n=each.n), **named}
    for gap in cell.gaps:
        named = {"variable": gap.variable, "subgroup": f"{gap.better} less {gap.worse}"}
        yield {**_number("gap", gap.difference, gap.interval), **named}
    for wide in cell.standardized:
        found = _number("standardized", wide.value, wide.interval, n=round(wide.n_effective, 1))
        yield {**found, "variable": wide.variable}


def _number(
    quantity: str,
    value: float | None,
    interval: IntervalRecord | None,
    *,
    n: float | None = None,
    method: str | None = None,
) -> dict[str, Any]:
    found: dict[str, Any] = {"quantity": quantity, "value": value, "n": n, "method": method}
    if interval is not None:
        found |= {
            "lower": interval.lower,
            "upper": interval.upper,
            "level": interval.level,
            "method": method or interval.method,
        }
    return found


def _safe(value: Any) -> Any:
    # A name that a spreadsheet would run as a formula stays text.
    runs = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if runs else value
