"""Subgroups of the plan: each with its interval, and the gap between the best and the worst."""

from medperf.domain.leaderboards import Leaderboard, LeaderboardCell, LeaderboardRow
from medperf.web.charts.intervals import Group, Line, interval_plot
from medperf.web.figures import Chart, Table
from medperf.web.numbers import NONE, count, estimate, interval, number


def subgroups(leaderboard: Leaderboard, metric: str) -> tuple[Chart, ...]:
    """A plot for each subgroup variable that has values of the metric."""
    cells = [
        (row, cell)
        for row in leaderboard.rows
        for cell in row.cells
        if cell.metric == metric and cell.class_label is None and cell.subgroups
    ]
    variables = dict.fromkeys(each.variable for _, cell in cells for each in cell.subgroups)
    charts = (_chart(metric, variable, cells) for variable in variables)
    return tuple(chart for chart in charts if chart is not None)


_Cells = list[tuple[LeaderboardRow, LeaderboardCell]]


def _chart(metric: str, variable: str, cells: _Cells) -> Chart | None:
    groups = []
    widest = ("", 0.0)
    for row, cell in cells:
        lines = tuple(
            Line(each.subgroup, each.value, each.n, each.interval)
            for each in cell.subgroups
            if each.variable == variable and each.value is not None
        )
        gap = next((gap for gap in cell.gaps if gap.variable == variable), None)
        title = row.model
        if gap is not None:
            title += f": gap {estimate(gap.difference, gap.interval)}"
            widest = max(widest, (row.model, abs(gap.difference)), key=lambda pair: pair[1])
        if lines:
            groups.append(Group(title, lines))
    if not groups:
        return None
    found = f" The widest gap, {number(widest[1])}, has {widest[0]}." if widest[0] else ""
    return Chart(
        name=f"subgroups-{variable}-{metric}",
        title=f"{metric} by {variable}",
        summary=f"{metric} of {len(groups)} models in the subgroups of {variable}.{found}",
        spec=interval_plot(groups, metric),
        table=_table(variable, cells),
    )


def _table(variable: str, cells: _Cells) -> Table:
    rows: list[tuple[str, ...]] = []
    for row, cell in cells:
        rows += [
            (
                row.model,
                each.subgroup,
                number(each.value),
                interval(each.interval),
                count(each.n),
                str(each.n_suppressed),
            )
            for each in cell.subgroups
            if each.variable == variable
        ]
        rows += [
            (
                row.model,
                f"gap: {gap.better} less {gap.worse}",
                number(gap.difference),
                interval(gap.interval),
                NONE,
                NONE,
            )
            for gap in cell.gaps
            if gap.variable == variable
        ]
    headers = ("Model", "Subgroup", "Value", "Interval", "Cases", "Sites suppressed")
    return Table(headers, tuple(rows), numeric=frozenset({2, 3, 4, 5}))
