"""How much of an order is chance: draws say what the paired comparisons say, and no more."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from medperf.analysis.ranking import kendall_tau
from medperf.analysis.stability import _taus, rank_stability
from medperf.domain.benchmarks import Direction
from medperf.domain.errors import InestimableError

CLEAR = {"a": 0.9, "b": 0.8, "c": 0.7}


def equal_errors(k: int, error: float) -> np.ndarray:
    return error * (1 - np.eye(k))


def test_a_certain_order_is_stable_and_a_close_one_is_not():
    certain = rank_stability(CLEAR, equal_errors(3, 0.01))
    assert (certain.tau, certain.tau_lower, certain.first["a"]) == (1.0, 1.0, 1.0)
    close = rank_stability(CLEAR, equal_errors(3, 0.1))
    assert close.tau_lower < close.tau < close.tau_upper == 1
    assert sum(close.first.values()) == pytest.approx(1)
    assert close.first["a"] > close.first["b"] > close.first["c"] > 0


@pytest.mark.parametrize("score", [0.0, 0.5, 1.0, 1.96, 3.0])
def test_of_two_models_the_share_is_one_less_half_the_p_value(score):
    found = rank_stability({"a": 0.01 * score, "b": 0.0}, equal_errors(2, 0.01))
    assert found.first["a"] == pytest.approx(special.ndtr(score), abs=0.03)
    student = rank_stability({"a": 0.01 * score, "b": 0.0}, equal_errors(2, 0.01), degrees=2)
    assert student.first["a"] == pytest.approx(special.stdtr(2, score), abs=0.03)


def test_models_that_share_their_luck_are_drawn_together():
    # c varies by itself; a and b always the same way, so that one is first or the other never.
    errors = np.array([[0, 0.001, 0.1], [0.001, 0, 0.1], [0.1, 0.1, 0]])
    found = rank_stability({"a": 0.81, "b": 0.80, "c": 0.80}, errors)
    assert found.first["b"] == 0
    assert 0.3 < found.first["c"] < 0.5


def test_lower_is_better_turns_the_order_around():
    found = rank_stability(CLEAR, equal_errors(3, 0.05), direction=Direction.LOWER)
    assert max(found.first, key=found.first.__getitem__) == "c"


def test_models_that_never_differ_share_the_first_place():
    found = rank_stability({"a": 1.0, "b": 1.0}, equal_errors(2, 0.0))
    assert (found.first, found.tau) == ({"a": 0.5, "b": 0.5}, 1.0)


def test_errors_that_no_covariance_has_are_still_drawn():
    impossible = np.array([[0, 0.01, 0.01], [0.01, 0, 0.5], [0.01, 0.5, 0]])
    found = rank_stability(CLEAR, impossible)
    assert sum(found.first.values()) == pytest.approx(1)


def test_the_same_errors_give_the_same_shares():
    assert rank_stability(CLEAR, equal_errors(3, 0.1)) == rank_stability(
        CLEAR, equal_errors(3, 0.1)
    )


def test_without_every_error_or_two_models_there_is_no_stability():
    with pytest.raises(InestimableError, match="two models"):
        rank_stability({"a": 0.8}, equal_errors(1, 0.1))
    for errors in (equal_errors(2, 0.1), np.full((3, 3), np.nan)):
        with pytest.raises(InestimableError, match="every difference"):
            rank_stability(CLEAR, errors)


VECTOR = st.lists(st.integers(0, 5), min_size=2, max_size=9)


@given(st.data(), VECTOR)
def test_the_tau_of_many_draws_is_that_of_each(data, shown):
    draw = st.lists(st.integers(0, 5), min_size=len(shown), max_size=len(shown))
    drawn = np.array(data.draw(st.lists(draw, min_size=1, max_size=4)), dtype=float)
    values = np.array(shown, dtype=float)
    assert _taus(values, drawn) == pytest.approx([kendall_tau(values, one) for one in drawn])
