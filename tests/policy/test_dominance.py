"""How much of a number one patient makes up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medperf.policy.dominance import Contribution, largest_share


def test_nothing_has_no_share():
    assert largest_share([]) == 0


def test_a_patient_with_most_of_the_cases_has_most_of_the_number():
    assert largest_share([Contribution("a")] * 3 + [Contribution("b")]) == 0.75


def test_weights_count_where_there_are_any():
    found = [Contribution("a", weight=9), Contribution("b", weight=1)]
    assert largest_share(found) == 0.9


def test_an_outlier_has_most_of_a_mean_without_bounds():
    found = [Contribution(str(n), magnitude=1) for n in range(9)]
    found.append(Contribution("x", magnitude=-91))
    assert largest_share(found) == pytest.approx(0.91)


@given(st.lists(st.builds(Contribution, st.sampled_from("abc"), st.floats(0, 1e6)), min_size=1))
def test_a_share_is_at_least_that_of_everybody_alike(contributions):
    n = len({each.patient for each in contributions})
    assert 1 / n - 1e-9 <= largest_share(contributions) <= 1
