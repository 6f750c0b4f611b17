"""Computes a bundle's leaderboard again from the results proven in it: step 11 to the end.

Every figure must come out as it is shown: pooled values and intervals, subgroups, ranks and their
intervals, comparisons and stability. Only what no result says is taken as given: names, how many
datasets take part, and how many executions failed.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from medperf.analysis.leaderboard import Board, Entry, build_board
from medperf.analysis.pooled_cells import Sight
from medperf.analysis.site_results import SiteResult
from medperf.domain.benchmarks import AnalysisPlan
from medperf.domain.errors import MedPerfError
from medperf.domain.leaderboards import Leaderboard, LeaderboardCell, LeaderboardRow
from medperf.domain.results import TypedResult
from medperf.provenance.predicates import ResultPredicate
from medperf.provenance.verdict import Verdict

_ABOUT = "leaderboard figures"
_TOLERANCE = 1e-9  # processors differ in the last digits of a sum


def check_figures(leaderboard: Any, verdict: Verdict) -> None:
    """Add to the verdict whether every figure follows from the results proven there."""
    if not verdict.results:
        return
    if any(finding.step == 11 for finding in (*verdict.failed, *verdict.missing)):  # noqa: PLR2004
        verdict.miss(11, _ABOUT, "not computed again, as not all results behind them are proven")
        return
    try:
        shown = Leaderboard.model_validate(leaderboard)
        plan = AnalysisPlan.model_validate(shown.analysis_plan)
        with_sites = any(cell.sites for row in shown.rows for cell in row.cells)
        results = [_site_result(each.statement.predicate, plan) for each in verdict.results]
        board = build_board(plan, _entries(shown.rows), results, Sight(with_sites=with_sites))
    except (ValidationError, MedPerfError) as error:
        verdict.fail(11, _ABOUT, f"they cannot be computed again: {type(error).__name__}")
        return
    wrong = next(_differences(_shown(shown), _computed(board)), None)
    if wrong is None:
        n = len(verdict.results)
        verdict.hold(11, _ABOUT, f"all of them come out the same from {n} proven results")
    else:
        verdict.fail(11, _ABOUT, f"{wrong} does not follow from the results")


def _entries(rows: Sequence[LeaderboardRow]) -> list[Entry]:
    return [
        Entry(
            row.model_id,
            row.model,
            row.organization,
            row.n_results + row.n_missing,
            row.n_failed_executions,
            row.version,
        )
        for row in rows
    ]


def _site_result(said: ResultPredicate, plan: AnalysisPlan) -> SiteResult:
    step = said.inference
    return SiteResult(
        model_id=said.model_id,
        dataset_id=said.dataset_id,
        site=f"dataset {said.dataset_id}",
        document=None if plan.free_form else TypedResult.model_validate(said.result),
        # Whoever was shown figures of a single site among pooled ones was shown their own.
        is_own=True,
        seconds=None if step is None else step.seconds,
        peak_memory_bytes=None if step is None else step.peak_memory_bytes,
    )


def _shown(leaderboard: Leaderboard) -> dict[str, Any]:
    return {
        "rows": [_row(row) for row in leaderboard.rows],
        "comparisons": [each.model_dump() for each in leaderboard.comparisons],
        "stability": None if leaderboard.stability is None else leaderboard.stability.model_dump(),
        "rank_method": leaderboard.rank_method,
    }


def _computed(board: Board) -> dict[str, Any]:
    return {
        "rows": [_row(row) for row in board.rows],
        "comparisons": [each.model_dump() for each in board.comparisons],
        "stability": None if board.stability is None else board.stability.model_dump(),
        "rank_method": board.rank_method,
    }


def _row(row: LeaderboardRow) -> dict[str, Any]:
    return {**row.model_dump(exclude={"cells"}), "cells": [_cell(cell) for cell in row.cells]}


def _cell(cell: LeaderboardCell) -> dict[str, Any]:
    """Sites have no names here: under which one a site is shown no result says."""
    sites = [site.model_dump(exclude={"site"}) for site in cell.sites]
    at_worst = {site.value for site in cell.sites if site.site == cell.worst_site}
    return {
        **cell.model_dump(exclude={"sites", "worst_site"}),
        "sites": sorted(sites, key=lambda site: (site["value"], site["n"], str(site))),
        "worst site": sorted(at_worst)[:1],
    }


def _differences(shown: Any, computed: Any, path: str = "") -> Iterator[str]:
    if isinstance(shown, Mapping) and isinstance(computed, Mapping):
        for name in sorted(shown.keys() | computed.keys()):
            yield from _differences(shown.get(name), computed.get(name), f"{path}.{name}")
    elif isinstance(shown, list | tuple) and isinstance(computed, list | tuple):
        if len(shown) != len(computed):
            yield path.lstrip(".")
        for place, (one, other) in enumerate(zip(shown, computed, strict=False)):
            yield from _differences(one, other, f"{path}.{place}")
    elif isinstance(shown, float) and isinstance(computed, float):
        if not math.isclose(shown, computed, rel_tol=_TOLERANCE, abs_tol=1e-12):
            yield path.lstrip(".")
    elif shown != computed:
        yield path.lstrip(".")
