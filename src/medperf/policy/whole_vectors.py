"""Vectors of whole numbers and the spaces they span, exactly: nothing is ever rounded.

A space is a list of independent vectors. Directions are what matters, so every vector is kept as
short as whole numbers allow.
"""

import math
from collections.abc import Iterable, Sequence

Vector = tuple[int, ...]


def unit_vectors(size: int) -> list[Vector]:
    """The whole space of vectors with so many numbers."""
    return [tuple(int(i == j) for j in range(size)) for i in range(size)]


def restricted(basis: list[Vector], values: Sequence[int]) -> list[Vector]:
    """Those combinations of a basis that are zero, given the value of each of its vectors."""
    weighty = [i for i, value in enumerate(values) if value]
    if not weighty:
        return basis
    # The sparsest goes: then what is left is of few cohorts, which people can follow.
    gone = max(weighty, key=lambda i: (basis[i].count(0), -abs(values[i])))
    freed = freed_of(basis, values, gone)
    return freed[:gone] + freed[gone + 1 :]


def freed_of(vectors: Sequence[Vector], values: Sequence[int], pivot: int) -> list[Vector]:
    """Have all but one vector, whose value is not zero, lose their values by its means."""
    row, by = vectors[pivot], values[pivot]
    return [
        vector
        if i == pivot or not value
        else primitive([by * one - value * other for one, other in zip(vector, row, strict=True)])
        for i, (vector, value) in enumerate(zip(vectors, values, strict=True))
    ]


def primitive(vector: Sequence[int]) -> Vector:
    """The shortest whole vector in the same direction, its first number positive."""
    common = math.gcd(*vector)
    if common == 0:
        return tuple(vector)
    sign = 1 if next(filter(None, vector)) > 0 else -1
    return tuple(sign * number // common for number in vector)


def echelon(vectors: Iterable[Vector]) -> list[tuple[int, Vector]]:
    """A basis in steps: each with the place of its first number that is not zero."""
    rows: list[tuple[int, Vector]] = []
    for vector in vectors:
        _append(rows, vector)
    return rows


def complement(space: Iterable[Vector], part: Iterable[Vector]) -> list[Vector]:
    """Vectors of a space that span it together with a part of it."""
    rows, found = echelon(part), list[Vector]()
    for vector in space:
        if _append(rows, vector):
            found.append(vector)
    return found


def is_beyond(rows: list[tuple[int, Vector]], vector: Vector) -> bool:
    """Whether a vector lies outside the space with this basis in steps."""
    return any(_rest(rows, vector))


def _rest(rows: list[tuple[int, Vector]], vector: Vector) -> Vector:
    for place, row in rows:
        if vector[place]:
            by, value = row[place], vector[place]
            vector = primitive([by * a - value * b for a, b in zip(vector, row, strict=True)])
    return vector


def _append(rows: list[tuple[int, Vector]], vector: Vector) -> bool:
    rest = _rest(rows, vector)
    if any(rest):
        rows.append((next(i for i, number in enumerate(rest) if number), rest))
    return any(rest)
