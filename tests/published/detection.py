"""Examples of objects: boxes, masks, and a list of hits and misses."""

from collections.abc import Callable, Iterator

import numpy as np
from published import sources
from published.classification import half_a_digit
from published.example import Example, Source, mask

from medperf.analysis.metrics import detection
from medperf.analysis.metrics.matching import MatchedCase, box_iou, instance_iou, matched

IMAGES = (
    "1 88 -", "1 70 +", "1 80 -", "2 71 -", "2 54 +", "2 74 -", "3 18 +", "3 67 -", "3 38 -",
    "3 91 +", "3 44 -", "4 35 -", "4 78 -", "4 45 -", "4 14 -", "5 62 +", "5 44 -", "5 95 +",
    "5 23 -", "6 45 -", "6 84 -", "6 43 -", "7 48 +", "7 95 -",
)  # fmt: skip
"""Padilla's table: image, confidence in percent, and whether the box hits one of 15 objects."""


def examples() -> Iterator[Example]:
    """All of them."""
    box = matched(
        np.array([0.536]),
        box_iou(np.array([[258.0, 41, 606, 285]]), np.array([[214.0, 41, 562, 285]])),
    )
    place = "`MeanAveragePrecision`, boxes"
    for metric, key, printed in (
        ("ap_coco101_iou@0.50-0.95", "map", 0.6),
        ("ap_coco101_iou@0.50", "map_50", 1.0),
        ("ap_coco101_iou@0.75", "map_75", 1.0),
    ):
        yield _row(sources.TORCHMETRICS, f"{place}, {key}", metric, printed, [box])
    one = three_of_five_pixels()
    place = "`MeanAveragePrecision`, masks"
    for metric, key, printed in (
        ("ap_coco101_iou@0.50", "map_50", 1.0),
        ("ap_coco101_iou@0.75", "map_75", 0.0),
    ):
        yield _row(sources.TORCHMETRICS, f"{place}, {key}", metric, printed, [one])
    yield from _hits_and_misses()
    yield from _instances()


def three_of_five_pixels() -> MatchedCase:
    """A segment of TorchMetrics whose IoU with the reference is 3/5, a threshold of COCO's."""
    segment = mask("..... ..##. ..##. ..... ....."), mask("..... ..#.. ..##. ..#.. .....")
    return matched(np.array([0.536]), instance_iou(*(each.astype(int) for each in segment)))


def _hits_and_misses() -> Iterator[Example]:
    cases = [_image(str(number)) for number in range(1, 8)]
    # Objects that no box hits are put into the first image: 15 in all.
    missed = 15 - sum(case.n_reference for case in cases)
    first = np.pad(cases[0].goodness, ((0, 0), (0, missed)))
    cases[0] = MatchedCase(cases[0].scores, first)
    for metric, place, printed in (
        ("ap_all_points_iou@0.30", "AP by every point", 0.2456),
        ("detection_sensitivity_iou@0.30", "recall after the last box", 0.4666),
        ("detection_precision_iou@0.30", "precision after the last box", 0.2916),
    ):
        yield _row(
            sources.PADILLA, place, metric, printed, cases, within=1e-4,
            note="printed cut off, not rounded",
        )  # fmt: skip
    yield _row(
        sources.PADILLA, "17 false positives in 7 images", "false_positives_per_case_iou@0.30",
        17 / 7, cases, within=1e-9,
    )  # fmt: skip
    for metric, place, printed in (
        ("detection_sensitivity_iou@0.30", "recall after three boxes", 0.1333),
        ("detection_precision_iou@0.30", "precision after three boxes", 0.6666),
    ):
        yield _row(
            sources.PADILLA, place, metric, printed, cases, threshold=0.91, within=1e-4,
            note="printed cut off, not rounded",
        )  # fmt: skip


def _image(number: str) -> MatchedCase:
    rows = [row.split() for row in IMAGES if row.startswith(number)]
    hits = np.array([hit == "+" for _, _, hit in rows])
    # Every box that hits has an object of its own.
    own = np.eye(len(rows))[:, hits] * 0.5
    return matched(np.array([int(score) / 100 for _, score, _ in rows]), own)


def _instances() -> Iterator[Example]:
    predicted = np.array([[0, 1, 1, 1], [0, 0, 0, 0], [2, 0, 3, 3], [4, 2, 2, 0]])
    reference = np.array([[1, 1, 2, 1], [0, 0, 0, 0], [1, 3, 0, 0], [4, 3, 3, 3]])
    place = "test_compute_panoptic_quality.py, sample 2"
    case = [_maps(predicted, reference)]
    yield _row(sources.MONAI, f"{place}, PQ", "panoptic_quality_iou@0.50", 0.25, case)
    yield _row(sources.MONAI, f"{place}, RQ at 0.3", "detection_f1_iou@0.30", 0.75, case)
    predicted, reference = np.zeros((2, 18, 18), dtype=np.int64)
    predicted[3:7, 1:3] = predicted[3:6, 3:7] = 1
    predicted[13:16, 4:6] = 2
    predicted[7:12, 13:17] = 3
    predicted[13:15, 13:17] = predicted[15, 15] = 4
    reference[2:7, 1:3] = reference[2:5, 3:6] = 1
    reference[6:12, 12:17] = 2
    reference[14, 7:10] = reference[13:16, 8] = 3
    yield _row(
        sources.METRICS_RELOADED, "figure 3.51", "panoptic_quality_iou@0.50", 0.350,
        [_maps(predicted, reference)], within=1e-3, note="as far as the source asks for",
    )  # fmt: skip


def _maps(predicted: np.ndarray, reference: np.ndarray) -> MatchedCase:
    iou = instance_iou(predicted, reference)
    return matched(np.ones(len(iou)), iou)


def _row(
    source: Source,
    place: str,
    metric: str,
    printed: float,
    cases: list[MatchedCase],
    *,
    threshold: float = 0.0,
    within: float | None = None,
    note: str = "",
) -> Example:
    return Example(
        "detection", metric, source, place, printed,
        half_a_digit(printed) if within is None else within,
        _value(metric, cases, threshold), note,
    )  # fmt: skip


def _value(metric: str, cases: list[MatchedCase], threshold: float) -> Callable[[], float | None]:
    return lambda: detection.value_of(metric, cases, threshold).value
