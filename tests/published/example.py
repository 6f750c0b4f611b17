"""A published example: data that others print, the value that they print, and what ours is.

The rows are data for two readers: one test, and the page ``docs/reference/published-values.md``.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Source:
    """Who prints values: a name, where it is to be read, and the license of what is quoted."""

    name: str
    address: str
    license: str


@dataclass(frozen=True, slots=True)
class Example:
    """One printed value of one metric.

    ``place`` is the section, function or test of ``source`` that prints it; ``within`` is how far
    ours may be, half a unit of the last digit printed unless ``note`` says why it is more.
    """

    task: str
    metric: str
    source: Source
    place: str
    printed: float
    within: float
    ours: Callable[[], float | None]
    note: str = ""


def mask(drawing: str) -> Bools:
    """A mask in the plane from a drawing: rows apart by blanks, ``#`` for what belongs to it."""
    return np.array([[letter == "#" for letter in row] for row in drawing.split()])


def rectangles(shape: tuple[int, ...], *filled: tuple[int, int, int, int]) -> Bools:
    """A mask in the plane of rectangles, each the first and last row, the first and last column."""
    found = np.zeros(shape, dtype=np.bool_)
    for top, bottom, left, right in filled:
        found[top : bottom + 1, left : right + 1] = True
    return found
