"""Numbers as a terminal shows them: with their interval, no more digits than it supports."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

Shown = Mapping[str, Any]
_FEWEST, _MOST = 2, 4


def bracketed(found: Shown | None) -> str:
    """A value with its interval: ``0.931 (0.912-0.948)``."""
    if found is None or found.get("value") is None:
        return "-"
    interval = found.get("interval")
    if not interval:
        return f"{found['value']:.4g}"
    places = decimals_of(interval)
    lower, upper = interval["lower"], interval["upper"]
    dash = " to " if lower < 0 else "-"
    return f"{found['value']:.{places}f} ({lower:.{places}f}{dash}{upper:.{places}f})"


def figure(found: Shown | None) -> str:
    """A value alone."""
    if found is None or found.get("value") is None:
        return "-"
    return f"{found['value']:.{decimals_of(found.get('interval'))}f}"


def signed(value: float, places: int) -> str:
    """A difference, its sign always shown."""
    return f"{value:+.{places}f}"


def percent(share: float | None) -> str:
    """A share in whole percent; more than none and less than all never round to these."""
    if share is None:
        return "-"
    if 0 < share < 0.01:  # noqa: PLR2004
        return "<1 %"
    if 0.99 < share < 1:  # noqa: PLR2004
        return ">99 %"
    return f"{share:.0%}".replace("%", " %")


def p_value(value: float | None) -> str:
    """A p-value with two digits that count."""
    if value is None:
        return "-"
    return "<0.0001" if value < 1e-4 else f"{value:.2g}"  # noqa: PLR2004


def decimals_of(interval: Shown | None) -> int:
    """Two digits of the interval's width, from two to four decimals; three without one."""
    if not interval:
        return 3
    width = interval["upper"] - interval["lower"]
    if width <= 0:
        return 3
    return min(max(_FEWEST, 1 - math.floor(math.log10(width))), _MOST)


def forest_scale(rows: Iterable[Shown]) -> tuple[float, float]:
    """From the lowest to the highest end of all intervals."""
    ends = []
    for row in rows:
        if row.get("value") is not None:
            ends.append(row["value"])
        if interval := row.get("interval"):
            ends += [interval["lower"], interval["upper"]]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def forest(row: Shown, scale: tuple[float, float], width: int) -> str:
    """The value as a dot on its interval: one line of a forest plot."""
    if row.get("value") is None:
        return ""

    def place(value: float) -> int:
        share = (value - scale[0]) / (scale[1] - scale[0])
        return min(max(round(share * (width - 1)), 0), width - 1)

    cells = [" "] * width
    interval = row.get("interval")
    if interval:
        start, end = place(interval["lower"]), place(interval["upper"])
        cells[start : end + 1] = "─" * (end - start + 1)
        cells[start], cells[end] = "├", "┤"
    cells[place(row["value"])] = "●"
    return "".join(cells).rstrip()
