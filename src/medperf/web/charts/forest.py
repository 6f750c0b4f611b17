"""The forest plot: a model at each site, over all sites, and where the next site is expected."""

from medperf.domain.leaderboards import Leaderboard, LeaderboardCell, LeaderboardRow
from medperf.web.charts.intervals import Group, Line, interval_plot
from medperf.web.figures import Chart, Table
from medperf.web.numbers import NONE, count, interval, number

POOLED = "all sites"


def forest(leaderboard: Leaderboard, metric: str) -> Chart | None:
    """The plot of one metric; None if no model has a value of it."""
    cells = [(row, cell) for row in leaderboard.rows for cell in row.cells]
    shown = [
        (row, cell)
        for row, cell in cells
        if cell.metric == metric and cell.class_label is None and cell.value is not None
    ]
    if not shown:
        return None
    groups = [Group(_title(row), _lines(cell)) for row, cell in shown]
    best = shown[0]
    return Chart(
        name=f"forest-{metric}",
        title=f"{metric} at each site and over all sites",
        summary=(
            f"Forest plot of {metric} for {len(shown)} models. {best[0].model} has"
            f" {number(best[1].value)} over all sites. All values are in the table."
        ),
        spec=interval_plot(groups, metric),
        table=_table(shown),
    )


def _title(row: LeaderboardRow) -> str:
    return row.model if row.rank is None else f"{row.rank}. {row.model}"


def _lines(cell: LeaderboardCell) -> tuple[Line, ...]:
    sites = [Line(each.site, each.value, each.n, each.interval) for each in cell.sites]
    # The caller shows no cell without a value.
    value = 0.0 if cell.value is None else cell.value
    pooled = Line(POOLED, value, cell.n, cell.interval, cell.prediction, is_pooled=True)
    return (*sites, pooled)


def _table(shown: list[tuple[LeaderboardRow, LeaderboardCell]]) -> Table:
    rows = []
    for row, cell in shown:
        rows += [
            (
                row.model,
                each.site,
                number(each.value),
                interval(each.interval),
                count(each.n),
                NONE if each.interval is None else each.interval.method,
            )
            for each in cell.sites
        ]
        rows.append(
            (
                row.model,
                POOLED,
                number(cell.value),
                interval(cell.interval),
                count(cell.n),
                cell.method or NONE,
            )
        )
        if cell.prediction is not None:
            method = cell.prediction.method
            rows.append((row.model, "the next site", NONE, interval(cell.prediction), NONE, method))
    headers = ("Model", "Site", "Value", "Interval", "Cases", "Method")
    return Table(headers, tuple(rows), numeric=frozenset({2, 3, 4}))
