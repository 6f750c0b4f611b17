"""Average precision and FROC of weighted cases: whole weights are cases that occur more than once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medperf.analysis.bootstrap import resample
from medperf.analysis.case_evidence import measure
from medperf.analysis.metrics import detection
from medperf.analysis.metrics.detection_table import DEFINITIONS
from medperf.analysis.metrics.matching import matched
from medperf.domain.benchmarks import AnalysisPlan, PlannedMetric, Summary
from medperf.domain.case_table import OF_OBJECTS, CaseTable, FoundObjects, found_cell, found_in

METRICS = (
    "ap_coco101_iou@0.50",
    "ap_coco101_iou@0.50-0.95",
    "ap_all_points_iou@0.50",
    "froc_iou@0.50",
)


def seen(rng, n, *, empty=0.2):
    """Cases of a few objects each; scores that tie now and then."""
    cases = []
    for _ in range(n):
        objects = int(rng.integers(0, 4)) if rng.random() > empty else 0
        predicted = int(rng.integers(0, 5))
        scores = np.round(rng.random(predicted), 1)
        cases.append(matched(scores, rng.random((predicted, objects))))
    return cases


def table_of(metric, cases, patients=None):
    objects, cells = detection.found_of(metric, cases)
    listed = [(row, *each) for row, cell in enumerate(cells) for each in found_in(cell)]
    names = [f"{metric}:objects", f"{metric}:found"]
    counts = [float(len(found_in(cell))) for cell in cells]
    n = len(cases)
    return CaseTable(
        cases=tuple(map(str, range(n))),
        patients=tuple(patients or (f"p{k:03}" for k in range(n))),
        usable=[True] * n,
        subgroups={},
        columns=dict(zip(names, (objects.tolist(), counts), strict=True)),
        found={names[1]: FoundObjects(*map(list, zip(*listed, strict=True)))
               if listed else FoundObjects((), (), ())},
    )  # fmt: skip


def planned(metric, smallest_cell=1):
    summaries = (Summary.STANDARD_ERROR, Summary.REPLICATES)
    own = PlannedMetric(
        name=metric, evidence=detection.definition(metric).evidence, summaries=summaries
    )
    return AnalysisPlan(metrics=(own,), primary=metric, replicates=200, smallest_cell=smallest_cell)


def test_every_curve_of_objects_has_such_a_form():
    families = {metric.evidence for metric in DEFINITIONS.values()}
    assert families >= OF_OBJECTS
    assert None not in families


@pytest.mark.parametrize("metric", METRICS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_value_is_that_of_the_metric(metric, seed):
    rng = np.random.default_rng(seed)
    cases = seen(rng, int(rng.integers(1, 12)))
    [cell] = measure(table_of(metric, cases), planned(metric), None)
    expected = detection.value_of(metric, cases)
    if expected.value is None:
        assert cell.absence == expected.missing == "no_objects"
    else:
        assert cell.summary.value == pytest.approx(expected.value, abs=1e-12)
        assert cell.summary.n == expected.n


@pytest.mark.parametrize("metric", METRICS)
def test_replicates_weigh_cases(metric):
    rng = np.random.default_rng(8)
    # Distinct scores: among cases that occur twice, ties would be told apart by their order.
    cases = [matched(rng.random(4), rng.random((4, 3))) for _ in range(6)]
    table, times = table_of(metric, cases), np.array([1, 2, 1, 3, 1, 2])
    weights = resample(rng, table.patients, 1)
    weights.weights[0] = times
    [cell] = measure(table, planned(metric), weights)
    repeated = [case for case, k in zip(cases, times, strict=True) for _ in range(k)]
    # Repeated, a hit is two steps of the curve and not one that is twice as wide.
    expected = detection.value_of(metric, repeated).value
    assert cell.summary.replicates == pytest.approx([expected], abs=0.02)


def test_the_standard_error_is_that_of_other_patients_of_the_kind():
    rng = np.random.default_rng(9)
    metric = "ap_all_points_iou@0.50"
    truth = [detection.value_of(metric, seen(rng, 60, empty=0.0)).value for _ in range(300)]
    told = []
    for _ in range(5):
        table = table_of(metric, seen(rng, 60, empty=0.0))
        [cell] = measure(table, planned(metric), resample(rng, table.patients, 200))
        told.append(cell.summary.standard_error)
    assert np.mean(told) == pytest.approx(np.std(truth), rel=0.25)


def test_objects_in_too_few_cases_are_not_told():
    rng = np.random.default_rng(10)
    cases = [matched(np.array([0.5]), np.ones((1, 1 if k < 3 else 0))) for k in range(20)]
    table = table_of("froc_iou@0.50", cases)
    weights = resample(rng, table.patients, 50)
    [cell] = measure(table, planned("froc_iou@0.50", smallest_cell=5), weights)
    assert cell.absence == "suppressed"


def test_a_model_that_finds_nothing_has_zero():
    cases = [matched(np.zeros(0), np.zeros((0, 2))) for _ in range(4)]
    [cell] = measure(table_of("ap_coco101_iou@0.50", cases), planned("ap_coco101_iou@0.50"), None)
    assert cell.summary.value == 0.0


def test_a_cell_says_what_was_found():
    assert found_cell([0.93, 0.4], ["1", "0"]) == "0.93:1 0.4:0"
    assert found_in("0.93:1 0.4:0") == [(0.93, "1"), (0.4, "0")]
    assert found_cell([], []) == "-"
    assert found_in("-") == []


@pytest.mark.parametrize("cell", ["0.9", "0.9:", "0.9:2", "x:1", "inf:1", "0.9:1  0.8:1", ":1"])
def test_what_is_no_list_of_objects_is_none(cell):
    assert found_in(cell) is None
