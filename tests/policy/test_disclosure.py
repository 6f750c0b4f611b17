"""Which documents may leave: only what the plan declares, as it declares it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medperf.domain.benchmarks import AnalysisPlan
from medperf.policy.disclosure import (
    MAX_ENTRIES,
    MAX_SUMMARY_NUMBERS,
    check_result,
    check_size,
    check_values,
)

PLAN = AnalysisPlan.model_validate(
    {
        "metrics": [
            {"name": "accuracy", "lower": 0, "upper": 1, "decimals": 3},
            {
                "name": "recall",
                "per_class": True,
                "evidence": "mean",
                "summaries": ["moments", "replicates"],
            },
            {"name": "loss", "decimals": 2},
        ],
        "primary": "accuracy",
        "subgroups": [{"name": "sex", "values": ["female", "male"]}],
        "classes": ["benign", "malignant"],
        "smallest_cell": 10,
        "max_size_bytes": 2048,
    }
)
FREE = AnalysisPlan.model_validate(
    {"free_form": True, "free_form_keys": ["dice.*", "mean", "table.0.x"]}
)


def typed(*metrics, missing=(), n_cases=100, **more):
    return {
        "schema": "medperf.results/v1",
        "n_cases": n_cases,
        "metrics": list(metrics),
        "missing": list(missing),
    } | more


def estimate(name="accuracy", value=0.5, n=50, **more):
    return {"name": name, "value": value, "n": n} | more


def codes(raw, plan=PLAN, **options):
    checked = check_result(raw, plan, **options)
    assert (checked.document is None) == bool(checked.findings)
    return {(finding.code, finding.path) for finding in checked.findings}


def test_what_is_declared_may_leave_rounded():
    raw = typed(
        estimate(value=0.123456),
        estimate("recall", 1, class_label="benign", subgroup={"sex": "male"}),
        missing=[{"name": "loss", "reason": "one_class", "subgroup": {"sex": "female"}}],
        n_failed=2,
    )
    document = check_result(raw, PLAN, n_cases=100).document
    assert [e.value for e in document.metrics] == [0.123, 1.0]
    assert document.metrics[1].subgroup == {"sex": "male"}
    assert document.metrics[1].class_label == "benign"
    assert document.missing[0].reason == "one_class"
    assert (document.n_cases, document.n_failed) == (100, 2)


@pytest.mark.parametrize(
    ("value", "expected"), [(0.9999, 1.0), (0.00001, 0.0), (-0.0, 0.0), (1, 1.0)]
)
def test_rounding_stays_inside_the_range(value, expected):
    [found] = check_result(typed(estimate(value=value)), PLAN).document.metrics
    assert (found.value, math.copysign(1, found.value)) == (expected, 1.0)


def test_a_value_that_only_its_last_digit_puts_outside_is_inside():
    assert codes(typed(estimate(value=1.0000000000000002))) == set()


def test_a_bound_that_rounding_would_cross_is_kept():
    plan = PLAN.model_copy(
        update={"metrics": (PLAN.metrics[0].model_copy(update={"upper": 0.9996}),)}
    )
    [found] = check_result(typed(estimate(value=0.9996)), plan).document.metrics
    assert found.value == 0.9996


def test_small_cells_are_suppressed_and_listed():
    checked = check_result(
        typed(estimate(), estimate(n=9, subgroup={"sex": "female"}, value=0.2)), PLAN
    )
    [missing] = checked.document.missing
    assert (missing.reason, missing.subgroup, checked.suppressed) == (
        "suppressed",
        {"sex": "female"},
        1,
    )
    assert len(checked.document.metrics) == 1


@pytest.mark.parametrize("raw", [None, [], "text", 3, {}, {"schema": "other"}, {"accuracy": 0.5}])
def test_another_form_is_refused(raw):
    assert codes(raw) == {("wrong-form", "")}


@pytest.mark.parametrize(
    ("raw", "finding"),
    [
        (typed(estimate(), notes="patient 7"), ("undeclared-key", "notes")),
        (typed(estimate(comment="x")), ("undeclared-key", "metrics.0.comment")),
        (typed(estimate("secret")), ("undeclared-metric", "metrics.0.name")),
        (typed(estimate(["accuracy"])), ("undeclared-metric", "metrics.0.name")),
        (typed(estimate(value="0.5")), ("not-a-number", "metrics.0.value")),
        (typed(estimate(value=None)), ("not-a-number", "metrics.0.value")),
        (typed(estimate(value=True)), ("boolean", "metrics.0.value")),
        (typed(estimate(value=math.nan)), ("not-finite", "metrics.0.value")),
        (typed(estimate(value=math.inf)), ("not-finite", "metrics.0.value")),
        (typed(estimate(value=10**400)), ("not-finite", "metrics.0.value")),
        (typed(estimate(value=1.01)), ("out-of-range", "metrics.0.value")),
        (typed(estimate(value=-0.01)), ("out-of-range", "metrics.0.value")),
        (typed(estimate(n=-1)), ("not-a-count", "metrics.0.n")),
        (typed(estimate(n=2.5)), ("not-a-count", "metrics.0.n")),
        (typed(estimate(n=True)), ("not-a-count", "metrics.0.n")),
        (typed(estimate(n=101)), ("out-of-range", "metrics.0.n")),
        (typed(estimate(), n_cases=-1), ("not-a-count", "n_cases")),
        (typed(estimate(), n_cases=None), ("not-a-count", "n_cases")),
        (typed(estimate(), n_failed=101), ("out-of-range", "n_failed")),
        (typed(estimate(), n_failed="0"), ("not-a-count", "n_failed")),
        (typed(estimate(subgroup={"age": "old"})), ("undeclared-subgroup", "metrics.0.subgroup")),
        (
            typed(estimate(subgroup={"sex": "Jane"})),
            ("undeclared-value", "metrics.0.subgroup.sex"),
        ),
        (typed(estimate(subgroup={"sex": 1})), ("undeclared-value", "metrics.0.subgroup.sex")),
        (typed(estimate(subgroup="sex")), ("wrong-form", "metrics.0.subgroup")),
        (typed(estimate(subgroup={})), ("wrong-form", "metrics.0.subgroup")),
        (
            typed(estimate("recall", class_label="Jane")),
            ("undeclared-class", "metrics.0.class_label"),
        ),
        (
            typed(estimate(class_label="benign")),
            ("undeclared-class", "metrics.0.class_label"),
        ),
        (typed(estimate("recall", class_label=1)), ("undeclared-class", "metrics.0.class_label")),
        (typed(estimate(), estimate()), ("duplicate", "metrics.1")),
        (
            typed(estimate(), missing=[{"name": "accuracy", "reason": "one_class"}]),
            ("duplicate", "missing.0"),
        ),
        (typed("text"), ("wrong-form", "metrics.0")),
        (typed() | {"metrics": {}}, ("wrong-form", "metrics")),
        (typed() | {"metrics": [estimate()] * (MAX_ENTRIES + 1)}, ("too-many", "metrics")),
        (
            typed(missing=[{"name": "loss", "reason": "Jane Doe"}]),
            ("undeclared-value", "missing.0.reason"),
        ),
        (typed(missing=[{"name": "loss", "reason": 3}]), ("undeclared-value", "missing.0.reason")),
        (
            typed(missing=[{"name": "x", "reason": "one_class"}]),
            ("undeclared-metric", "missing.0.name"),
        ),
        (
            typed(missing=[{"name": "loss", "reason": "one_class", "why": ""}]),
            ("undeclared-key", "missing.0.why"),
        ),
        (typed(estimate("recall", summary={"m2": 3})), ("undeclared-key", "metrics.0.summary")),
        (typed(pairing="0" * 32), ("undeclared-key", "pairing")),
    ],
)
def test_what_is_not_declared_keeps_the_document(raw, finding):
    assert codes(raw) == {finding}


@pytest.mark.parametrize(
    ("metric", "summary", "finding"),
    [
        ("accuracy", {"m2": 3}, ("undeclared-key", "metrics.0.summary")),
        ("recall", {"standard_error": 3}, ("undeclared-key", "metrics.0.summary")),
        ("recall", [1], ("wrong-form", "metrics.0.summary")),
        ("recall", {"m2": "many"}, ("not-a-number", "metrics.0.summary.m2")),
        (
            "recall",
            {"replicates": [1] * (MAX_SUMMARY_NUMBERS + 1)},
            ("too-many", "metrics.0.summary"),
        ),
    ],
)
def test_a_summary_of_the_site_is_checked_too(metric, summary, finding):
    assert codes(typed(estimate(metric, summary=summary)), by_site=True) == {finding}


def test_declared_summaries_of_the_site_leave():
    raw = typed(estimate("recall", summary={"m2": 3, "replicates": [0, 0.5, 1]}), pairing="0" * 32)
    document = check_result(raw, PLAN, by_site=True).document
    assert document.metrics[0].summary == {"m2": 3.0, "replicates": (0.0, 0.5, 1.0)}
    assert document.pairing == "0" * 32


def test_more_cases_than_the_dataset_has_are_refused():
    assert codes(typed(estimate()), n_cases=99) == {("out-of-range", "n_cases")}


def test_one_finding_does_not_hide_another():
    raw = typed(estimate(value="x"), estimate("secret"), note=1)
    assert len(codes(raw)) == 3


def test_declared_numbers_of_a_free_form_result_may_leave():
    raw = {"dice": {"liver": 0.9, "0.5": 1}, "mean": 2, "table": [{"x": 3}]}
    with_dot = check_result(raw, FREE)
    assert {f.path for f in with_dot.findings} == {"dice.0.5"}
    del raw["dice"]["0.5"]
    document = check_result(raw, FREE).document
    assert document.values == {"dice.liver": 0.9, "mean": 2.0, "table.0.x": 3.0}


@pytest.mark.parametrize(
    ("raw", "finding"),
    [
        ([1], ("wrong-form", "")),
        ({"other": 1}, ("undeclared-key", "other")),
        ({"other": "Jane"}, ("undeclared-key", "other")),
        ({"dice": {"a": {"b": 1}}}, ("undeclared-key", "dice.a.b")),
        ({"dice": {"x" * 65: 1}}, ("undeclared-key", "dice." + "x" * 65)),
        ({"dice": {"Zoë": 1}}, ("undeclared-key", "dice.Zoë")),
        ({"mean": "0.5"}, ("not-a-number", "mean")),
        ({"mean": []}, ("not-a-number", "mean")),
        ({"mean": False}, ("boolean", "mean")),
        ({"mean": math.nan}, ("not-finite", "mean")),
        ({"dice": {"a": 1}, "dice.a": 2}, ("duplicate", "dice.a")),
    ],
)
def test_anything_else_of_a_free_form_result_is_refused(raw, finding):
    assert codes(raw, FREE) == {finding}


def test_a_free_form_result_has_an_end():
    raw = {"dice": {f"k{i}": 1 for i in range(MAX_ENTRIES + 1)}}
    assert {code for code, _ in codes(raw, FREE)} == {"too-many"}


def test_a_document_that_holds_itself_comes_to_an_end():
    raw = {}
    raw["dice"] = raw
    assert codes(raw, FREE)


def test_the_size_of_the_exact_bytes_counts():
    assert check_size(b"x" * 2048, PLAN) == ()
    assert [f.code for f in check_size(b"x" * 2049, PLAN)] == ["too-large"]


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists))
def test_nothing_a_container_writes_makes_the_check_fail(raw):
    for plan in (PLAN, FREE):
        assert check_result({"schema": "medperf.results/v1", "metrics": raw}, plan).findings


def test_plain_values_may_leave():
    values = {"n": 3, "mean": 0.5, "unit": "mm", "ok": True, "none": None, "empty": [], "d": {}}
    assert check_values(values) == []


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ({"a": math.nan}, "not-finite"),
        ({"a": "x" * 121}, "long-text"),
        ({"a": "two\nlines"}, "long-text"),
        ({"a\nb": 1}, "bad-key"),
        ({"a": object()}, "not-a-number"),
    ],
)
def test_other_values_may_not(raw, code):
    assert [finding.code for finding in check_values(raw)] == [code]


def test_values_have_an_end_in_number_and_depth():
    assert check_values({str(i): i for i in range(5)}, max_entries=4)[-1].code == "too-many"
    deep = value = {}
    for _ in range(20):
        value["a"] = {}
        value = value["a"]
    assert check_values(deep)[0].code == "too-deep"
