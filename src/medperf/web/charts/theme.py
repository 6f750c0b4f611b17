"""One look for every chart: colors by role, type, and what each role becomes on a page.

Specifications carry the colors of the light theme. On a page each is replaced by the CSS variable
of its role, so that a chart follows the reader's light or dark setting without being drawn again.
Each color has a contrast of 3:1 or more (text: 4.5:1 or more) to the background of its theme.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FONT = "Arimo, Arial, Helvetica, Liberation Sans, sans-serif"
WIDTH = 360
"""Of the plotting area, in pixels; what stands beside it comes on top."""


@dataclass(frozen=True, slots=True)
class Role:
    """What a color is for, and what it is in the light and in the dark theme."""

    name: str
    light: str
    dark: str


INK = Role("ink", "#1b2430", "#e8ecf1")
MUTED = Role("muted", "#56606d", "#a4afbc")
GRID = Role("grid", "#e3e7ec", "#2c3641")
EDGE = Role("edge", "#8b95a2", "#76828f")
ACCENT = Role("accent", "#0a5ea8", "#69b1f5")
BAND = Role("band", "#a9cdec", "#24527c")
SERIES = (
    ACCENT,
    Role("series-2", "#b4500b", "#f2a15f"),
    Role("series-3", "#1f7a4d", "#5fcb94"),
    Role("series-4", "#8a3ba1", "#d596ea"),
    Role("series-5", "#a12c4e", "#f28ba8"),
    Role("series-6", "#5b6410", "#c3cc62"),
)
ROLES = (INK, MUTED, GRID, EDGE, BAND, *SERIES)
SHAPES = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross")
"""Beside the colors, for those who do not see them."""

_AXIS = {
    "domainColor": EDGE.light,
    "gridColor": GRID.light,
    "labelColor": INK.light,
    "tickColor": EDGE.light,
    "titleColor": MUTED.light,
    "labelFontSize": 12,
    "titleFontSize": 12,
    "titleFontWeight": "normal",
    "labelLimit": 220,
}
CONFIG: Mapping[str, Any] = {
    # What a chart says is in its summary and its table; marks by the hundred help no one.
    "aria": False,
    "background": "transparent",
    "font": FONT,
    "axis": _AXIS,
    "axisY": {"domain": False, "ticks": False, "labelPadding": 8, "grid": False},
    "header": {
        "labelColor": INK.light,
        "labelFontSize": 13,
        "labelFontWeight": "bold",
        "titleColor": MUTED.light,
        "labelLimit": 560,
    },
    "legend": {
        "labelColor": INK.light,
        "titleColor": MUTED.light,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelLimit": 260,
    },
    "text": {"color": INK.light, "fontSize": 12},
    "view": {"stroke": None},
}


def specification(body: Mapping[str, Any]) -> dict[str, Any]:
    """A whole specification of a chart's ``body``, in the shared look."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "config": dict(CONFIG),
        "padding": 4,
        **body,
    }


def follow_theme(drawn: str) -> str:
    """Let colors in an SVG, or a specification as JSON, follow the theme of the page around it."""
    for role in ROLES:
        drawn = drawn.replace(role.light, f"var(--chart-{role.name})")
    return drawn


def css_variables() -> str:
    """The declarations of the roles' variables for ``:root``, light and dark in one."""
    return "".join(f"--chart-{role.name}:light-dark({role.light},{role.dark});" for role in ROLES)
