"""Segmentation of one case: overlap, volume, distances between boundaries, lesions.

Libraries disagree about distances because they disagree about what a boundary is and how a
percentile is taken. Here the name says it: ``voxel`` and ``surfel`` are the two kinds of boundary
(``masks``); of voxels, ``directed`` takes the percentile in each direction and then the larger one,
``pooled`` takes it over both directions together. A tolerance, a width or a penalty is a number in
the name. Works in two and three dimensions.
"""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from medperf.analysis.metrics.definition import (
    MetricDefinition,
    MetricValue,
    Missing,
    NamedMetric,
    resolve,
)
from medperf.analysis.metrics.lesions import LesionRule, LesionTable, compare_lesions
from medperf.analysis.metrics.masks import MaskPair, Side, Sides, boundary_voxels
from medperf.analysis.metrics.segmentation_table import DEFINITIONS, PENALIZED
from medperf.analysis.metrics.skeleton import center_lines

__all__ = ["MaskPair", "definition", "values_of"]

Bools = NDArray[np.bool_]


def values_of(names: Iterable[str], pair: MaskPair) -> dict[str, MetricValue]:
    """The metrics ``names`` of one case. Boundaries are found once, and only if one needs them.

    Raises:
        InvalidRequestError: if there is no such metric.
        NotSupportedError: if clDice is wanted and scikit-image is not installed.
    """
    lesions: dict[LesionRule, LesionTable] = {}
    return {name: _value_of(resolve(name, DEFINITIONS), pair, lesions) for name in names}


def definition(name: str) -> MetricDefinition:
    """The definition of ``name``, or of a member of a family as ``nsd_voxel@2mm``.

    Raises:
        InvalidRequestError: if there is none; the message lists what there is.
    """
    return resolve(name, DEFINITIONS).definition


def _value_of(
    metric: NamedMetric, pair: MaskPair, lesions: dict[LesionRule, LesionTable]
) -> MetricValue:
    reference, prediction, _ = pair.sizes
    if not reference and not prediction:
        return MetricValue.none(Missing.EMPTY_BOTH, 1)
    if metric.family in _LESIONS:
        return _of_lesions(metric, pair, lesions)
    if metric.family in _COUNTS:
        return _found(_COUNTS[metric.family](pair))
    both = bool(reference and prediction)
    if metric.family in _SHARES:
        # Where one mask is empty, nothing of it lies on or near the other.
        return _found(_SHARES[metric.family](pair, *metric.numbers) if both else 0.0)
    family = metric.family
    if family in PENALIZED:
        if not both:
            return MetricValue(metric.numbers[0], 1)
        family = PENALIZED[family]
    return _found(_DISTANCES[family](pair) if both else None)


def _found(value: float | None) -> MetricValue:
    return MetricValue.none(Missing.EMPTY_ONE, 1) if value is None else MetricValue(value, 1)


# --- voxel counts ---


def _dsc(pair: MaskPair) -> float:
    reference, prediction, shared = pair.sizes
    return 2 * shared / (reference + prediction)


def _iou(pair: MaskPair) -> float:
    reference, prediction, shared = pair.sizes
    return shared / (reference + prediction - shared)


def _sensitivity(pair: MaskPair) -> float | None:
    reference, _, shared = pair.sizes
    return shared / reference if reference else None


def _precision(pair: MaskPair) -> float | None:
    _, prediction, shared = pair.sizes
    return shared / prediction if prediction else None


def _volume_difference_ml(pair: MaskPair) -> float:
    reference, prediction, _ = pair.sizes
    # In the plane the third side is taken as 1 mm.
    return abs(prediction - reference) * float(np.prod(pair.spacing_mm)) / 1000.0


def _relative_volume_difference(pair: MaskPair) -> float | None:
    reference, prediction, _ = pair.sizes
    return abs(prediction - reference) / reference if reference else None


# --- boundaries ---


def _nsd(sides: Sides, tolerance_mm: float) -> float:
    near = sides.prediction.weight_within(tolerance_mm) + sides.reference.weight_within(
        tolerance_mm
    )
    return near / (sides.prediction.weight + sides.reference.weight)


def _hd(sides: Sides) -> float:
    return float(max(sides.prediction.distances_mm.max(), sides.reference.distances_mm.max()))


def _hd95_directed(sides: Sides) -> float:
    return max(sides.prediction.percentile(95), sides.reference.percentile(95))


def _hd95_pooled(sides: Sides) -> float:
    both = np.concatenate((sides.prediction.distances_mm, sides.reference.distances_mm))
    return Side(both, None).percentile(95)


def _assd(sides: Sides) -> float:
    weight = sides.prediction.weight + sides.reference.weight
    return (sides.prediction.moment + sides.reference.moment) / weight


def _boundary_iou(pair: MaskPair, width_mm: float) -> float:
    one, two = (_rim(mask, pair.spacing_mm, width_mm) for mask in pair.cropped)
    return float(np.count_nonzero(one & two) / np.count_nonzero(one | two))


def _rim(mask: Bools, spacing_mm: tuple[float, ...], width_mm: float) -> Bools:
    depth = distance_transform_edt(np.pad(mask, 1), sampling=spacing_mm)
    inside = (slice(1, -1),) * mask.ndim
    near: Bools = mask & (depth[inside] <= width_mm + 1e-9)
    # A rim narrower than a voxel is one voxel wide.
    return near | boundary_voxels(mask)


# --- center lines and lesions ---


def _cldice(pair: MaskPair) -> float:
    reference, prediction = pair.cropped
    of_reference, of_prediction = center_lines(reference), center_lines(prediction)
    precision = _share(of_prediction, reference)
    sensitivity = _share(of_reference, prediction)
    whole = precision + sensitivity
    return 2 * precision * sensitivity / whole if whole else 0.0


def _share(line: Bools, mask: Bools) -> float:
    length = np.count_nonzero(line)
    return float(np.count_nonzero(line & mask) / length) if length else 0.0


def _of_lesions(
    metric: NamedMetric, pair: MaskPair, lesions: dict[LesionRule, LesionTable]
) -> MetricValue:
    dilation, smallest_mm3 = metric.numbers
    rule = LesionRule(int(dilation), smallest_mm3)
    if rule not in lesions:
        lesions[rule] = compare_lesions(pair, rule)
    value = _LESIONS[metric.family](lesions[rule])
    return MetricValue.none(Missing.NO_OBJECTS, 1) if value is None else MetricValue(value, 1)


_COUNTS: Mapping[str, Callable[[MaskPair], float | None]] = {
    "dsc": _dsc,
    "iou": _iou,
    "voxel_sensitivity": _sensitivity,
    "voxel_precision": _precision,
    "absolute_volume_difference": _volume_difference_ml,
    "relative_volume_difference": _relative_volume_difference,
}
_SHARES: Mapping[str, Callable[..., float]] = {
    "nsd_voxel@<tolerance>mm": lambda pair, mm: _nsd(pair.voxel_sides, mm),
    "nsd_surfel@<tolerance>mm": lambda pair, mm: _nsd(pair.surfel_sides, mm),
    "boundary_iou@<width>mm": _boundary_iou,
    "cldice_lee": _cldice,
}
_DISTANCES: Mapping[str, Callable[[MaskPair], float]] = {
    "hd_voxel": lambda pair: _hd(pair.voxel_sides),
    "hd95_voxel_directed": lambda pair: _hd95_directed(pair.voxel_sides),
    "hd95_voxel_pooled": lambda pair: _hd95_pooled(pair.voxel_sides),
    "assd_voxel": lambda pair: _assd(pair.voxel_sides),
    "hd95_surfel": lambda pair: _hd95_directed(pair.surfel_sides),
    "assd_surfel": lambda pair: _assd(pair.surfel_sides),
}
_LESIONS: Mapping[str, Callable[[LesionTable], float | None]] = {
    "lesion_dsc_brats@<dilation>-<volume>mm3": lambda table: table.dsc,
    "lesion_hd95_brats@<dilation>-<volume>mm3": lambda table: table.hd95_mm,
    "lesion_f1_brats@<dilation>-<volume>mm3": lambda table: table.f1,
}
