"""Printed values that ours is not, on purpose: what ours is instead, and why."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from published import multilabel, regression, sources
from published.detection import three_of_five_pixels
from published.example import Source

from medperf.analysis.metrics import detection
from medperf.analysis.metrics import regression as own_regression
from medperf.analysis.metrics.matching import MatchedCase


@dataclass(frozen=True, slots=True)
class Difference:
    """A printed value, ours for the same data, and the reason. ``ours`` is None where missing."""

    task: str
    metric: str
    source: Source
    place: str
    printed: float
    ours: float | None
    why: str
    value: Callable[[], float | None]


def differences() -> Iterator[Difference]:
    """All of them."""
    yield Difference(
        "regression", "lin_concordance", sources.TORCHMETRICS, "concordance_corrcoef",
        0.9777, 0.9768,
        "Lin 1989 divides sums of squares by n, TorchMetrics by n - 1 while the squared difference "
        "of the means stays",
        lambda: own_regression.value_of(
            "lin_concordance", regression.REFERENCE, regression.PREDICTED
        ).value,
    )  # fmt: skip
    yield Difference(
        "detection", "ap_coco101_iou@0.50-0.95", sources.TORCHMETRICS,
        "`MeanAveragePrecision`, masks, map", 0.2, 0.3,
        "the IoU is 3/5 and counts for the threshold 0.6 here; COCO's program, which is asked "
        "there, has 0.6000000000000001 as the threshold",
        lambda: detection.value_of("ap_coco101_iou@0.50-0.95", [three_of_five_pixels()]).value,
    )  # fmt: skip
    yield Difference(
        "detection", "froc_iou@0.50", sources.MONAI, "test_compute_froc.py, case 4, at six rates",
        0.9583, 6 / 7,
        "a sensitivity is read where the curve is, without a line between two thresholds that no "
        "threshold reaches, and at the seven rates of LUNA16",
        lambda: detection.value_of("froc_iou@0.50", list(_two_images())).value,
    )  # fmt: skip
    for metric, function, printed in (
        ("positive_predictive_value", "multilabel_precision", 0.5),
        ("negative_predictive_value", "multilabel_negative_predictive_value", 0.5),
    ):
        yield Difference(
            "multilabel", metric, sources.TORCHMETRICS, f"{function}, mean", printed, None,
            "one finding is predicted in no case (or in all), so its value is 0/0: 0 there, "
            "missing here, and with it the mean",
            multilabel.value_of_two(metric),
        )  # fmt: skip


def _two_images() -> Iterator[MatchedCase]:
    # Four objects, hit at 1, 1, 0.8 and 0.8; false positives at 0.8 and 0.6.
    yield MatchedCase(np.array([1.0, 0.8, 0.8]), np.array([[1.0, 0], [0, 1], [0, 0]]))
    yield MatchedCase(np.array([1.0, 0.8, 0.6]), np.array([[1.0, 0], [0, 1], [0, 0]]))
