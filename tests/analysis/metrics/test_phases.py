"""Phase metrics equal scikit-learn's on one video, and small examples worked by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from medperf.analysis.metrics.definition import Missing
from medperf.analysis.metrics.phases import Video, definition, values_of
from medperf.analysis.metrics.phases_table import DEFINITIONS
from medperf.domain.errors import InvalidRequestError

NAMES = tuple(n.replace("<seconds>", "2").replace("<iou>", "0.50") for n in DEFINITIONS)


def video(reference, prediction, rate=1.0):
    return Video(*(np.array([int(c) for c in text]) for text in (reference, prediction)), rate)


def value(name, *given, **more):
    return values_of([name], video(*given), **more)[name].value


@st.composite
def videos(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lengths = rng.integers(1, 9, draw(st.integers(1, 6)))
    reference = np.repeat(rng.integers(0, 4, len(lengths)), lengths)
    wrong = rng.random(len(reference)) < 0.3
    return Video(reference, np.where(wrong, rng.integers(0, 4, len(reference)), reference), 1.0)


@settings(max_examples=40, deadline=None)
@given(one=videos())
def test_values_equal_those_of_scikit_learn(one):
    y, p = one.reference, one.prediction
    found = {name: v.value for name, v in values_of(NAMES, one).items()}
    assert found["frame_accuracy"] == pytest.approx(oracle.accuracy_score(y, p))
    assert found["phase_jaccard"] == pytest.approx(oracle.jaccard_score(y, p, average="macro"))
    in_both = {"labels": np.unique(y), "average": "macro", "zero_division": 0}
    assert found["phase_recall"] == pytest.approx(oracle.recall_score(y, p, **in_both))
    in_both["labels"] = np.unique(p)
    assert found["phase_precision"] == pytest.approx(oracle.precision_score(y, p, **in_both))


@settings(max_examples=40, deadline=None)
@given(one=videos())
def test_a_tolerance_never_lowers_the_accuracy_and_values_stay_in_range(one):
    found = {name: v.value for name, v in values_of(NAMES, one).items()}
    assert found["frame_accuracy_relaxed@2s"] >= found["frame_accuracy"]
    assert all(0.0 <= each <= 1.0 for each in found.values())
    same = values_of(NAMES, Video(one.reference, one.reference, 1.0))
    assert all(each.value == 1.0 for each in same.values())


def test_near_a_transition_either_of_its_phases_is_right():
    # The prediction changes two frames late; phase 3 is wrong everywhere.
    assert value("frame_accuracy", "11112222", "11111132") == pytest.approx(5 / 8)
    assert value("frame_accuracy_relaxed@2s", "11112222", "11111132") == pytest.approx(7 / 8)
    assert value("frame_accuracy_relaxed@1s", "11112222", "11111132", 2.0) == pytest.approx(7 / 8)


def test_the_edit_score_compares_the_order_of_phases_only():
    assert value("edit_score", "1112223", "1222233") == 1.0
    assert value("edit_score", "112233", "112112") == pytest.approx(1 - 2 / 4)


def test_a_segment_is_hit_once():
    # One reference segment, cut in two by a wrong frame: one hit, two false segments.
    assert value("segmental_f1@0.50", "11111111", "11111211") == pytest.approx(2 / 4)


def test_one_phase_can_be_asked_for():
    assert value("phase_recall", "1122", "1112", phase=2) == 0.5
    assert value("phase_precision", "1122", "1112", phase=1) == pytest.approx(2 / 3)


def test_a_phase_that_is_not_there_has_no_value():
    found = values_of(["phase_recall"], video("11", "12"), phase=2)["phase_recall"]
    assert found.missing is Missing.ABSENT_CLASS


def test_a_video_without_frames_has_no_value():
    assert values_of(["edit_score"], video("", ""))["edit_score"].missing is Missing.NO_CASES


def test_both_must_have_the_same_number_of_frames():
    with pytest.raises(InvalidRequestError, match="3 reference frames and 2 predicted"):
        video("111", "11")


def test_a_tolerance_is_part_of_the_title():
    assert definition("phase_jaccard_relaxed@10s").title.endswith("within 10 s of a transition")
