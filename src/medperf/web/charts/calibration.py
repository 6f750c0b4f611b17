"""Calibration: of the cases with like scores, how many have the condition?"""

from medperf.domain.leaderboards import CalibrationPoint, Leaderboard, LeaderboardRow
from medperf.web.charts import theme
from medperf.web.figures import Chart, Table
from medperf.web.numbers import count, interval, number

_SIDE = 190
_MOST_COLUMNS = 3
_FOUR = 4


def calibration(leaderboard: Leaderboard) -> Chart | None:
    """A panel for each model that has calibration points; None if none has."""
    found = [(row, _points(row)) for row in leaderboard.rows if _points(row)]
    if not found:
        return None
    values = [
        {
            "model": row.model,
            "score": point.mean_score,
            "observed": point.observed,
            "n": point.n,
            **(
                {"lower": point.interval.lower, "upper": point.interval.upper}
                if point.interval
                else {}
            ),
        }
        for row, points in found
        for point in points
    ]
    x, y = _axis("mean score"), _axis("observed share")
    diagonal = {
        "mark": {"type": "rule", "strokeDash": [4, 4], "color": theme.EDGE.light},
        "encoding": {
            "x": {"datum": 0, **x},
            "y": {"datum": 0, **y},
            "x2": {"datum": 1},
            "y2": {"datum": 1},
        },
    }
    tooltip = [
        {"field": "score", "title": "mean score", "format": ".3f"},
        {"field": "observed", "format": ".3f"},
        {"field": "n", "title": "cases"},
    ]
    spec = theme.specification(
        {
            "data": {"values": values},
            "facet": {
                "field": "model",
                "sort": [row.model for row, _ in found],
                "title": None,
                "header": {"labelAnchor": "start", "labelLimit": _SIDE},
            },
            "columns": _columns(len(found)),
            "spacing": 26,
            "spec": {
                "width": _SIDE,
                "height": _SIDE,
                "layer": [
                    diagonal,
                    {
                        "mark": {"type": "rule", "strokeWidth": 1.5, "color": theme.MUTED.light},
                        "encoding": {
                            "x": {"field": "score", **x},
                            "y": {"field": "lower", **y},
                            "y2": {"field": "upper"},
                        },
                    },
                    {
                        "mark": {"type": "line", "strokeWidth": 1.5, "color": theme.ACCENT.light},
                        "encoding": {
                            "x": {"field": "score", **x},
                            "y": {"field": "observed", **y},
                        },
                    },
                    {
                        "mark": {
                            "type": "point",
                            "filled": True,
                            "opacity": 1,
                            "size": 55,
                            "color": theme.ACCENT.light,
                        },
                        "encoding": {
                            "x": {"field": "score", **x},
                            "y": {"field": "observed", **y},
                            "tooltip": tooltip,
                        },
                    },
                ],
            },
        }
    )
    return Chart(
        name="calibration",
        title="Calibration",
        summary=(
            f"Calibration of {len(found)} models: the share of positive cases against the mean"
            " score. On the dashed line both are equal."
        ),
        spec=spec,
        table=Table(
            ("Model", "Mean score", "Observed share", "Interval", "Cases"),
            tuple(
                (
                    row.model,
                    number(point.mean_score),
                    number(point.observed),
                    interval(point.interval),
                    count(point.n),
                )
                for row, points in found
                for point in points
            ),
            numeric=frozenset({1, 2, 3, 4}),
        ),
    )


def _points(row: LeaderboardRow) -> tuple[CalibrationPoint, ...]:
    return next((cell.calibration for cell in row.cells if cell.calibration), ())


def _axis(title: str) -> dict[str, object]:
    return {
        "type": "quantitative",
        "scale": {"domain": [0, 1], "nice": False},
        "axis": {"title": title, "values": [0, 0.5, 1], "grid": True},
    }


def _columns(n_panels: int) -> int:
    # Four panels make a square, not a row of three and one left over.
    return 2 if n_panels == _FOUR else min(_MOST_COLUMNS, n_panels)
