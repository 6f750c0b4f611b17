"""Segmentation of one case: overlap, and distances between boundaries in millimeters.

Libraries disagree about distances because they disagree about what a boundary is and how a
percentile is taken. Here the name says it: ``voxel`` means that the boundary is made of the voxels
of a mask that touch the outside by a face (the edge of the array counts as outside), and that
distances run between voxel centers; ``directed`` takes the percentile in each direction and then
the larger one, ``pooled`` takes it over both directions together. Other definitions get other
names.

Works in two and three dimensions. Only the box around both masks is looked at, so the cost depends
on the size of the lesion and not on that of the volume.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, generate_binary_structure
from scipy.spatial import cKDTree

from medperf.analysis.metrics.definition import MetricDefinition, MetricValue, Missing, look_up
from medperf.analysis.metrics.segmentation_table import DEFINITIONS
from medperf.domain.errors import InvalidRequestError

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


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
        if len(self.spacing_mm) != self.reference.ndim or min(self.spacing_mm) <= 0:
            raise InvalidRequestError(
                f"spacing_mm needs {self.reference.ndim} numbers above 0, one per axis"
            )

    @cached_property
    def cropped(self) -> tuple[Bools, Bools]:
        """Both masks within the smallest box that holds them; empty arrays if there is nothing."""
        either = self.reference | self.prediction
        box = []
        for axis in range(either.ndim):
            others = tuple(other for other in range(either.ndim) if other != axis)
            hit = np.flatnonzero(either.any(axis=others))
            box.append(slice(hit[0], hit[-1] + 1) if len(hit) else slice(0, 0))
        return self.reference[tuple(box)], self.prediction[tuple(box)]

    @cached_property
    def distances_mm(self) -> tuple[Floats, Floats]:
        """How far each boundary voxel is from the other mask's boundary.

        First those of the prediction, then those of the reference. Neither mask may be empty.
        """
        reference, prediction = (_boundary(mask, self.spacing_mm) for mask in self.cropped)
        return _nearest(prediction, reference), _nearest(reference, prediction)


def values_of(names: Iterable[str], pair: MaskPair) -> dict[str, MetricValue]:
    """The metrics ``names`` of one case. Boundaries are found once, and only if one needs them.

    Raises:
        InvalidRequestError: if there is no such metric.
    """
    return {name: _value_of(name, pair) for name in names}


def definition(name: str) -> MetricDefinition:
    """The definition of ``name``, or of the family of ``nsd_voxel@2mm``.

    Raises:
        InvalidRequestError: if there is none; the message lists what there is.
    """
    return look_up(_split(name)[0], DEFINITIONS)


_TOLERANCE = re.compile(r"^(nsd_voxel@)(\d{1,3}(?:\.\d{1,3})?)mm$")


def _split(name: str) -> tuple[str, float]:
    found = _TOLERANCE.match(name)
    return (f"{found[1]}<tolerance>mm", float(found[2])) if found else (name, 0.0)


def _value_of(name: str, pair: MaskPair) -> MetricValue:
    definition(name)
    family, tolerance_mm = _split(name)
    sizes = [int(np.count_nonzero(mask)) for mask in pair.cropped]
    if not any(sizes):
        return MetricValue.none(Missing.EMPTY_BOTH, 1)
    if family in _OVERLAP:
        shared = int(np.count_nonzero(pair.cropped[0] & pair.cropped[1]))
        return MetricValue(_OVERLAP[family](shared, sum(sizes)), 1)
    if family == "nsd_voxel@<tolerance>mm":
        # An empty mask has no boundary, so none of the other's is within any tolerance.
        return MetricValue(_nsd(pair, tolerance_mm) if all(sizes) else 0.0, 1)
    if not all(sizes):
        return MetricValue.none(Missing.EMPTY_ONE, 1)
    return MetricValue(_DISTANCE[family](*pair.distances_mm), 1)


def _nsd(pair: MaskPair, tolerance_mm: float) -> float:
    # Distances are sums of squares of spacings: a voxel exactly at the tolerance must not be lost.
    both = np.concatenate(pair.distances_mm)
    return float(np.count_nonzero(both <= tolerance_mm + 1e-9) / len(both))


def _boundary(mask: Bools, spacing_mm: tuple[float, ...]) -> Floats:
    faces = generate_binary_structure(mask.ndim, 1)
    inner = binary_erosion(mask, structure=faces, border_value=0)
    points: Floats = np.argwhere(mask & ~inner) * np.array(spacing_mm)
    return points


def _nearest(points: Floats, others: Floats) -> Floats:
    distances, _ = cKDTree(others).query(points)
    return np.asarray(distances, dtype=np.float64)


_OVERLAP: Mapping[str, Callable[[int, int], float]] = {
    "dsc": lambda shared, total: 2 * shared / total,
    "iou": lambda shared, total: shared / (total - shared),
}
_DISTANCE: Mapping[str, Callable[[Floats, Floats], float]] = {
    "hd_voxel": lambda a, b: float(max(a.max(), b.max())),
    "hd95_voxel_directed": lambda a, b: float(max(np.percentile(a, 95), np.percentile(b, 95))),
    "hd95_voxel_pooled": lambda a, b: float(np.percentile(np.concatenate((a, b)), 95)),
    "assd_voxel": lambda a, b: float(np.concatenate((a, b)).mean()),
}
