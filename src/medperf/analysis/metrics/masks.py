"""A reference mask beside a predicted one: cropped, counted, and how far boundaries are apart.

Two definitions of a boundary are at hand. ``voxel``: the voxels of a mask that touch the outside by
a face (the edge of the array counts as outside), each with the same weight. ``surfel``: elements of
the surface between voxels, weighted by their area (``surfels``). Everything is found once, when it
is first asked for, and only within the box around both masks, so the cost depends on the size of
the lesion and not on that of the volume.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from medperf.analysis.metrics.nearest import nearest_distances_mm
from medperf.analysis.metrics.surfels import surface_of
from medperf.domain.errors import InvalidRequestError

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Side:
    """The boundary of one mask: how far each element is from the other's, and its weight."""

    distances_mm: Floats
    weights: Floats | None

    @property
    def weight(self) -> float:
        """The whole boundary's."""
        return float(len(self.distances_mm) if self.weights is None else self.weights.sum())

    def weight_within(self, tolerance_mm: float) -> float:
        """Of the elements at most so far away."""
        # Distances are roots of sums of squares: one exactly at the tolerance must not be lost.
        near = self.distances_mm <= tolerance_mm + 1e-9
        return float(np.count_nonzero(near) if self.weights is None else self.weights[near].sum())

    def percentile(self, percent: float) -> float:
        """Of equal weights interpolated, as NumPy does; of areas the first element that reaches it.

        The latter as in Nikolov et al. 2021: elements in order of their distance, and the first at
        which the share of the area is at least ``percent``.
        """
        if self.weights is None:
            return float(np.percentile(self.distances_mm, percent))
        order = np.argsort(self.distances_mm, kind="stable")
        covered = np.cumsum(self.weights[order])
        place = int(np.searchsorted(covered / covered[-1], percent / 100.0))
        return float(self.distances_mm[order[min(place, len(order) - 1)]])

    @property
    def moment(self) -> float:
        """Sum of the distances times their weights."""
        if self.weights is None:
            return float(self.distances_mm.sum())
        return float(self.distances_mm @ self.weights)


@dataclass(frozen=True, slots=True)
class Sides:
    """The boundaries of the prediction and of the reference, seen from each other."""

    prediction: Side
    reference: Side


@dataclass(frozen=True)
class MaskPair:
    """A reference mask and a predicted one of the same shape, and the size of a voxel.

    ``spacing_mm`` has one number per axis of the arrays, in their order.
    """

    reference: Bools
    prediction: Bools
    spacing_mm: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.reference.shape != self.prediction.shape:
            raise InvalidRequestError(
                f"the masks differ in shape: {self.reference.shape} and {self.prediction.shape}"
            )
        if self.reference.ndim not in {2, 3}:
            raise InvalidRequestError(
                f"masks have two or three dimensions, not {self.reference.ndim}"
            )
        check_spacing(self.spacing_mm, self.reference.ndim)

    @cached_property
    def cropped(self) -> tuple[Bools, Bools]:
        """Both masks within the smallest box that holds them; empty arrays if there is nothing."""
        box = bounding_box(self.reference | self.prediction)
        return self.reference[box], self.prediction[box]

    @cached_property
    def sizes(self) -> tuple[int, int, int]:
        """How many voxels the reference, the prediction and their intersection hold."""
        reference, prediction = self.cropped
        return (
            int(np.count_nonzero(reference)),
            int(np.count_nonzero(prediction)),
            int(np.count_nonzero(reference & prediction)),
        )

    @cached_property
    def voxel_sides(self) -> Sides:
        """Boundaries of voxels. Neither mask may be empty."""
        reference, prediction = (boundary_voxels(mask) for mask in self.cropped)
        return Sides(
            prediction=Side(nearest_distances_mm(prediction, reference, self.spacing_mm), None),
            reference=Side(nearest_distances_mm(reference, prediction, self.spacing_mm), None),
        )

    @cached_property
    def surfel_sides(self) -> Sides:
        """Surface elements. Neither mask may be empty."""
        reference, prediction = (surface_of(mask, self.spacing_mm) for mask in self.cropped)
        one, two = reference.cells, prediction.cells
        return Sides(
            prediction=Side(nearest_distances_mm(two, one, self.spacing_mm), prediction.areas),
            reference=Side(nearest_distances_mm(one, two, self.spacing_mm), reference.areas),
        )


def check_spacing(spacing_mm: tuple[float, ...], n_axes: int) -> None:
    """Refuse a spacing that does not fit.

    Raises:
        InvalidRequestError: unless there is one number above 0 per axis.
    """
    if len(spacing_mm) != n_axes or not min(spacing_mm) > 0:
        raise InvalidRequestError(f"spacing_mm needs {n_axes} numbers above 0, one per axis")


def bounding_box(mask: NDArray[np.generic]) -> tuple[slice, ...]:
    """The smallest box that holds every element that is not zero; empty if there is none."""
    box: list[slice] = []
    rest = mask
    for axis in range(mask.ndim):
        # Each axis looks only at what the axes before it left over.
        others = tuple(other for other in range(mask.ndim) if other != axis)
        hit = np.flatnonzero(rest.any(axis=others))
        side = slice(int(hit[0]), int(hit[-1]) + 1) if len(hit) else slice(0, 0)
        box.append(side)
        rest = rest[(slice(None),) * axis + (side,)]
    return tuple(box)


def boundary_voxels(mask: Bools) -> Bools:
    """The voxels of ``mask`` that touch the outside, or the edge of the array, by a face."""
    padded = np.pad(mask, 1)
    middle = (slice(1, -1),) * mask.ndim
    inner = mask.copy()
    for axis in range(mask.ndim):
        for moved in (slice(None, -2), slice(2, None)):
            inner &= padded[(*middle[:axis], moved, *middle[axis + 1 :])]
    return mask & ~inner
