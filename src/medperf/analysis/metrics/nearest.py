"""How far each marked element of a grid is from the nearest element of another marking.

Where a prediction is any good most distances are short, so rings of neighbors are looked at first,
from the nearest outward, and only what is farther is searched for in a k-d tree. Both are exact.
"""

from functools import lru_cache
from itertools import groupby, product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

REACH = 4
"""Rings are complete up to this many elements along the axis with the finest spacing."""


def nearest_distances_mm(here: Bools, there: Bools, spacing_mm: tuple[float, ...]) -> Floats:
    """For each true element of ``here``, in the order of the array, the distance to ``there``.

    Both have the same shape, and ``there`` holds at least one element.
    """
    # Images come with either axis first in memory; steps below are counted in one of both orders.
    field = np.ascontiguousarray(np.pad(there, REACH))
    strides = np.array(field.strides, dtype=np.int64)
    near = field.ravel()
    places = np.flatnonzero(np.pad(here, REACH))
    distances = np.zeros(len(places))
    left = np.flatnonzero(~near[places])
    for distance_mm, steps in _rings(spacing_mm):
        if not len(left):
            return distances
        hit = _any_at(near, places[left], steps @ strides)
        distances[left[hit]] = distance_mm
        left = left[~hit]
    if len(left):
        scale = np.array(spacing_mm)
        points = np.column_stack(np.unravel_index(places[left], field.shape)) * scale
        others = (np.argwhere(there) + REACH) * scale
        tree = cKDTree(others, balanced_tree=False, compact_nodes=False)
        distances[left] = tree.query(points)[0]
    return distances


def _any_at(near: Bools, places: Integers, offsets: Integers) -> Bools:
    found: Bools = near[places + offsets[0]]
    for offset in offsets[1:]:
        found |= near[places + offset]
    return found


@lru_cache(maxsize=64)
def _rings(spacing_mm: tuple[float, ...]) -> tuple[tuple[float, Integers], ...]:
    """Steps to all neighbors within reach, grouped by how far they lead, nearest first."""
    # Beyond this a neighbor outside of the cube could be as near as one inside.
    radius_mm = min(spacing_mm) * (REACH + 1)
    steps = [
        (float(np.linalg.norm(np.array(step) * spacing_mm)), step)
        for step in product(range(-REACH, REACH + 1), repeat=len(spacing_mm))
        if any(step)
    ]
    within = sorted(entry for entry in steps if entry[0] < radius_mm)
    return tuple(
        (distance_mm, np.array([step for _, step in ring], dtype=np.int64))
        for distance_mm, ring in groupby(within, key=lambda entry: entry[0])
    )
