"""Writes ``docs/reference/published-values.md``: ``python docs/published_values_reference.py``.

It is made of the rows in ``tests/published``, which a test reproduces one by one, so that the page
claims nothing that does not come out. A test runs ``render`` and compares.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/reference/published-values.md"

sys.path.insert(0, str(ROOT / "tests"))
from published.differences import differences  # noqa: E402 - found through the line above
from published.rows import TABLES, UNPUBLISHED, examples, family_of  # noqa: E402 - likewise

INTRODUCTION = """\
# Published values

Which values that others printed for their own examples come out of ours. Every row is a test
(`tests/analysis/metrics/test_published_values.py`). A value agrees to half a unit of its last
printed digit, unless a note says otherwise. Beside these, metrics are compared with other libraries
on random and on edge cases; where definitions differ is in [metric
definitions](../explanation/metric-definitions.md).
"""
_TITLES = {
    "classification": "Classification",
    "multilabel": "Multi-label classification",
    "segmentation": "Segmentation",
    "detection": "Detection and instance segmentation",
    "regression": "Regression",
    "time_to_event": "Time to event",
    "phases": "Phases of a video",
}


def render() -> str:
    """The page."""
    rows = list(examples())
    parts = [INTRODUCTION]
    for task, title in _TITLES.items():
        order = list(TABLES[task])
        own = sorted(
            (row for row in rows if row.task == task),
            key=lambda row: order.index(family_of(row.task, row.metric)),
        )
        parts += [f"## {title}", ""]
        parts += _table(
            ("metric", "printed", "ours", "by whom", "where", "note"),
            (
                (
                    f"`{row.metric}`", _number(row.printed), _number(row.ours()),
                    row.source.name, row.place, row.note,
                )
                for row in own
            ),
        )  # fmt: skip
    parts += [
        "## Where ours differs",
        "",
        "Values that are printed elsewhere, and are another one here on purpose.",
        "",
        *_table(
            ("metric", "printed", "ours", "by whom", "where", "why"),
            (
                (
                    f"`{row.metric}`", _number(row.printed),
                    "missing" if row.ours is None else _number(row.ours),
                    row.source.name, row.place, row.why,
                )
                for row in differences()
            ),
        ),
        "## Without a published example",
        "",
        "No example with a number was found that could be read. What checks these instead:",
        "",
        *_table(
            ("task", "metric", "checked by"),
            ((task, f"`{family}`", why) for (task, family), why in UNPUBLISHED.items()),
        ),
        "## Sources",
        "",
        *_table(
            ("by whom", "read at", "license"),
            sorted({(s.name, s.address, s.license) for s in (row.source for row in rows)}),
        ),
    ]  # fmt: skip
    return "\n".join(parts).rstrip() + "\n"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows), ""]


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
