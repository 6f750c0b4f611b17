"""A leaderboard as a table: one line a model, one column a metric; or as files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medperf.cli.output import note, terminal_width, write
from medperf.cli.tables import Column, layout

SHOWN_METRICS = 5


def show(leaderboard: Mapping[str, Any], *, by_site: bool = False) -> None:
    """Write a leaderboard for people."""
    arrow = {"higher": "higher is better", "lower": "lower is better"}
    better = arrow.get(leaderboard["direction"] or "", "")
    write(f"{leaderboard['benchmark']}: {leaderboard['primary'] or 'free-form'} {better}".strip())
    if leaderboard["withheld_reason"]:
        write(leaderboard["withheld_reason"])
    if not leaderboard["rows"]:
        write("No results to show yet.")
        return
    metrics = list(leaderboard["metrics"])
    columns = [Column("", "rank"), Column("model", "model"), Column("by", "organization")]
    columns += [_metric(name) for name in metrics[:SHOWN_METRICS]]
    columns += [Column("results", "n_results"), Column("missing", "n_missing")]
    columns += [Column("cases", "n_cases"), Column("failed", "n_failed_cases")]
    write(layout(leaderboard["rows"], columns, terminal_width()))
    if by_site and leaderboard["primary"]:
        _show_sites(leaderboard)
    if len(metrics) > SHOWN_METRICS:
        note(f"{len(metrics) - SHOWN_METRICS} more metrics: --json has all of them.")


def write_files(
    leaderboard: Mapping[str, Any], *, html: Path | None, csv: Path | None
) -> list[Path]:
    """Write a page and a table of a leaderboard, each if it is asked for.

    Raises:
        ConflictError: a file exists.
        NotInstalledError: what draws charts is not installed.
    """
    if html is None and csv is None:
        return []
    from medperf.cli.new_files import refuse_existing, write_new
    from medperf.domain.leaderboards import Leaderboard
    from medperf.evidence import leaderboard_page, tidy

    # A newer server may say more than this program knows.
    board = Leaderboard.model_validate(leaderboard)
    files = [path for path in (html, csv) if path is not None]
    refuse_existing(*files)
    if html is not None:
        from medperf.web.html import render

        write_new(html, render(leaderboard_page.page(board), live=True).encode())
    if csv is not None:
        write_new(csv, tidy.to_csv(board).encode())
    return files


def _metric(name: str) -> Column:
    return Column(name, value=lambda row: _value(row, name))


def _value(row: Mapping[str, Any], name: str) -> float | None:
    for cell in row["cells"]:
        if cell["metric"] == name:
            value: float | None = cell["value"]
            return value
    return None


def _show_sites(leaderboard: Mapping[str, Any]) -> None:
    rows = [
        {"model": row["model"], "site": estimate["site"], **estimate}
        for row in leaderboard["rows"]
        for cell in row["cells"]
        if cell["metric"] == leaderboard["primary"]
        for estimate in cell["sites"]
    ]
    if rows:
        columns = [Column("model", "model"), Column("site", "site")]
        columns += [Column(leaderboard["primary"], "value"), Column("cases", "n")]
        write("\n" + layout(rows, columns, terminal_width()))
