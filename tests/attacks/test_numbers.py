"""Attacks of evaluators and preparators: data on its way out as names, digits, counts or text."""

import itertools
import math

import pytest

from medperf.domain.benchmarks import AnalysisPlan
from medperf.policy.dataset_statistics import disclose_statistics
from medperf.policy.disclosure import check_result, check_values

PLAN = AnalysisPlan.model_validate(
    {
        "metrics": [
            {"name": "auroc", "lower": 0, "upper": 1, "decimals": 3, "per_class": True},
            {"name": "hd95", "lower": 0, "decimals": 1},
        ],
        "primary": "auroc",
        "subgroups": [{"name": "sex", "values": ["female", "male"]}],
        "classes": ["malignant"],
        "smallest_cell": 10,
    }
)
FREE = AnalysisPlan.model_validate({"free_form": True, "free_form_keys": ["score", "by_class.*"]})
SEXES = ("female", "male")
SECRET = "patient-4711-has-it"


def result(**changes):
    entry = {"name": "auroc", "value": 0.9, "n": 50} | changes
    return {"schema": "medperf.results/v1", "n_cases": 100, "metrics": [entry]}


def leaves(raw, plan=PLAN, n_cases=100):
    return check_result(raw, plan, n_cases=n_cases).document


def test_the_honest_document_leaves():
    assert leaves(result()) is not None


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "auroc_" + SECRET},
        {"subgroup": {"sex": SECRET}},
        {"subgroup": {SECRET: "female"}},
        {"class_label": SECRET},
        {SECRET: 1},
        {"value": SECRET},
        {"n": SECRET},
        {"summary": {SECRET: 1.0}},
        {"summary": {"replicates": [0.1, 0.2]}},
        {"value": 7.5},
        {"value": math.nan},
        {"n": 4711},
        {"n": 10.5},
        {"n": -1},
        {"n": 10**4000},
    ],
    ids=str,
)
def test_what_the_plan_does_not_declare_keeps_the_whole_document(changed):
    """Stopped by the gate: names, labels, keys and ranges are those of the plan, or nothing leaves."""
    assert leaves(result(**changed)) is None


@pytest.mark.parametrize("key", ["note", "pairing", SECRET])
def test_nothing_rides_along_at_the_top(key):
    """Stopped by the gate: a document has the declared keys and no other."""
    assert leaves(result() | {key: SECRET}) is None


def test_a_reason_is_no_free_text():
    """Stopped by the gate: reasons of missing values are a closed list."""
    raw = result() | {"missing": [{"name": "hd95", "reason": SECRET}]}
    assert leaves(raw) is None


def test_a_million_duplicates_are_not_a_channel():
    """Stopped by the gate: each metric of each group stands in a document once."""
    raw = result()
    raw["metrics"] *= 2
    assert leaves(raw) is None


def test_the_order_of_the_numbers_spells_nothing():
    """Stopped by the gate: entries stand in the order of the plan, whatever the evaluator chose."""
    every = [
        {"name": "auroc", "value": 0.9, "n": 50},
        {"name": "auroc", "value": 0.9, "n": 50, "class_label": "malignant"},
        {"name": "auroc", "value": 0.9, "n": 30, "subgroup": {"sex": "female"}},
        {"name": "auroc", "value": 0.9, "n": 20, "subgroup": {"sex": "male"}},
        {"name": "hd95", "value": 2.5, "n": 50},
    ]
    missing = [{"name": "hd95", "reason": "no_cases", "subgroup": {"sex": s}} for s in SEXES]
    documents = {
        leaves(result() | {"metrics": list(order), "missing": list(rest)}).model_dump_json()
        for order in itertools.permutations(every)
        for rest in itertools.permutations(missing)
    }
    assert len(documents) == 1


def test_digits_beyond_the_declared_ones_are_gone():
    """Stopped by rounding: the document is built anew and has the plan's digits."""
    [estimate] = leaves(result(value=0.90000000471147114711)).metrics
    assert estimate.value == 0.9
    assert repr(leaves(result(value=0.1 + 0.2)).metrics[0].value) == "0.3"


def test_minus_zero_is_no_bit():
    """Stopped by rounding: a zero has no sign."""
    value = leaves(result(value=-0.0)).metrics[0].value
    assert math.copysign(1, value) == 1


def test_a_small_cell_does_not_leave():
    """Stopped by the smallest cell, which is listed as suppressed."""
    document = leaves(result(n=9))
    assert document.metrics == ()
    assert document.missing[0].reason == "suppressed"


@pytest.mark.parametrize(
    "raw",
    [
        {"undeclared": 1.0},
        {"score": SECRET},
        {"by_class": {SECRET * 10: 1.0}},
        {"by_class": {"a\nb": 1.0}},
        {"by_class": {"a": {"b": 1.0}}},
        {"score": True},
    ],
    ids=str,
)
def test_free_form_values_are_declared_numbers(raw):
    """Stopped by the gate: free form is free in its keys only as far as the plan declares."""
    assert leaves(raw, FREE) is None


def test_free_form_digits_end_somewhere():
    """Stopped by rounding: a free-form value has six significant digits."""
    document = leaves({"score": 0.12345678901234567, "by_class": {"a": 123456789.0}}, FREE)
    assert document.values == {"score": 0.123457, "by_class.a": 123457000.0}


def test_statistics_carry_no_text_no_digits_and_no_small_counts():
    """Stopped by the gate: texts are short, measurements have four digits, small counts go."""
    assert check_values({"note": "x" * 121})
    assert check_values({"a" * 5000: 1})
    found = disclose_statistics(
        {"mean": 0.1234567, "sites": {"a": 91, "b": 9}}, smallest=10, n_cases=100
    )
    assert found.values["mean"] == 0.1235
    assert "b" not in found.values["sites"]
