"""Surface elements: the surface of a mask between its voxels, as small areas with a place.

Eight voxels that meet in a corner (four pixels in the plane) form a cell. Where a cell is neither
empty nor full the surface passes through it, as polygons through the midpoints of the cell's edges
that cut off each connected group of the less common kind of corner. The area of these polygons is
the weight of the cell, its center the cell's place. This is the definition of Nikolov et al. 2021
(doi:10.2196/26151); areas are derived here from six base shapes and the symmetries of the cube.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, permutations, product

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Corner = tuple[int, ...]
Point = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Surface:
    """The cells through which a surface passes, and in the order of the array how much of it.

    Cell 0 lies before voxel 0, so there is one more cell than voxels along each axis. Areas are in
    square millimeters, or lengths in millimeters in two dimensions.
    """

    cells: Bools
    areas: Floats


def surface_of(mask: Bools, spacing_mm: tuple[float, ...]) -> Surface:
    """The surface of a mask of two or three dimensions; outside of the array there is nothing."""
    codes = _cell_codes(mask)
    full = 2 ** (2**mask.ndim) - 1
    # An empty cell wraps to 255 and a full one is one less than itself: one comparison for both.
    cells = (codes - np.uint8(1)) < full - 1
    return Surface(cells, _areas_by_code(spacing_mm)[codes[cells]])


def _cell_codes(mask: Bools) -> NDArray[np.uint8]:
    # One bit per corner: joining along one axis after the other needs d passes instead of 2**d.
    codes = np.pad(mask, 1).view(np.uint8)
    shift = 1
    for axis in range(mask.ndim):
        near = codes[(slice(None),) * axis + (slice(None, -1),)]
        far = codes[(slice(None),) * axis + (slice(1, None),)]
        codes = near | (far << np.uint8(shift))
        shift *= 2
    return codes


@lru_cache(maxsize=64)
def _areas_by_code(spacing_mm: tuple[float, ...]) -> Floats:
    if len(spacing_mm) == 2:  # noqa: PLR2004 - the plane
        return _lengths_by_code(spacing_mm)
    codes, normals = _normals_by_code()
    x, y, z = spacing_mm
    areas = np.linalg.norm(normals * np.array([y * z, x * z, x * y]), axis=1)
    by_code = np.zeros(256)
    np.add.at(by_code, codes, areas)
    return by_code


def _lengths_by_code(spacing_mm: tuple[float, ...]) -> Floats:
    first, second = spacing_mm
    diagonal = 0.5 * float(np.hypot(first, second))
    lengths = np.zeros(16)
    for code in range(1, 15):
        members = _members(code, 2)
        if len(members) != 2:  # noqa: PLR2004 - one corner is cut off
            lengths[code] = diagonal
        else:
            same = [a == b for a, b in zip(*members, strict=True)]
            # Neighbors share a coordinate: the line runs along the axis in which they differ.
            lengths[code] = spacing_mm[same.index(False)] if any(same) else 2 * diagonal
    return lengths


# --- three dimensions: six ways to cut off a connected group of corners ---

# The polygon runs through midpoints of edges. Where it is not flat it is a fan of triangles from
# its first point, which settles how it is folded.
_BASE: tuple[tuple[tuple[Corner, ...], tuple[Point, ...]], ...] = (
    # one corner
    (((0, 0, 0),), ((0.5, 0, 0), (0, 0.5, 0), (0, 0, 0.5))),
    # an edge
    (((0, 0, 0), (1, 0, 0)), ((0, 0.5, 0), (0, 0, 0.5), (1, 0, 0.5), (1, 0.5, 0))),
    # three corners of a face
    (
        ((0, 0, 0), (1, 0, 0), (0, 1, 0)),
        ((1, 0, 0.5), (1, 0.5, 0), (0.5, 1, 0), (0, 1, 0.5), (0, 0, 0.5)),
    ),
    # a face
    (
        ((0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0)),
        ((0, 0, 0.5), (1, 0, 0.5), (1, 1, 0.5), (0, 1, 0.5)),
    ),
    # a corner and its three neighbors
    (
        ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)),
        ((1, 0.5, 0), (0.5, 1, 0), (0, 1, 0.5), (0, 0.5, 1), (0.5, 0, 1), (1, 0, 0.5)),
    ),
    # a path along all three axes
    (
        ((1, 0, 0), (0, 0, 0), (0, 1, 0), (0, 1, 1)),
        ((1, 0.5, 0), (1, 0, 0.5), (0, 0, 0.5), (0, 0.5, 1), (0.5, 1, 1), (0.5, 1, 0)),
    ),
)


@lru_cache(maxsize=1)
def _normals_by_code() -> tuple[NDArray[np.int64], Floats]:
    """Every triangle of every cell code, as the code and half the cross product of two sides."""
    polygons = dict(_symmetric_images())
    codes: list[int] = []
    normals: list[Floats] = []
    for code in range(1, 255):
        members = _members(code, 3)
        if len(members) > 4:  # noqa: PLR2004 - more than half of the corners
            members = _members(255 - code, 3)
        for group in _connected_groups(members):
            start, *others = np.array(polygons[group])
            for one, two in pairwise(others):
                codes.append(code)
                normals.append(np.cross(one - start, two - start) / 2)
    return np.array(codes), np.array(normals)


def _symmetric_images() -> Iterator[tuple[frozenset[Corner], list[Point]]]:
    for axes in permutations(range(3)):
        for mirrored in product((False, True), repeat=3):

            def image(
                point: Point, axes: tuple[int, ...] = axes, mirrored: tuple[bool, ...] = mirrored
            ) -> Point:
                turned = (point[axis] for axis in axes)
                return tuple(1 - v if m else v for v, m in zip(turned, mirrored, strict=True))

            for corners, polygon in _BASE:
                group = frozenset(tuple(int(v) for v in image(corner)) for corner in corners)
                yield group, [image(point) for point in polygon]


def _members(code: int, n_axes: int) -> list[Corner]:
    """The corners whose bit is set; the bit follows from how ``_cell_codes`` joins the axes."""
    return [
        corner
        for corner in product((0, 1), repeat=n_axes)
        if code >> sum(v << axis for axis, v in enumerate(corner)) & 1
    ]


def _connected_groups(members: list[Corner]) -> Iterator[frozenset[Corner]]:
    left = set(members)
    while left:
        group, edge = set[Corner](), {left.pop()}
        while edge:
            group |= edge
            edge = {c for c in left if any(_are_neighbors(c, e) for e in edge)}
            left -= edge
        yield frozenset(group)


def _are_neighbors(one: Corner, two: Corner) -> bool:
    return sum(a != b for a, b in zip(one, two, strict=True)) == 1
