"""Detection metrics equal those of COCO's program and panoptica, and a reading of definitions."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medperf.analysis.metrics.definition import Missing
from medperf.analysis.metrics.detection import FROC_RATES, definition, value_of
from medperf.analysis.metrics.detection_table import DEFINITIONS
from medperf.analysis.metrics.matching import (
    box_centers,
    box_iou,
    center_closeness,
    instance_iou,
    matched,
)
from medperf.domain.errors import InvalidRequestError

VECTORS = json.loads((Path(__file__).parent / "vectors/detection.json").read_text())
NUMBERS = {"<iou>": "0.50", "<distance>": "5", "<upper>": "0.95"}


def named(name):
    for place, number in NUMBERS.items():
        name = name.replace(place, number)
    return name


def boxes(case, key):
    return np.array(case[key], dtype=float).reshape(-1, 4)


def by_iou(case):
    iou = box_iou(boxes(case, "predicted"), boxes(case, "reference"))
    return matched(np.array(case["scores"]), iou)


@pytest.mark.parametrize("number", range(len(VECTORS["boxes"])))
def test_average_precision_equals_that_of_coco(number):
    vector = VECTORS["boxes"][number]
    cases = [by_iou(case) for case in vector["cases"]]
    found = {name: value_of(name, cases).value for name in vector["values"]}
    assert found == pytest.approx(vector["values"], abs=1e-9)


@pytest.mark.parametrize("number", range(len(VECTORS["instances"])))
def test_panoptic_quality_equals_that_of_panoptica(number):
    vector = VECTORS["instances"][number]
    iou = instance_iou(np.array(vector["predicted"]), np.array(vector["reference"]))
    found = {
        name: value_of(name, [matched(np.ones(len(iou)), iou)]).value for name in vector["values"]
    }
    assert found == pytest.approx(vector["values"], abs=1e-9)


@st.composite
def scored(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return [
        matched(
            rng.integers(0, 5, m) / 4,
            rng.choice([0.0, 0.3, 0.5, 0.9], (m, draw(st.integers(0, 3)))),
        )
        for m in draw(st.lists(st.integers(0, 4), min_size=1, max_size=6))
    ]


@settings(max_examples=60, deadline=None)
@given(cases=scored())
def test_every_value_lies_in_its_range_or_has_a_reason(cases):
    for name in map(named, DEFINITIONS):
        found = value_of(name, cases)
        if found.value is None:
            assert found.missing is Missing.NO_OBJECTS
        else:
            metric = definition(name)
            assert metric.lower <= found.value <= metric.upper
            assert found.n == len(cases)


@settings(max_examples=60, deadline=None)
@given(cases=scored())
def test_a_reference_object_is_found_at_most_once(cases):
    for case in cases:
        partners = case.partners(0.3)
        chosen = partners[partners >= 0]
        assert len(set(chosen.tolist())) == len(chosen)


@settings(max_examples=40, deadline=None)
@given(cases=scored())
def test_froc_equals_a_search_over_thresholds(cases):
    n = sum(case.n_reference for case in cases)
    if not n:
        return
    best = dict.fromkeys(FROC_RATES, 0.0)
    for threshold in (0.0, 0.25, 0.5, 0.75, 1.0):
        hits = false = 0
        for case in cases:
            above = case.partners(0.5)[case.scores >= threshold]
            hits += int((above >= 0).sum())
            false += int((above < 0).sum())
        for rate in FROC_RATES:
            if false / len(cases) <= rate:
                best[rate] = max(best[rate], hits / n)
    found = value_of("froc_iou@0.50", cases).value
    assert found == pytest.approx(np.mean(list(best.values())))


def test_all_points_average_precision_of_a_small_example():
    # hit, miss, hit of two objects: 1/2 * 1 + 1/2 * 2/3
    iou = np.array([[0.9, 0.0], [0.0, 0.1], [0.0, 0.8]])
    cases = [matched(np.array([0.9, 0.8, 0.7]), iou)]
    assert value_of("ap_all_points_iou@0.50", cases).value == pytest.approx(0.5 + 1 / 3)


def test_a_threshold_decides_what_is_counted_and_not_the_curve():
    cases = [matched(np.array([0.9, 0.2]), np.array([[0.9], [0.1]]))]
    assert value_of("detection_precision_iou@0.50", cases).value == 0.5
    assert value_of("detection_precision_iou@0.50", cases, threshold=0.5).value == 1.0
    assert value_of("ap_coco101_iou@0.50", cases, threshold=0.95).value == 1.0


def test_centers_match_within_a_distance():
    reference = np.array([[0.0, 0.0, 4.0, 4.0]])
    predicted = np.array([[3.0, 0.0, 7.0, 4.0]])
    closeness = center_closeness(box_centers(predicted), box_centers(reference))
    cases = [matched(np.array([1.0]), closeness)]
    assert value_of("detection_sensitivity_distance@3mm", cases).value == 1.0
    assert value_of("detection_sensitivity_distance@2.9mm", cases).value == 0.0


def test_without_cases_there_is_no_value():
    assert value_of("froc_iou@0.50", []).missing is Missing.NO_CASES


def test_a_box_inside_out_is_refused():
    box = np.array([[0.0, 0.0, 1.0, 1.0]])
    with pytest.raises(InvalidRequestError, match="upper corner below"):
        box_iou(box[:, ::-1], box)


def test_instance_maps_must_fit_each_other():
    with pytest.raises(InvalidRequestError, match="differ in shape"):
        instance_iou(np.zeros((2, 2), int), np.zeros((2, 3), int))
