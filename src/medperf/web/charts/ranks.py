"""Ranks with their intervals: how much of the order the data can tell."""

from medperf.domain.leaderboards import Leaderboard, LeaderboardRow
from medperf.web.charts import theme
from medperf.web.figures import Chart, Table
from medperf.web.numbers import NONE, percent


def ranks(leaderboard: Leaderboard) -> Chart | None:
    """The plot of rank intervals and tie groups; None if no model has an interval of its rank."""
    rows = [row for row in leaderboard.rows if row.rank is not None and row.rank_from is not None]
    if not rows:
        return None
    values = [
        {
            "model": row.model,
            "rank": row.rank,
            "from": row.rank_from,
            "to": row.rank_to,
            "group": _group(row),
            "text": f"{row.rank} ({row.rank_from} to {row.rank_to})",
            "order": order,
        }
        for order, row in enumerate(rows)
    ]
    last = max(max(row.rank or 1, row.rank_to or 1) for row in rows)
    groups = sorted({str(value["group"]) for value in values})
    color = {
        "field": "group",
        "type": "nominal",
        "legend": {"title": None, "orient": "top"},
        "scale": {
            "domain": groups,
            "range": _cycled([role.light for role in theme.SERIES], groups),
        },
    }
    shape = {**color, "scale": {"domain": groups, "range": _cycled(list(theme.SHAPES), groups)}}
    x = {
        "type": "quantitative",
        "scale": {"domain": [0.5, last + 0.5], "nice": False},
        "axis": {
            "title": "rank (1 is best)",
            "values": list(range(1, last + 1)),
            "format": "d",
        },
    }
    tooltip = [{"field": "model"}, {"field": "text", "title": "rank"}, {"field": "group"}]
    return Chart(
        name="ranks",
        title="Ranks that the data do not exclude",
        summary=_summary(rows),
        spec=theme.specification(
            {
                "data": {"values": values},
                "width": theme.WIDTH,
                "height": {"step": 28},
                "encoding": {
                    "y": {
                        "field": "model",
                        "type": "nominal",
                        "axis": {"title": None},
                        "sort": {"field": "order", "op": "min"},
                    }
                },
                "layer": [
                    {
                        "mark": {"type": "rule", "strokeWidth": 5, "strokeCap": "round"},
                        "encoding": {
                            "x": {"field": "from", **x},
                            "x2": {"field": "to"},
                            "color": color,
                            "tooltip": tooltip,
                        },
                    },
                    {
                        "mark": {"type": "point", "filled": True, "size": 150, "opacity": 1},
                        "encoding": {
                            "x": {"field": "rank", **x},
                            "color": color,
                            "shape": shape,
                            "tooltip": tooltip,
                        },
                    },
                    {
                        "mark": {"type": "text", "align": "left"},
                        "encoding": {
                            "x": {"value": theme.WIDTH + 14},
                            "text": {"field": "text"},
                        },
                    },
                ],
            }
        ),
        table=Table(
            ("Model", "Rank", "From", "To", "Tie group", "First in draws"),
            tuple(
                (
                    row.model,
                    str(row.rank),
                    str(row.rank_from),
                    str(row.rank_to),
                    NONE if row.tie_group is None else str(row.tie_group),
                    percent(row.share_first),
                )
                for row in rows
            ),
            numeric=frozenset({1, 2, 3, 4, 5}),
        ),
    )


def _group(row: LeaderboardRow) -> str:
    return "no tie group" if row.tie_group is None else f"tie group {row.tie_group}"


def _cycled(values: list[str], groups: list[str]) -> list[str]:
    return [values[index % len(values)] for index in range(len(groups))]


def _summary(rows: list[LeaderboardRow]) -> str:
    first = [row.model for row in rows if row.tie_group == 1]
    if len(first) > 1:
        return f"The data cannot tell which of these is best: {', '.join(first)}."
    best = rows[0]
    return (
        f"{best.model} ranks {best.rank}; the data exclude no rank from"
        f" {best.rank_from} to {best.rank_to}."
    )
