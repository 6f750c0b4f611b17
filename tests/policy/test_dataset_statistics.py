"""What of a dataset's statistics may leave."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medperf.policy.dataset_statistics import EarlierStatistics, disclose_statistics

K = 10


def disclose(statistics, n_cases=100, earlier=()):
    return disclose_statistics(statistics, smallest=K, n_cases=n_cases, earlier=earlier)


def codes(statistics, **more):
    return disclose(statistics, **more).values.get("suppressed", {})


def test_counts_of_many_leave_as_they_are():
    said = {"n_cases": 100, "classes": {"benign": 60, "malignant": 40}, "none": {"x": 0}}
    assert disclose(said).values == said


def test_a_small_count_leaves_neither_itself_nor_by_the_total():
    found = disclose({"n_cases": 100, "sex": {"female": 60, "male": 36, "other": 4}})
    assert found.values["sex"] == {"female": 60}
    assert found.values["suppressed"] == {
        "sex.male": "rest-too-small",
        "sex.other": "too-small",
    }
    assert [finding.path for finding in found.findings] == ["sex.other", "sex.male"]


def test_those_of_no_category_are_a_rest_as_well():
    assert codes({"sex": {"female": 60, "male": 37}}) == {"sex.male": "rest-too-small"}


def test_several_small_counts_that_are_many_together_need_no_other_one():
    said = {"grade": {"one": 4, "two": 7, "three": 89}}
    assert disclose(said).values["grade"] == {"three": 89}


def test_a_place_in_a_list_is_kept():
    assert disclose({"histogram": [3, 8, 89]}).values["histogram"] == [None, None, 89]


def test_the_number_of_cases_leaves_whatever_it_is():
    assert disclose({"n_cases": 3}, n_cases=3).values == {"n_cases": 3}


def test_a_count_written_as_a_float_is_a_count():
    assert codes({"n_scanners": 3.0}) == {"n_scanners": "too-small"}


def test_extremes_are_somebody():
    said = {"age": {"mean": 61.23456, "Max": 102.5, "min": 18}}
    found = disclose(said)
    assert found.values["age"] == {"mean": 61.23}
    assert set(found.values["suppressed"].values()) == {"extreme"}


@pytest.mark.parametrize(
    ("value", "kept"), [(0.123456, 0.1235), (123456.7, 123500.0), (0.0, 0.0), (-1.23456, -1.235)]
)
def test_measurements_have_four_digits(value, kept):
    assert disclose({"mean": value}).values["mean"] == kept


def test_text_and_truth_are_left_to_the_check_of_the_form():
    said = {"unit": "mm", "is_registered": True, "nothing": None}
    assert disclose(said).values == said


def test_a_dataset_with_almost_the_same_cases_tells_nothing_new():
    before = {"n_cases": 100, "sex": {"female": 60, "male": 40}, "mean": 7.0, "site": {"a": 100}}
    earlier = [EarlierStatistics("dataset 1", 100, before)]
    now = {"n_cases": 103, "sex": {"female": 61, "male": 40, "x": 12}, "mean": 7.1, "new": 50}
    found = disclose(now, n_cases=103, earlier=earlier)
    assert found.values == {
        "n_cases": 103,
        "sex": {},
        "new": 50,
        "suppressed": dict.fromkeys(["mean", "sex.female", "sex.male", "sex.x"], "too-close"),
    }


def test_a_dataset_of_another_size_or_with_the_same_numbers_is_no_matter():
    said = {"n_cases": 100, "sex": {"female": 60, "male": 40}}
    far = EarlierStatistics("dataset 1", 140, {"n_cases": 140, "sex": {"female": 61, "male": 79}})
    same = EarlierStatistics("dataset 2", 100, said)
    assert disclose(said, earlier=[far, same]).values == said


def test_what_a_preparator_lists_as_suppressed_itself_is_no_way_out():
    assert disclose({"suppressed": {"a": "free text"}, "mean": 1.5}).values == {"mean": 1.5}
    assert disclose({"suppressed": "free text", "mean": 1.5}).values == {"mean": 1.5}


def test_what_one_suppression_leaves_is_looked_at_again():
    said = {"t": {"a": 60, "b": 55, "c": 5}}
    assert disclose(said, n_cases=62).values["t"] == {}


def test_a_measurement_that_rounds_to_a_small_count_is_one():
    assert codes({"mean": 3.00001}) == {"mean": "too-small"}


tables = st.dictionaries(
    st.sampled_from("abcdef"), st.integers(0, 60) | st.floats(-1e6, 1e6), max_size=6
)


@given(st.dictionaries(st.sampled_from("stuv"), tables), st.integers(1, 200), tables)
def test_what_was_disclosed_is_disclosed_again_without_a_change(statistics, n_cases, before):
    earlier = [EarlierStatistics("other", n_cases + 1, {"s": before})]
    once = disclose(statistics, n_cases=n_cases, earlier=earlier).values
    assert disclose(once, n_cases=n_cases, earlier=earlier).values == once


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 60), min_size=1))
def test_no_few_people_follow_from_a_partition(counts):
    total = sum(counts.values())
    kept = disclose({"n_cases": total, "t": counts}, n_cases=total).values["t"]
    untold = total - sum(kept.values())
    assert not any(0 < n < K for n in kept.values())
    assert not 0 < untold < K or not any(kept.values())
