"""Examples of frames and segments. Scikit-learn's classes are taken as the frames of a video."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from published import sources
from published.example import Example

from medperf.analysis.metrics import phases
from medperf.analysis.metrics.phases import Video


def examples() -> Iterator[Example]:
    """All of them."""
    short = _video([0, 0, 1, 1, 2, 1, 1, 0, 0], [0, 0, 0, 1, 0, 1, 1, 1, 0])
    long = _video(
        [1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3],
        [1, 2, 3, 0, 0, 1, 2, 3, 0, 0, 0, 1, 2, 3, 0, 0, 0, 0],
    )
    yield Example(
        "phases", "edit_score", sources.ACTSEG, "README, mean of two videos", 0.525, 5e-4,
        _mean("edit_score", [short, long]), "in percent there",
    )  # fmt: skip
    frames = _video([0, 0, 1, 1, 2, 1, 1, 0, 0, 1], [0, 0, 0, 1, 0, 1, 1, 1, 0, 2])
    yield Example(
        "phases", "frame_accuracy", sources.ACTSEG, "test_mof_accuracy", 0.6, 1e-9,
        _mean("frame_accuracy", [frames]),
    )  # fmt: skip
    six = _video([0, 1, 2, 0, 1, 2], [0, 2, 1, 0, 0, 1])
    for metric, function, printed in (
        ("phase_recall", "recall_score, macro", 0.33),
        ("phase_precision", "precision_score, macro", 0.22),
    ):
        yield Example(
            "phases", metric, sources.SCIKIT_LEARN, function, printed, 5e-3, _mean(metric, [six])
        )
    four = _video([0, 1, 2, 2], [0, 2, 1, 2])
    for phase, printed in enumerate((1.0, 0.0, 0.33)):
        yield Example(
            "phases", "phase_jaccard", sources.SCIKIT_LEARN, f"jaccard_score, class {phase}",
            printed, 5e-3, _mean("phase_jaccard", [four], phase),
        )  # fmt: skip


def _video(reference: Sequence[int], prediction: Sequence[int]) -> Video:
    return Video(np.array(reference), np.array(prediction), 1.0)


def _mean(
    metric: str, videos: Sequence[Video], phase: int | None = None
) -> Callable[[], float | None]:
    def value() -> float | None:
        found = [phases.values_of((metric,), video, phase)[metric].value for video in videos]
        known = [each for each in found if each is not None]
        return sum(known) / len(known) if known else None

    return value
