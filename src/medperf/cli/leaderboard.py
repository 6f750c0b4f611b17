"""A leaderboard for people: one line a model, with how sure its place is; or as files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medperf.cli.figures import (
    bracketed,
    decimals_of,
    figure,
    forest,
    forest_scale,
    percent,
    signed,
)
from medperf.cli.output import note, terminal_width, write
from medperf.cli.tables import GAP, Column, layout
from medperf.cli.text import printable, width_of

MOST_METRICS = 5
ROOM = 9  # cells that a further metric takes
FOREST = (16, 40)

Board = Mapping[str, Any]


def show(leaderboard: Board, *, by_site: bool = False, by_subgroup: bool = False) -> None:
    """Write a leaderboard for people."""
    write(printable(heading(leaderboard)))
    if leaderboard["withheld_reason"]:
        write(leaderboard["withheld_reason"])
    if not leaderboard["rows"]:
        write("No results to show yet.")
        return
    columns = _columns(leaderboard)
    write(layout(leaderboard["rows"], columns, terminal_width()))
    for line in _reading(leaderboard):
        write(printable(line))
    if by_site:
        _show_sites(leaderboard)
    if by_subgroup:
        _show_subgroups(leaderboard)
    n_shown = sum(column.title in leaderboard["metrics"] for column in columns)
    if len(leaderboard["metrics"]) > n_shown:
        note(f"{len(leaderboard['metrics']) - n_shown} more metrics: --json has all of them.")


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


def heading(leaderboard: Board) -> str:
    """What is shown: the benchmark, its primary metric, and which way is better."""
    better = {"higher": "higher is better", "lower": "lower is better"}
    primary = leaderboard["primary"] or "free-form"
    said = f"{primary} {better.get(leaderboard['direction'] or '', '')}".strip()
    return f"{leaderboard['benchmark']}: {said}"


def place(row: Board) -> str:
    """A rank, and the ranks that the data do not exclude: ``2 (1-4)``."""
    if row["rank"] is None:
        return "-"
    if row.get("rank_from") is None:
        return str(row["rank"])
    if row["rank_from"] == row["rank_to"]:
        return f"{row['rank']} ({row['rank_from']})"
    return f"{row['rank']} ({row['rank_from']}-{row['rank_to']})"


def cell_of(row: Board, metric: str) -> Board | None:
    """The cell of a metric over all classes; None if there is none."""
    found: Board | None = next(
        (
            cell
            for cell in row["cells"]
            if cell["metric"] == metric and cell.get("class_label") is None
        ),
        None,
    )
    return found


def title_of(row: Board) -> str:
    """A model's name, with its version from the second on."""
    version = row.get("version", 1)
    return row["model"] if version == 1 else f"{row['model']} v{version}"


def _columns(leaderboard: Board) -> list[Column]:
    rows, primary = leaderboard["rows"], leaderboard["primary"]
    columns = [Column("rank", value=place)]
    if any(row.get("tie_group") is not None for row in rows):
        columns.append(Column("tie", "tie_group"))
    columns += [Column("model", value=title_of), Column("by", "organization")]
    metrics = list(leaderboard["metrics"])
    if primary in metrics:
        columns.append(_with_interval(primary))
        metrics.remove(primary)
    if any(row.get("share_first") is not None for row in rows):
        columns.append(Column("first", value=lambda row: percent(row.get("share_first"))))
    counts = [
        Column("results", value=lambda row: f"{row['n_results']}/{_expected(row)}"),
        Column("cases", "n_cases"),
        Column("failed", "n_failed_cases"),
    ]
    return columns + _further(metrics, rows, [*columns, *counts]) + counts


def _further(
    metrics: Sequence[str], rows: Sequence[Board], columns: Sequence[Column]
) -> list[Column]:
    """As many other metrics as fit beside the rest."""
    width, most = terminal_width(), MOST_METRICS - 1
    if width is not None:
        room, most = width - _taken(columns, rows), 0
        for metric in metrics[: MOST_METRICS - 1]:
            room -= max(ROOM, len(metric) + 2)
            most += room >= 0
    return [_plain(metric) for metric in metrics[:most]]


def _plain(metric: str) -> Column:
    return Column(metric, value=lambda row: figure(cell_of(row, metric)))


def _with_interval(metric: str) -> Column:
    return Column(metric, value=lambda row: bracketed(cell_of(row, metric)))


def _expected(row: Board) -> int:
    expected: int = row["n_results"] + row["n_missing"]
    return expected


def _reading(leaderboard: Board) -> list[str]:
    """How to read it, as far as there is something to read; every note once."""
    lines = []
    if any(row.get("rank_from") is not None for row in leaderboard["rows"]):
        lines.append(
            "Ranks in brackets are not excluded by the data; those of one tie it cannot tell apart."
        )
    if any(row.get("share_first") is not None for row in leaderboard["rows"]):
        lines.append(
            "First: the share of draws of what could have been seen in which a model leads."
        )
        lines.append(
            "A tie holds for all pairs at once: a model may lead in most draws and share it."
        )
    stability = leaderboard.get("stability") or {}
    if stability.get("tau") is not None:
        lines.append(
            f"Order in such draws against this one: tau {stability['tau']:.2f}"
            " (1 always the same, 0 no relation)."
        )
    seen: dict[str, list[str]] = {}
    for row in leaderboard["rows"]:
        cell = cell_of(row, leaderboard["primary"] or "") or {}
        for said in cell.get("notes", ()):
            seen.setdefault(said, []).append(title_of(row))
    lines += [f"{', '.join(models)}: {said}." for said, models in seen.items()]
    return ["", *lines] if lines else []


def _show_sites(leaderboard: Board) -> None:
    rows = []
    for row in leaderboard["rows"]:
        cell = cell_of(row, leaderboard["primary"] or "")
        if cell is None or not cell["sites"]:
            continue
        title = title_of(row)
        for site in cell["sites"]:
            worst = " (worst)" if site["site"] == cell.get("worst_site") else ""
            rows.append({**site, "model": title, "what": site["site"] + worst})
            title = " "
        rows.append({**_pooled(cell), "model": title, "what": "all sites"})
    if not rows:
        return
    scale = forest_scale(rows)
    columns = [Column("model", "model"), Column("site", "what")]
    columns += [Column(leaderboard["primary"], value=bracketed), Column("cases", "n")]
    least, most = FOREST
    width = terminal_width()
    room = most if width is None else min(max(width - _taken(columns, rows), least), most)
    columns.append(Column(_axis(scale, room), value=lambda row: forest(row, scale, room)))
    write("\n" + layout(rows, columns, width))


def _taken(columns: Sequence[Column], rows: Sequence[Board]) -> int:
    """How wide columns are, with a gap after each."""
    cells = [[column.title, *(column.cell(row) for row in rows)] for column in columns]
    return sum(max(map(width_of, some)) + len(GAP) for some in cells)


def _pooled(cell: Board) -> dict[str, Any]:
    return {"value": cell["value"], "n": cell["n"], "interval": cell.get("interval")}


def _axis(scale: tuple[float, float], room: int) -> str:
    low, high = (f"{end:.3g}" for end in scale)
    return low + " " * max(1, room - len(low) - len(high)) + high


def _show_subgroups(leaderboard: Board) -> None:
    rows, gaps = [], []
    for row in leaderboard["rows"]:
        cell = cell_of(row, leaderboard["primary"] or "") or {}
        for each in cell.get("subgroups", ()):
            what = f"{each['variable']}: {each['subgroup']}"
            rows.append({"model": title_of(row), "what": what, **each})
        for gap in cell.get("gaps", ()):
            places = decimals_of(cell.get("interval"))
            said = f"{gap['better']} against {gap['worse']} {signed(gap['difference'], places)}"
            interval = gap.get("interval")
            if interval:
                said += (
                    f" ({signed(interval['lower'], places)} to {signed(interval['upper'], places)})"
                )
            gaps.append(f"{title_of(row)}, largest gap in {gap['variable']}: {said}")
    if not rows:
        write("\nThe plan has no subgroups, or no result says anything about them.")
        return
    columns = [Column("model", "model"), Column("subgroup", "what")]
    columns += [Column(leaderboard["primary"], value=bracketed), Column("cases", "n")]
    columns.append(Column("suppressed at", value=lambda row: row.get("n_suppressed") or "-"))
    write("\n" + layout(rows, columns, terminal_width()))
    for line in gaps:
        write(printable(line))
