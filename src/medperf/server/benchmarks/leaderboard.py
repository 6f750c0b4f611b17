"""A benchmark's leaderboard, as far as its release policy lets the caller see it."""

from medperf.analysis.leaderboard import Board, build_board, overall_metrics, planned_metric
from medperf.domain.leaderboards import Leaderboard
from medperf.server.benchmarks.sight import Seen
from medperf.server.call import Call, Wire


def leaderboard(call: Call, number: int) -> Wire:
    """The models of a benchmark in order."""
    return leaderboard_of(Seen.of(call, number))


def leaderboard_of(seen: Seen) -> Wire:
    """The models of what is seen of a benchmark in order."""
    board = board_of(seen)
    primary = planned_metric(seen.plan, seen.plan.primary)
    return Leaderboard(
        benchmark_id=seen.benchmark["id"],
        benchmark=seen.benchmark["name"],
        version=seen.benchmark["version"],
        primary=seen.plan.primary,
        direction=None if primary is None else primary.direction.value,
        metrics=tuple(metric.name for metric in overall_metrics(seen.plan)),
        rows=board.rows,
        comparisons=board.comparisons,
        stability=board.stability,
        rank_method=board.rank_method,
        analysis_plan=seen.benchmark["analysis_plan"],
        analysis_plan_digest=seen.benchmark["analysis_plan_digest"],
        withheld_reason=seen.withheld_reason,
        as_of=seen.call.now,
    ).model_dump(mode="json")


def board_of(seen: Seen) -> Board:
    """The numbers; computed once for the same results, plan and sight."""

    def compute() -> Board:
        return build_board(seen.plan, seen.entries, seen.results(), seen.sight)

    board: Board = seen.call.server.remembered.answer(("board", *seen.key), compute)
    return board
