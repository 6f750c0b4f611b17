"""Gaps between subgroups have intervals, and reweighting follows the textbook."""

import numpy as np
import pytest

from medperf.analysis.estimates import Estimate, Method
from medperf.analysis.intervals import wilson
from medperf.analysis.subgroups import adjusted_level, effective_cases, gap, standardize
from medperf.domain.benchmarks import Direction
from medperf.domain.errors import InestimableError

BANDS = {"young": wilson(90, 100), "middle": wilson(85, 100), "old": wilson(70, 100)}


def test_the_gap_is_between_the_best_and_the_worst_subgroup():
    found = gap(BANDS)
    assert (found.better, found.worse) == ("young", "old")
    assert found.difference.value == pytest.approx(0.2)
    assert found.difference.interval.lower > 0


def test_where_lower_is_better_the_other_end_is_better():
    found = gap(BANDS, direction=Direction.LOWER)
    assert (found.better, found.worse) == ("old", "young")
    assert found.difference.value == pytest.approx(-0.2)


def test_the_largest_of_many_gaps_has_a_wider_interval():
    two = gap({name: BANDS[name] for name in ("young", "old")}).difference.interval
    three = gap(BANDS).difference.interval
    assert three.upper - three.lower > two.upper - two.lower
    assert three.level == pytest.approx(adjusted_level(0.95, 3)) == pytest.approx(1 - 0.05 / 3)


def test_replicates_give_the_gap_its_own_error():
    rng = np.random.default_rng(1)
    shared = rng.normal(0, 0.05, size=500)
    replicates = {
        name: BANDS[name].value + shared + rng.normal(0, 0.01, size=500) for name in BANDS
    }
    found = gap(BANDS, replicates=replicates)
    assert found.difference.standard_error == pytest.approx(0.01 * np.sqrt(2), rel=0.1)


def test_one_subgroup_has_no_gap():
    assert gap({"young": BANDS["young"]}) is None


@pytest.mark.parametrize("error", [None, 0.0])
def test_a_subgroup_without_error_has_no_interval_of_a_gap(error):
    found = gap({**BANDS, "oldest": Estimate(0.2, 3, Method.NORMAL, standard_error=error)})
    assert (found.worse, found.difference.interval) == ("oldest", None)


def test_standardizing_to_the_own_population_is_the_overall_value():
    assert standardize(BANDS, {"young": 1, "middle": 1, "old": 1}).value == pytest.approx(245 / 300)


def test_standardizing_weighs_values_and_variances():
    found = standardize(BANDS, {"young": 20, "old": 80})
    assert found.value == pytest.approx(0.2 * 0.9 + 0.8 * 0.7)
    assert found.variance == pytest.approx(0.04 * 0.09 / 100 + 0.64 * 0.21 / 100)
    assert found.n == 200


def test_a_population_with_unknown_subgroups_is_refused():
    with pytest.raises(InestimableError, match="oldest"):
        standardize(BANDS, {"young": 0.5, "oldest": 0.5})
    with pytest.raises(InestimableError, match="any subgroup"):
        standardize(BANDS, {})


def test_reweighting_costs_cases_unless_the_shares_are_the_same():
    counts = {"young": 60, "old": 40}
    assert effective_cases(counts, {"young": 0.6, "old": 0.4}) == pytest.approx(100)
    assert effective_cases(counts, {"young": 0.1, "old": 0.9}) == pytest.approx(
        1 / (0.01 / 60 + 0.81 / 40)
    )
    with pytest.raises(InestimableError, match="without cases"):
        effective_cases(counts, {"oldest": 1.0})
