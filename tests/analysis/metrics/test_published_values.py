"""Values that papers and libraries print for their own examples come out here as well.

Where a paper prints a definition and no example, its identity is checked on a case worked by hand.
"""

import numpy as np
import pytest

from medperf.analysis.metrics import (
    binary,
    classification,
    detection,
    phases,
    regression,
    segmentation,
)
from medperf.analysis.metrics.classification import ClassifiedCases
from medperf.analysis.metrics.label_maps import LabelMapPair
from medperf.analysis.metrics.matching import box_iou, matched
from medperf.analysis.metrics.phases import Video
from medperf.analysis.metrics.survival import FollowedCases, value_of


def test_auroc_of_hanley_and_mcneil():
    # 1982, table 1: 109 computed tomograms, rated from 1 (definitely normal) to 5 by one reader.
    ratings = np.repeat([1, 2, 3, 4, 5] * 2, [33, 6, 6, 11, 2, 3, 2, 2, 11, 33])
    abnormal = np.arange(109) >= 58
    assert binary.auroc(abnormal, ratings.astype(float)).value == pytest.approx(0.893, abs=5e-4)


def test_score_of_brier():
    # 1950, the table of ten forecasts of rain, verified over two classes: P = 0.19.
    rain = np.array([0.7, 0.9, 0.8, 0.4, 0.2, 0, 0, 0, 0, 0.1])
    occurred = np.array([0, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    cases = ClassifiedCases(
        ("dry", "rain"), occurred, (rain > 0.5).astype(int), np.column_stack([1 - rain, rain])
    )
    assert classification.value_of("brier", cases).value == pytest.approx(0.19)
    # "Halved as is usual for two classes", as scikit-learn has it.
    assert binary.brier(occurred.astype(bool), rain).value == pytest.approx(0.095)


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (binary.auroc, 0.75),
        (binary.average_precision, 0.83),
    ],
)
def test_ranks_in_the_manual_of_scikit_learn(value, printed):
    truth, scores = np.array([False, False, True, True]), np.array([0.1, 0.4, 0.35, 0.8])
    assert value(truth, scores).value == pytest.approx(printed, abs=5e-3)


def test_probabilities_in_the_manual_of_scikit_learn():
    truth, probability = np.array([0, 1, 1, 0], dtype=bool), np.array([0.1, 0.9, 0.8, 0.3])
    assert binary.brier(truth, probability).value == pytest.approx(0.0375)


@pytest.mark.parametrize(
    ("metric", "truth", "predicted", "printed"),
    [
        ("balanced_accuracy", [0, 1, 0, 0, 1, 0], [0, 1, 0, 0, 0, 1], 0.625),
        ("mcc", [1, 1, 1, 0], [1, 0, 1, 1], -0.33),
        ("accuracy", [0, 1, 2, 3], [0, 2, 1, 3], 0.5),
        ("f1", [0, 1, 2, 0, 1, 2], [0, 2, 1, 0, 0, 1], 0.267),
    ],
)
def test_classes_in_the_manual_of_scikit_learn(metric, truth, predicted, printed):
    classes = tuple("abcd"[: max(truth) + 1])
    cases = ClassifiedCases(classes, np.array(truth), np.array(predicted))
    value = classification.value_of(metric, cases).value
    assert value == pytest.approx(printed, abs=5e-3)


@pytest.mark.parametrize(
    ("metric", "printed"),
    [
        ("mae", 0.5), ("mse", 0.375), ("rmse", 0.612), ("median_absolute_error", 0.5),
        ("r2", 0.948),
    ],
)  # fmt: skip
def test_errors_in_the_manual_of_scikit_learn(metric, printed):
    truth, predicted = np.array([3, -0.5, 2, 7]), np.array([2.5, 0.0, 2, 8])
    assert regression.value_of(metric, truth, predicted).value == pytest.approx(printed, abs=1e-3)


# What the test suite of DeepMind's surface-distance states for its masks.


def of_masks(reference, predicted, spacing_mm, names):
    pair = LabelMapPair(reference.astype(np.uint8), predicted.astype(np.uint8), spacing_mm)
    [(_, masks)] = pair.regions({"mask": (1,)})
    return {name: each.value for name, each in segmentation.values_of(names, masks).items()}


def test_two_single_voxels_of_surface_distance():
    reference, predicted = np.zeros((2, 12, 12, 12))
    reference[5, 6, 7] = predicted[5, 6, 9] = 1
    found = of_masks(
        reference, predicted, (3.0, 2.0, 1.0), ("dsc", "hd95_surfel", "nsd_surfel@1mm")
    )
    assert found == pytest.approx({"dsc": 0.0, "hd95_surfel": 2.0, "nsd_surfel@1mm": 0.5}, abs=1e-6)


def test_two_halves_of_surface_distance():
    reference, predicted = np.zeros((2, 100, 100, 100))
    reference[:50], predicted[:51] = 1, 1
    found = of_masks(
        reference, predicted, (2.0, 1.0, 1.0),
        ("dsc", "hd95_surfel", "nsd_surfel@1mm", "assd_surfel"),
    )  # fmt: skip
    assert found["dsc"] == pytest.approx(0.990, abs=5e-4)
    assert found["hd95_surfel"] == pytest.approx(2.0)
    assert found["nsd_surfel@1mm"] == pytest.approx(0.836, abs=5e-4)
    # It states 0.322 and 0.339, one for each direction; ours weighs both by area.
    assert 0.322 < found["assd_surfel"] < 0.339


def test_precision_made_falling_as_everingham_defines_it():
    # One hit, then one miss, then a hit, of three objects: precision 1, 1/2, 2/3 at recall 1/3, 1/3, 2/3.
    boxes = np.array([[0, 0, 1, 1], [5, 5, 6, 6], [10, 10, 11, 11]], dtype=float)
    predicted = np.array([[0, 0, 1, 1], [20, 20, 21, 21], [5, 5, 6, 6]], dtype=float)
    case = matched(np.array([0.9, 0.8, 0.7]), box_iou(predicted, boxes))
    value = detection.value_of("ap_all_points_iou@0.5", [case]).value
    assert value == pytest.approx(1 / 3 + 2 / 3 / 3)


def test_panoptic_quality_is_segmentation_times_recognition_quality():
    # Kirillov et al. 2019, equation 2: PQ = SQ x RQ.
    boxes = np.array([[0, 0, 4, 4], [10, 10, 14, 14]], dtype=float)
    predicted = np.array([[0, 0, 4, 3], [20, 20, 21, 21]], dtype=float)
    case = matched(np.array([1.0, 1.0]), box_iou(predicted, boxes))
    quality = detection.value_of("panoptic_quality_iou@0.50", [case]).value
    recognition = detection.value_of("detection_f1_iou@0.50", [case]).value
    assert quality == pytest.approx(12 / 16 * recognition)
    assert recognition == pytest.approx(1 / (1 + 0.5 + 0.5))


def test_edit_score_of_a_sequence_with_one_segment_too_many():
    # Lea et al. 2016: insertions, deletions and swaps of segments, whatever their length.
    truth, predicted = np.array([0] * 8 + [1] * 8), np.array([0] * 2 + [1] * 2 + [0] * 4 + [1] * 8)
    video = Video(truth, predicted, 1.0)
    assert phases.values_of(("edit_score",), video)["edit_score"].value == pytest.approx(0.5)


def test_concordance_without_censoring_is_the_share_of_pairs_in_order():
    # Harrell et al. 1982; Uno's weights are then all 1.
    cases = FollowedCases(
        np.array([1.0, 2, 3, 4]), np.ones(4, dtype=bool), np.array([4.0, 3, 1, 2])
    )
    assert value_of("concordance_harrell", cases).value == pytest.approx(5 / 6)
    assert value_of("concordance_uno@9", cases).value == pytest.approx(5 / 6)
