"""The lifecycle tables are sound, and they alone say what may follow what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medperf.domain import lifecycle
from medperf.domain.errors import TransitionError

EACH = pytest.mark.parametrize("table", lifecycle.ALL, ids=lambda table: table.noun)


@EACH
def test_each_act_from_a_state_leads_to_one_state(table):
    lines = [(line.source, line.action) for line in table.transitions]
    assert len(set(lines)) == len(lines)


@EACH
def test_every_state_can_be_reached(table):
    reached, edge = {table.initial}, {table.initial}
    while edge:
        edge = {line.target for line in table.transitions if line.source in edge} - reached
        reached |= edge
    assert reached == set(table.states)


@given(st.sampled_from(lifecycle.ALL), st.data())
def test_only_listed_acts_are_possible(table, data):
    state = data.draw(st.sampled_from(table.states))
    action = data.draw(st.sampled_from(table.actions))
    listed = [line for line in table.transitions if (line.source, line.action) == (state, action)]
    if listed:
        assert table.apply(state, action) == listed[0]
    else:
        with pytest.raises(TransitionError, match=state):
            table.apply(state, action)


def test_the_error_lists_what_is_possible():
    with pytest.raises(TransitionError, match="from here: submit, withdraw"):
        lifecycle.BENCHMARK.apply("development", "approve")


def test_an_association_is_decided_by_the_other_side():
    for action in ("approve", "reject"):
        assert lifecycle.ASSOCIATION.apply("pending", action).by is lifecycle.Side.COUNTERPART
        assert lifecycle.RESULT.apply("pending", action).by is lifecycle.Side.COUNTERPART
