"""Phases of a video: which phase each frame shows, and whether the order of phases is right.

Arrays hold one phase (an index) per frame, at equal distances in time. Every metric is of one
video; the value of many is the mean over videos, as Funke et al. 2023 recommend (arXiv:2305.13961).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from medperf.analysis.metrics.definition import (
    MetricDefinition,
    MetricValue,
    Missing,
    resolve,
)
from medperf.analysis.metrics.phases_table import DEFINITIONS
from medperf.domain.errors import InvalidRequestError

Bools = NDArray[np.bool_]
Phases = NDArray[np.int64]
Segment = tuple[int, int, int]
"""Phase, first frame, frame after the last."""


@dataclass(frozen=True)
class Video:
    """Reference and predicted phases of one video, of the same length, and its frame rate."""

    reference: Phases
    prediction: Phases
    frames_per_s: float

    def __post_init__(self) -> None:
        if self.reference.shape != self.prediction.shape:
            raise InvalidRequestError(
                f"the video has {len(self.reference)} reference frames and "
                f"{len(self.prediction)} predicted ones"
            )

    @cached_property
    def segments(self) -> tuple[list[Segment], list[Segment]]:
        """Runs of one phase, of the reference and of the prediction."""
        return _segments(self.reference), _segments(self.prediction)

    def relaxed(self, tolerance_s: float) -> "Video":
        """The video with every tolerated prediction put right.

        Within ``tolerance_s`` of a transition of the reference either of its two phases is right.
        """
        width = round(tolerance_s * self.frames_per_s)
        prediction = self.prediction.copy()
        for (before, _, at), (after, _, _) in pairwise(self.segments[0]):
            near = slice(max(at - width, 0), at + width)
            tolerated = np.isin(self.prediction[near], (before, after))
            prediction[near][tolerated] = self.reference[near][tolerated]
        return Video(self.reference, prediction, self.frames_per_s)


def values_of(
    names: Iterable[str], video: Video, phase: int | None = None
) -> dict[str, MetricValue]:
    """The metrics ``names`` of one video, overall or of one phase.

    Overall, a metric by phase is the mean over the phases that have a value.

    Raises:
        InvalidRequestError: if there is no such metric.
    """
    return {name: _value_of(name, video, phase) for name in names}


def definition(name: str) -> MetricDefinition:
    """The definition of ``name``.

    Raises:
        InvalidRequestError: if there is none; the message lists what there is.
    """
    return resolve(name, DEFINITIONS).definition


def _value_of(name: str, video: Video, phase: int | None) -> MetricValue:
    metric = resolve(name, DEFINITIONS)
    if not len(video.reference):
        return MetricValue.none(Missing.NO_CASES)
    if metric.family in _WHOLE:
        value = _WHOLE[metric.family](video, *metric.numbers)
        return MetricValue(value, 1)
    if "relaxed" in metric.family:
        video = video.relaxed(metric.numbers[0])
    formula = _BY_PHASE[metric.family.partition("_relaxed")[0]]
    present = np.union1d(video.reference, video.prediction) if phase is None else [phase]
    values = [formula(video.reference == k, video.prediction == k) for k in present]
    found = [value for value in values if value is not None]
    if not found:
        return MetricValue.none(Missing.ABSENT_CLASS, 1)
    return MetricValue(float(np.mean(found)), 1)


def _precision(reference: Bools, prediction: Bools) -> float | None:
    return _over(reference & prediction, prediction)


def _recall(reference: Bools, prediction: Bools) -> float | None:
    return _over(reference & prediction, reference)


def _jaccard(reference: Bools, prediction: Bools) -> float | None:
    return _over(reference & prediction, reference | prediction)


def _over(part: Bools, whole: Bools) -> float | None:
    n = int(np.count_nonzero(whole))
    return int(np.count_nonzero(part)) / n if n else None


# --- the whole video ---


def _accuracy(video: Video) -> float:
    return float(np.mean(video.reference == video.prediction))


def edit_score(video: Video) -> float:
    """1 - edits between the two orders of phases over the longer one's length. [0, 1]."""
    one, two = ([segment[0] for segment in segments] for segments in video.segments)
    row = list(range(len(two) + 1))
    for i, phase in enumerate(one, start=1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(two, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (phase != other))
    return 1.0 - row[-1] / max(len(one), len(two))


def segmental_f1(video: Video, least_iou: float) -> float:
    """F1 over segments; a predicted one hits a free one of its phase at an IoU of ``least_iou``."""
    reference, prediction = video.segments
    free = [True] * len(reference)
    hits = 0
    for segment in prediction:
        overlaps = [_segment_iou(segment, other) for other in reference]
        best = int(np.argmax(overlaps))
        if overlaps[best] >= least_iou and free[best]:
            hits, free[best] = hits + 1, False
    return 2 * hits / (len(reference) + len(prediction))


def _segment_iou(one: Segment, two: Segment) -> float:
    if one[0] != two[0]:
        return 0.0
    shared = max(0, min(one[2], two[2]) - max(one[1], two[1]))
    return shared / (max(one[2], two[2]) - min(one[1], two[1]))


def _segments(phases: Phases) -> list[Segment]:
    edges = [0, *(np.flatnonzero(np.diff(phases)) + 1).tolist(), len(phases)]
    return [(int(phases[start]), start, end) for start, end in pairwise(edges) if end > start]


_WHOLE: Mapping[str, Callable[..., float]] = {
    "frame_accuracy": _accuracy,
    "frame_accuracy_relaxed@<seconds>s": lambda video, s: _accuracy(video.relaxed(s)),
    "edit_score": edit_score,
    "segmental_f1@<iou>": segmental_f1,
}
_BY_PHASE: Mapping[str, Callable[[Bools, Bools], float | None]] = {
    "phase_precision": _precision,
    "phase_recall": _recall,
    "phase_jaccard": _jaccard,
}
