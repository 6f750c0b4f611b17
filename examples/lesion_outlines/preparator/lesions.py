"""Lesions of an outline, each a case; and the box that a model is given for each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Box = tuple[slice, ...]


@dataclass(frozen=True, slots=True)
class Lesion:
    """One connected part of an outline: its mask, and the box around it with the margin."""

    mask: NDArray[np.bool_]
    box: Box


def lesions(
    outline: NDArray[np.integer], spacing_mm: Sequence[float], margin_mm: float
) -> Iterator[Lesion]:
    """The parts that touch at least by a corner, the largest first."""
    parts, _ = ndimage.label(outline > 0, np.ones((3, 3, 3)))
    sizes = np.bincount(parts.ravel())[1:]
    found = ndimage.find_objects(parts)
    for part in np.argsort(-sizes, kind="stable"):
        box = tuple(
            _widened(side, max(1, round(margin_mm / spacing)), size)
            for side, spacing, size in zip(found[part], spacing_mm, outline.shape, strict=True)
        )
        yield Lesion(parts == part + 1, box)


def _widened(side: slice, voxels: int, size: int) -> slice:
    return slice(max(0, side.start - voxels), min(size, side.stop + voxels))
