"""What it takes to run a model: time and memory of a case."""

from typing import Any

from medperf.domain.leaderboards import Leaderboard
from medperf.web.charts import theme
from medperf.web.figures import Chart, Table
from medperf.web.numbers import seconds, size

_WIDTH = 200
_MEBIBYTE = 2**20


def cost(leaderboard: Leaderboard) -> Chart | None:
    """Bars of seconds and of memory; None if nothing is known of any model."""
    rows = [(row, row.cost) for row in leaderboard.rows if row.cost is not None]
    if not rows:
        return None
    values = [
        {
            "model": row.model,
            "order": order,
            "seconds": found.seconds_per_case,
            "memory": None
            if found.peak_memory_bytes is None
            else round(found.peak_memory_bytes / _MEBIBYTE, 3),
            "seconds_text": seconds(found.seconds_per_case),
            "memory_text": size(found.peak_memory_bytes),
        }
        for order, (row, found) in enumerate(rows)
    ]
    fastest = min(
        (pair for pair in rows if pair[1].seconds_per_case is not None),
        key=lambda pair: pair[1].seconds_per_case or 0.0,
        default=None,
    )
    found_fastest = (
        ""
        if fastest is None
        else f" {fastest[0].model} is fastest with {seconds(fastest[1].seconds_per_case)} a case."
    )
    return Chart(
        name="cost",
        title="Cost of inference",
        summary=f"Median time a case and peak memory of {len(rows)} models.{found_fastest}",
        spec=theme.specification(
            {
                "data": {"values": values},
                "hconcat": _panels(values),
                "spacing": 80,
            }
        ),
        table=Table(
            ("Model", "Time a case", "Peak memory"),
            tuple(
                (row.model, seconds(found.seconds_per_case), size(found.peak_memory_bytes))
                for row, found in rows
            ),
            numeric=frozenset({1, 2}),
        ),
    )


def _panels(values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A panel of what is known of some model: not every runner measures memory."""
    titles = {"seconds": "seconds a case", "memory": "peak memory, MiB"}
    known = [field for field in titles if any(value[field] is not None for value in values)]
    return [_bars(field, titles[field], names=field == known[0]) for field in known]


def _bars(field: str, title: str, *, names: bool) -> dict[str, Any]:
    y: dict[str, Any] = {
        "field": "model",
        "type": "nominal",
        "sort": {"field": "order", "op": "min"},
        "axis": {"title": None} if names else None,
    }
    axis = {"title": title, "tickCount": 4, "grid": False}
    x = {"field": field, "type": "quantitative", "axis": axis}
    return {
        "width": _WIDTH,
        "height": {"step": 26},
        "encoding": {"y": y},
        "layer": [
            {
                "mark": {"type": "bar", "height": 12, "color": theme.ACCENT.light},
                "encoding": {"x": x},
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 6},
                "encoding": {"x": x, "text": {"field": f"{field}_text"}},
            },
        ],
    }
