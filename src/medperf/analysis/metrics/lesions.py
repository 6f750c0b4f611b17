"""Lesion-wise values of one case, as the BraTS 2023 challenge defines them.

Lesions of the reference are its 26-connected components; those that touch after ``dilation`` steps
of dilation (by the 18-neighborhood) are one. A predicted component belongs to every lesion whose
dilated extent it meets, and to none is a false positive. Each lesion larger than the smallest
volume gives one value, of the lesion against all predicted components that belong to it; a missed
lesion and a false positive give the worst one. The value of the case is the mean over both.

In two dimensions the neighborhoods are 8-connected. The source is the challenge's description and
evaluation program; labels merge into regions before.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, find_objects, generate_binary_structure, label

from medperf.analysis.metrics.masks import MaskPair, bounding_box

Bools = NDArray[np.bool_]

WORST_DISTANCE_MM = 374.0
"""What a missed lesion or a false positive counts: the diagonal of the challenge's volumes."""


@dataclass(frozen=True, slots=True)
class LesionRule:
    """How lesions are told apart: the challenge uses 3 and 50 for gliomas, 1 and 2 for metastases.

    Only lesions of more than ``smallest_mm3`` count; predicted components count at every size.
    """

    dilation: int
    smallest_mm3: float


@dataclass(frozen=True, slots=True)
class Lesion:
    """A lesion of the reference and what was predicted for it; None if it was missed."""

    pair: MaskPair | None


@dataclass(frozen=True)
class LesionTable:
    """The lesions that count, and how many predicted components belong to none."""

    lesions: tuple[Lesion, ...]
    n_false_positive: int

    @property
    def n_found(self) -> int:
        """Lesions with at least one predicted component."""
        return sum(lesion.pair is not None for lesion in self.lesions)

    @property
    def n_all(self) -> int:
        """What a mean is taken over."""
        return len(self.lesions) + self.n_false_positive

    @cached_property
    def dsc(self) -> float | None:
        """Mean DSC, 0 for missed lesions and false positives; None if there is nothing."""
        if not self.n_all:
            return None
        return sum(_dsc(lesion) for lesion in self.lesions) / self.n_all

    @cached_property
    def hd95_mm(self) -> float | None:
        """Mean 95th percentile Hausdorff distance of surface elements, larger direction."""
        if not self.n_all:
            return None
        total = sum(_hd95_mm(lesion) for lesion in self.lesions)
        return (total + WORST_DISTANCE_MM * self.n_false_positive) / self.n_all

    @cached_property
    def f1(self) -> float | None:
        """2 TP / (2 TP + FP + FN) over lesions."""
        n_missed = len(self.lesions) - self.n_found
        whole = 2 * self.n_found + self.n_false_positive + n_missed
        return 2 * self.n_found / whole if whole else None


def compare_lesions(pair: MaskPair, rule: LesionRule) -> LesionTable:
    """Match the predicted components of a case to the lesions of its reference."""
    reference, prediction = _with_margin(pair, rule.dilation)
    everywhere = np.ones((3,) * reference.ndim, dtype=np.bool_)
    components, n_components = label(prediction, everywhere)
    grown = _grow(reference, rule.dilation)
    lesions, n_lesions = label(grown, everywhere)
    lesions *= reference
    claimed = np.zeros(n_components + 1, dtype=np.bool_)
    found: list[Lesion] = []
    for lesion, members in _members(lesions, n_lesions, components, rule.dilation):
        claimed[members] = True
        volume_mm3 = np.count_nonzero(lesion) * float(np.prod(pair.spacing_mm))
        if volume_mm3 > rule.smallest_mm3:
            answer = np.isin(components, members) if len(members) else None
            found.append(
                Lesion(None if answer is None else MaskPair(lesion, answer, pair.spacing_mm))
            )
    return LesionTable(tuple(found), int(np.count_nonzero(~claimed[1:])))


def _with_margin(pair: MaskPair, margin: int) -> tuple[Bools, Bools]:
    """Both masks in the box around them, widened as far as the volume goes: dilation ends there."""
    box = tuple(
        slice(max(side.start - margin, 0), side.stop + margin)
        for side in bounding_box(pair.reference | pair.prediction)
    )
    return pair.reference[box], pair.prediction[box]


def _grow(mask: Bools, steps: int) -> Bools:
    if not steps or not mask.any():
        return mask
    near = generate_binary_structure(mask.ndim, 2)
    grown: Bools = binary_dilation(mask, structure=near, iterations=steps)
    return grown


def _members(
    lesions: NDArray[np.int32], n_lesions: int, components: NDArray[np.int32], dilation: int
) -> Iterator[tuple[Bools, NDArray[np.int32]]]:
    """Each lesion, and the predicted components that meet its dilated extent."""
    for number, place in enumerate(find_objects(lesions, n_lesions), start=1):
        # The dilated extent of a lesion lies within its box and a margin.
        near = tuple(slice(max(side.start - dilation, 0), side.stop + dilation) for side in place)
        met = np.unique(components[near][_grow(lesions[near] == number, dilation)])
        yield lesions == number, met[met > 0]


def _dsc(lesion: Lesion) -> float:
    if lesion.pair is None:
        return 0.0
    reference, prediction, shared = lesion.pair.sizes
    return 2 * shared / (reference + prediction)


def _hd95_mm(lesion: Lesion) -> float:
    if lesion.pair is None:
        return WORST_DISTANCE_MM
    sides = lesion.pair.surfel_sides
    return max(sides.prediction.percentile(95), sides.reference.percentile(95))
