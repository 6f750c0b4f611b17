"""A chart with everything a reader needs who cannot see it: a summary and a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text below ``headers``; the first column names the row.

    ``numeric`` holds the positions of columns of numbers, ``exact`` of those to be read letter by
    letter, such as digests.
    """

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()
    exact: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Chart:
    """``name`` is unique in a document; ``spec`` is Vega-Lite; ``table`` has the same numbers."""

    name: str
    title: str
    summary: str
    spec: Mapping[str, Any]
    table: Table
