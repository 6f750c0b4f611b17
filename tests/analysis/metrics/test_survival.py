"""Time-to-event metrics equal those of two other libraries, and say why where there is no value."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medperf.analysis.metrics.definition import Missing
from medperf.analysis.metrics.survival import FollowedCases, definition, value_of
from medperf.domain.errors import InvalidRequestError

VECTORS = json.loads((Path(__file__).parent / "vectors/survival.json").read_text())["cases"]
NAMES = tuple(VECTORS[0]["values"])


def followed(case):
    return FollowedCases(
        np.array(case["time"]), np.array(case["event"]), np.array(case["risk"]),
        np.array(case["survival"]), tuple(case["times"]),
    )  # fmt: skip


@pytest.mark.parametrize("number", range(len(VECTORS)))
@pytest.mark.parametrize("name", NAMES)
def test_values_equal_those_of_other_libraries(number, name):
    case = VECTORS[number]
    assert value_of(name, followed(case)).value == pytest.approx(case["values"][name], abs=1e-5)
    if name == "concordance_harrell":
        assert value_of(name, followed(case)).value == pytest.approx(case["lifelines"])


@st.composite
def cohorts(draw):
    n = draw(st.integers(1, 25))
    few = st.integers(1, 6).map(float)
    time, risk = (np.array(draw(st.lists(few, min_size=n, max_size=n))) for _ in range(2))
    event = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    survival = np.linspace(0.9, 0.1, 3)[None, :] ** risk[:, None]
    return FollowedCases(time, event, risk, survival, (2.0, 4.0, 6.0))


@settings(max_examples=60, deadline=None)
@given(cases=cohorts())
def test_concordance_equals_a_count_of_pairs(cases):
    right = whole = 0.0
    for i in range(len(cases)):
        for j in range(len(cases)):
            known = cases.event[i] and (
                cases.time[i] < cases.time[j]
                or (cases.time[i] == cases.time[j] and not cases.event[j])
            )
            if known:
                whole += 1
                right += float(cases.risk[i] > cases.risk[j]) + 0.5 * (
                    cases.risk[i] == cases.risk[j]
                )
    found = value_of("concordance_harrell", cases)
    if whole:
        assert found.value == pytest.approx(right / whole)
    else:
        assert found.missing is Missing.NO_PAIRS


@settings(max_examples=60, deadline=None)
@given(cases=cohorts())
def test_every_value_is_a_number_or_has_a_reason(cases):
    for name in NAMES:
        found = value_of(name, cases)
        assert (found.value is None) == (found.missing is not None)
        assert found.value is None or np.isfinite(found.value)


@settings(max_examples=40, deadline=None)
@given(cases=cohorts())
def test_without_censoring_weights_change_nothing(cases):
    whole = FollowedCases(cases.time, np.ones(len(cases), dtype=bool), cases.risk)
    harrell, uno = (value_of(name, whole) for name in ("concordance_harrell", "concordance_uno@9"))
    assert (harrell.value, harrell.missing) == (uno.value, uno.missing)


def test_without_censoring_the_brier_score_is_a_mean_square():
    survival = np.array([[0.2], [0.7], [0.9]])
    cases = FollowedCases(
        np.array([1.0, 5.0, 6.0]), np.ones(3, dtype=bool), np.zeros(3), survival, (3.0,)
    )
    expected = (0.2**2 + 0.3**2 + 0.1**2) / 3
    assert value_of("brier_at@3", cases).value == pytest.approx(expected)


def test_a_risk_is_needed_for_ranks_and_survival_for_probabilities():
    cases = FollowedCases(np.array([1.0, 2.0]), np.array([True, True]))
    with pytest.raises(InvalidRequestError, match="needs a risk"):
        value_of("concordance_harrell", cases)
    assert value_of("brier_at@3", cases).missing is Missing.NO_PROBABILITIES


def test_a_time_without_a_prediction_is_refused():
    case = followed(VECTORS[0])
    with pytest.raises(InvalidRequestError, match="not predicted at 3; it is at: 2, 4, 6"):
        value_of("brier_at@3", case)
    with pytest.raises(InvalidRequestError, match="no interval"):
        value_of("integrated_brier@4-4", case)


def test_without_cases_there_is_no_value():
    nothing = followed(VECTORS[0]).where(np.zeros(len(VECTORS[0]["time"]), dtype=bool))
    assert all(value_of(name, nothing).missing is Missing.NO_CASES for name in NAMES)


def test_a_time_is_part_of_the_title():
    assert definition("auc_at@24").title.startswith("Area under the ROC curve of the event by 24")
