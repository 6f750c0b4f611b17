"""Ranks say no more than the data: intervals, ties, the worst case."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from medperf.analysis.estimates import Estimate, Method
from medperf.analysis.ranking import (
    kendall_tau,
    metric_agreement,
    rank_models,
    worst,
)
from medperf.domain.benchmarks import Direction
from medperf.domain.errors import InestimableError

CLEAR = {"a": 0.9, "b": 0.8, "c": 0.7}
CLOSE = {"a": 0.80, "b": 0.801, "c": 0.70, "d": 0.70}


def test_clearly_different_models_have_certain_ranks(paired):
    ranked = rank_models(*paired(CLEAR))
    assert [(m.model, m.rank, m.rank_from, m.rank_to, m.tie_group) for m in ranked] == [
        ("a", 1, 1, 1, 1),
        ("b", 2, 2, 2, 2),
        ("c", 3, 3, 3, 3),
    ]


def test_models_that_cannot_be_told_apart_share_ranks_and_a_tie_group(paired):
    by_name = {m.model: m for m in rank_models(*paired(CLOSE))}
    assert [by_name[m].tie_group for m in "abcd"] == [1, 1, 2, 2]
    assert [(by_name[m].rank_from, by_name[m].rank_to) for m in "abcd"] == [
        (1, 2),
        (1, 2),
        (3, 4),
        (3, 4),
    ]


def test_lower_is_better_turns_the_order_around(paired):
    ranked = rank_models(*paired(CLEAR), direction=Direction.LOWER)
    assert [m.model for m in ranked] == ["c", "b", "a"]
    assert ranked[0].value == pytest.approx(0.7, abs=0.05)


def test_identical_models_tie_and_do_not_disturb_the_rest(paired):
    values, replicates = paired(CLEAR)
    values["twin"], replicates["twin"] = values["a"], replicates["a"]
    by_name = {m.model: m for m in rank_models(values, replicates)}
    assert (by_name["a"].rank, by_name["twin"].rank, by_name["b"].rank) == (1, 1, 3)
    assert by_name["twin"].tie_group == 1


def test_models_that_never_vary_are_ranked_by_value():
    values = {"a": 1.0, "b": 0.5}
    ranked = rank_models(values, {name: np.full(100, value) for name, value in values.items()})
    assert [(m.model, m.rank_from, m.rank_to) for m in ranked] == [("a", 1, 1), ("b", 2, 2)]


def test_one_model_is_first_for_certain(paired):
    (only,) = rank_models(*paired({"a": 0.8}))
    assert (only.rank, only.rank_from, only.rank_to, only.tie_group) == (1, 1, 1, 1)


def test_a_level_closer_to_one_never_narrows_ranks(paired):
    data = paired({name: 0.8 + i / 150 for i, name in enumerate("abcdef")})
    wide, narrow = rank_models(*data, level=0.999), rank_models(*data, level=0.8)
    for a, b in zip(wide, narrow, strict=True):
        assert a.rank_from <= b.rank_from <= b.rank <= b.rank_to <= a.rank_to


def test_replicates_without_value_are_left_out_for_all_models(paired):
    values, replicates = paired(CLEAR)
    replicates["b"][:20] = np.nan
    assert [m.model for m in rank_models(values, replicates)] == ["a", "b", "c"]
    replicates["b"][:200] = np.nan
    with pytest.raises(InestimableError, match="800 of 1000"):
        rank_models(values, replicates)


def test_a_model_without_replicates_cannot_be_ranked(paired):
    values, replicates = paired(CLEAR)
    with pytest.raises(InestimableError, match="of every model"):
        rank_models({**values, "d": 0.1}, replicates)
    with pytest.raises(InestimableError, match="different numbers"):
        rank_models({**values, "d": 0.1}, {**replicates, "d": np.zeros(7)})
    with pytest.raises(InestimableError, match="of every model"):
        rank_models({}, {})


VECTOR = st.lists(st.integers(0, 5), min_size=2, max_size=15)


@given(st.data(), VECTOR)
def test_kendalls_tau_equals_scipy(data, a):
    b = data.draw(st.lists(st.integers(0, 5), min_size=len(a), max_size=len(a)))
    ours = kendall_tau(np.array(a, dtype=float), np.array(b, dtype=float))
    if len(set(a)) > 1 and len(set(b)) > 1:
        assert ours == pytest.approx(stats.kendalltau(a, b).statistic)
    else:
        assert ours == float(len(set(a)) == len(set(b)))


def test_metrics_agree_or_not_about_the_order():
    values = {
        "auroc": {"a": 0.9, "b": 0.8, "c": 0.7},
        "brier": {"a": 0.1, "b": 0.2, "c": 0.3},
        "f1": {"a": 0.1, "b": 0.2, "c": 0.3},
    }
    directions = {"auroc": Direction.HIGHER, "brier": Direction.LOWER, "f1": Direction.HIGHER}
    found = metric_agreement(values, directions)
    assert found == {("auroc", "brier"): 1.0, ("auroc", "f1"): -1.0, ("brier", "f1"): -1.0}
    with pytest.raises(InestimableError, match="same models"):
        metric_agreement({**values, "mcc": {"a": 0.1}}, {**directions, "mcc": Direction.HIGHER})


def test_the_worst_site_is_the_one_a_reader_should_ask_about():
    sites = {
        name: Estimate(value, 50, Method.NORMAL)
        for name, value in [("x", 0.9), ("y", 0.6), ("z", 0.6)]
    }
    assert worst(sites).where == "y"
    assert worst(sites, Direction.LOWER).where == "x"
    assert worst({}) is None
