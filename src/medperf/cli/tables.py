"""Tables that fit the terminal.

A layout of our own: importing a library for it would cost a third of the time that a whole
``dataset ls`` may take.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medperf.cli.text import pad, printable, shorten, width_of

GAP = "  "
NARROWEST = 6

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: the ``key`` of a row, or what ``value`` makes of the row."""

    title: str
    key: str = ""
    value: Callable[[Row], Any] | None = None

    def cell(self, row: Row) -> str:
        """The text of this column in ``row``."""
        found = self.value(row) if self.value else row.get(self.key)
        return brief(found)

    def is_number(self, rows: Sequence[Row]) -> bool:
        """Whether every value is a number, which are set flush right."""
        values = [self.value(row) if self.value else row.get(self.key) for row in rows]
        return all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)


def brief(value: Any) -> str:
    """One value as a table shows it."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = printable(str(value))
    return when(text) if _is_time(text) else text


def when(text: str) -> str:
    """A time of the wire as people read it, to the minute."""
    return f"{text[:10]} {text[11:16]} UTC"


def layout(rows: Sequence[Row], columns: Sequence[Column], width: int | None) -> str:
    """Set ``rows`` in columns, at most ``width`` cells wide (None: as wide as they are)."""
    body = [[column.cell(row) for column in columns] for row in rows]
    titles = [column.title.upper() for column in columns]
    widths = [max(map(width_of, cells)) for cells in zip(titles, *body, strict=True)]
    if width is not None:
        widths = _squeeze(widths, width - len(GAP) * (len(columns) - 1))
    flush_right = [column.is_number(rows) for column in columns]
    return "\n".join(_line(cells, widths, flush_right) for cells in (titles, *body))


def _line(cells: Iterable[str], widths: Sequence[int], flush_right: Sequence[bool]) -> str:
    set_cells = (
        pad(shorten(cell, width), width, right=right)
        for cell, width, right in zip(cells, widths, flush_right, strict=True)
    )
    return GAP.join(set_cells).rstrip()


def _squeeze(widths: Sequence[int], available: int) -> list[int]:
    # The widest columns give way first, down to a width at which they still say something.
    widths = list(widths)
    while sum(widths) > available and max(widths) > NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return widths


def _is_time(text: str) -> bool:
    return len(text) == len("2026-01-01T00:00:00.000000Z") and text[10] == "T" and text[-1] == "Z"
