"""Label maps: integer images in which several structures, or parts of one, have numbers.

A region is a set of labels with a name: ``whole_tumor`` may be 1, 2 and 4. Metrics see one pair of
masks per region.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medperf.analysis.metrics.masks import MaskPair, bounding_box, check_spacing
from medperf.domain.errors import InvalidRequestError

Labels = NDArray[np.integer]


@dataclass(frozen=True)
class LabelMapPair:
    """A reference label map and a predicted one of the same shape. 0 is the background.

    ``spacing_mm`` has one number per axis of the arrays, in their order.
    """

    reference: Labels
    prediction: Labels
    spacing_mm: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.reference.shape != self.prediction.shape:
            raise InvalidRequestError(
                f"the label maps differ in shape: {self.reference.shape} and "
                f"{self.prediction.shape}"
            )
        check_spacing(self.spacing_mm, self.reference.ndim)

    def regions(self, wanted: Mapping[str, tuple[int, ...]]) -> Iterator[tuple[str, MaskPair]]:
        """The pair of masks of each region, one after another, so that one is held at a time."""
        reference, prediction = self.reference, self.prediction
        if all(0 not in labels for labels in wanted.values()):
            # Background on both sides can be cut off once for all regions.
            box = bounding_box(reference.astype(np.bool_) | prediction.astype(np.bool_))
            reference, prediction = reference[box], prediction[box]
        for name, labels in wanted.items():
            yield (
                name,
                MaskPair(
                    _members(reference, labels), _members(prediction, labels), self.spacing_mm
                ),
            )


def _members(label_map: Labels, labels: tuple[int, ...]) -> NDArray[np.bool_]:
    # Comparing once per label is faster than any table for the few labels a region has.
    found: NDArray[np.bool_] = label_map == labels[0]
    for label in labels[1:]:
        found |= label_map == label
    return found
