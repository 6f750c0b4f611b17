"""Estimates with their intervals in a column, grouped: what forest plots and gaps are made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from medperf.domain.leaderboards import IntervalRecord
from medperf.web.charts import theme
from medperf.web.numbers import estimate

_MARGIN = 0.06
_NARROWEST = 0.02


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a plot. ``is_pooled`` sets what sums up the others apart from them.

    ``prediction`` is where the next of the same kind is expected.
    """

    label: str
    value: float
    n: int
    interval: IntervalRecord | None = None
    prediction: IntervalRecord | None = None
    is_pooled: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Lines that belong together, under a title."""

    title: str
    lines: tuple[Line, ...]


def interval_plot(groups: Sequence[Group], axis: str) -> dict[str, Any]:
    """A panel for each group, one below the other on one scale, numbers at the right."""
    values = [
        {
            "group": group.title,
            "label": line.label,
            "order": order,
            "value": line.value,
            "n": line.n,
            "kind": "pooled" if line.is_pooled else "one",
            "text": estimate(line.value, line.interval),
            "count": f"n = {line.n}",
            **_ends("lower", "upper", line.interval),
            **_ends("next_lower", "next_upper", line.prediction),
        }
        for group in groups
        for order, line in enumerate(group.lines)
    ]
    scale = {"domain": domain(values), "nice": False, "zero": False}
    x = {"type": "quantitative", "scale": scale, "axis": {"title": axis, "tickCount": 6}}
    y = {
        "field": "label",
        "type": "nominal",
        "axis": {"title": None},
        "sort": {"field": "order", "op": "min"},
    }
    return theme.specification(
        {
            "data": {"values": values},
            "facet": {
                "row": {
                    "field": "group",
                    "sort": [group.title for group in groups],
                    "title": None,
                    "header": {"labelAngle": 0, "labelAnchor": "start", "labelOrient": "top"},
                }
            },
            "spacing": 14,
            "resolve": {"scale": {"y": "independent"}},
            "spec": {
                "width": theme.WIDTH,
                "height": {"step": 22},
                "encoding": {"y": y},
                "layer": _layers(x),
            },
        }
    )


def domain(values: Sequence[dict[str, Any]]) -> list[float]:
    """From the lowest to the highest end, with a little room."""
    names = ("value", "lower", "upper", "next_lower", "next_upper")
    ends = [value[name] for value in values for name in names if value.get(name) is not None]
    low, high = min(ends), max(ends)
    room = max((high - low) * _MARGIN, _NARROWEST / 2)
    return [round(low - room, 6), round(high + room, 6)]


def _ends(lower: str, upper: str, record: IntervalRecord | None) -> dict[str, float]:
    return {} if record is None else {lower: record.lower, upper: record.upper}


def _layers(x: dict[str, Any]) -> list[dict[str, Any]]:
    tooltip = [
        {"field": "label", "title": " "},
        {"field": "text", "title": "estimate"},
        {"field": "n", "title": "cases"},
    ]
    return [
        {
            "mark": {"type": "rule", "strokeWidth": 9, "color": theme.BAND.light},
            "encoding": {"x": {"field": "next_lower", **x}, "x2": {"field": "next_upper"}},
        },
        {
            "mark": {"type": "rule", "strokeWidth": 2},
            "encoding": {
                "x": {"field": "lower", **x},
                "x2": {"field": "upper"},
                "color": _by_kind(theme.ACCENT.light, theme.MUTED.light),
                "tooltip": tooltip,
            },
        },
        {
            "mark": {"type": "point", "filled": True, "opacity": 1},
            "encoding": {
                "x": {"field": "value", **x},
                "shape": _by_kind("diamond", "square"),
                "size": _by_kind(150, 55),
                "color": _by_kind(theme.ACCENT.light, theme.INK.light),
                "tooltip": tooltip,
            },
        },
        _column("text", 14, theme.INK.light),
        _column("count", 180, theme.MUTED.light),
    ]


def _by_kind(pooled: Any, one: Any) -> dict[str, Any]:
    return {"condition": {"test": "datum.kind === 'pooled'", "value": pooled}, "value": one}


def _column(field: str, offset: int, color: str) -> dict[str, Any]:
    return {
        "mark": {"type": "text", "align": "left", "color": color},
        "encoding": {"x": {"value": theme.WIDTH + offset}, "text": {"field": field}},
    }
