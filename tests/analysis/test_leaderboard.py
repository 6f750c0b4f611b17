"""The leaderboard: pooling, ties, and that nothing drops out of sight."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medperf.analysis.leaderboard import Entry, build_board, overall_metrics
from medperf.analysis.pooled_cells import Sight
from medperf.analysis.site_results import SiteResult
from medperf.domain.benchmarks import AnalysisPlan, Direction, PlannedMetric
from medperf.domain.results import MetricEstimate, TypedResult

PLAN = AnalysisPlan(
    metrics=(
        PlannedMetric(name="brier", direction=Direction.LOWER),
        PlannedMetric(name="auroc", decimals=3),
        PlannedMetric(name="f1", per_class=True),
    ),
    primary="auroc",
)


def _result(model: int, site: str, n: int = 10, n_failed: int = 0, **values: float) -> SiteResult:
    metrics = tuple(MetricEstimate(name=name, value=value, n=n) for name, value in values.items())
    document = TypedResult(n_cases=n, n_failed=n_failed, metrics=metrics)
    return SiteResult(model, ord(site), site, document)


def _entry(model: int, n_expected: int = 1, failed: int = 0) -> Entry:
    return Entry(model, f"M{model}", "Vendor", n_expected, failed)


def _rows(*results: SiteResult, models: int = 3, plan: AnalysisPlan = PLAN, with_sites=True):
    entries = [_entry(model) for model in range(1, models + 1)]
    return build_board(plan, entries, results, Sight(with_sites=with_sites)).rows


def test_sites_count_by_their_cases():
    [row] = _rows(_result(1, "A", 30, auroc=0.9), _result(1, "B", 10, auroc=0.5), models=1)
    cell = row.cells[0]
    assert (cell.metric, cell.n) == ("auroc", 40)
    assert cell.value == pytest.approx(0.8)
    assert [(s.site, s.value, s.n) for s in cell.sites] == [("A", 0.9, 30), ("B", 0.5, 10)]


def test_higher_is_better_by_default():
    rows = _rows(_result(1, "A", auroc=0.7), _result(2, "A", auroc=0.9), models=2)
    assert [(row.rank, row.model) for row in rows] == [(1, "M2"), (2, "M1")]


def test_lower_is_better_where_the_plan_says_so():
    plan = PLAN.model_copy(update={"primary": "brier"})
    rows = _rows(_result(1, "A", brier=0.2), _result(2, "A", brier=0.1), models=2, plan=plan)
    assert [row.model for row in rows] == ["M2", "M1"]


def test_ties_share_the_better_rank():
    rows = _rows(
        _result(1, "A", auroc=0.9001),
        _result(2, "A", auroc=0.9002),
        _result(3, "A", auroc=0.8),
    )
    assert [row.rank for row in rows] == [1, 1, 3]


def test_a_model_without_results_keeps_its_row():
    rows = _rows(_result(2, "A", auroc=0.5), models=2)
    last = rows[-1]
    assert (last.model, last.rank, last.n_results, last.n_missing) == ("M1", None, 0, 1)
    assert last.cells[0].value is None


def test_a_model_without_the_primary_metric_is_not_ranked():
    rows = _rows(_result(1, "A", brier=0.1), _result(2, "A", auroc=0.5), models=2)
    assert [(row.rank, row.model) for row in rows] == [(1, "M2"), (None, "M1")]
    assert rows[1].n_missing == 0


def test_failures_always_show():
    rows = build_board(
        PLAN,
        [_entry(1, n_expected=3, failed=2)],
        [_result(1, "A", 20, n_failed=4, auroc=0.5), _result(1, "B", 10, n_failed=1, auroc=0.5)],
        Sight(with_sites=True),
    ).rows
    assert (rows[0].n_cases, rows[0].n_failed_cases) == (30, 5)
    assert (rows[0].n_missing, rows[0].n_failed_executions) == (1, 2)


def test_sites_are_left_out_where_only_pooled_figures_may_be_seen():
    results = [_result(1, "A", auroc=0.5), _result(1, "B", auroc=0.5)]
    [row] = _rows(*results, models=1, with_sites=False)
    assert row.cells[0].value == 0.5
    assert row.cells[0].sites == ()


def test_subgroups_and_classes_are_not_the_overall_value():
    document = TypedResult(
        n_cases=10,
        metrics=(
            MetricEstimate(name="auroc", value=0.1, n=5, subgroup={"sex": "female"}),
            MetricEstimate(name="auroc", value=0.2, n=5, class_label="benign"),
            MetricEstimate(name="auroc", value=0.9, n=10),
        ),
    )
    [row] = _rows(SiteResult(1, 1, "A", document), models=1)
    assert row.cells[0].value == 0.9


def test_metrics_per_class_have_no_column_and_the_primary_comes_first():
    assert [metric.name for metric in overall_metrics(PLAN)] == ["auroc", "brier"]


def test_a_metric_per_class_has_a_cell_of_each_class():
    plan = PLAN.model_copy(update={"classes": ("benign", "malignant")})
    document = TypedResult(
        n_cases=10,
        metrics=(MetricEstimate(name="f1", value=0.2, n=5, class_label="malignant"),),
    )
    [row] = _rows(SiteResult(1, 1, "A", document), models=1, plan=plan)
    found = {cell.class_label: cell.value for cell in row.cells if cell.metric == "f1"}
    assert found == {"benign": None, "malignant": 0.2}


def test_a_free_form_benchmark_has_rows_without_cells():
    plan = AnalysisPlan(free_form=True, free_form_keys=("a",))
    [row] = _rows(SiteResult(1, 1, "A", None), models=1, plan=plan)
    assert (row.rank, row.cells, row.n_results, row.n_missing) == (None, (), 1, 0)


def test_no_cases_pool_to_nothing():
    [row] = _rows(_result(1, "A", 0, auroc=0.5), models=1)
    assert (row.cells[0].value, row.rank) == (None, None)


values = st.floats(-1e6, 1e6, allow_nan=False)
estimates = st.lists(
    st.builds(MetricEstimate, name=st.just("auroc"), value=values, n=st.integers(1, 10_000)),
    min_size=1,
    max_size=20,
)


def _pooled(found):
    documents = [TypedResult(n_cases=each.n, metrics=(each,)) for each in found]
    results = [SiteResult(1, i, str(i), document) for i, document in enumerate(documents)]
    [row] = _rows(*results, models=1)
    return row.cells[0].value


@given(estimates)
def test_a_pooled_value_lies_between_the_sites(found):
    value = _pooled(found)
    lowest, highest = min(e.value for e in found), max(e.value for e in found)
    slack = 1e-9 * max(abs(lowest), abs(highest), 1)
    assert lowest - slack <= value <= highest + slack


@given(estimates)
def test_pooling_does_not_depend_on_the_order_of_sites(found):
    assert math.isclose(_pooled(found), _pooled(found[::-1]), rel_tol=1e-9, abs_tol=1e-8)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_ranks_follow_the_values(scores):
    results = [_result(i + 1, "A", auroc=score) for i, score in enumerate(scores)]
    rows = _rows(*results, models=len(scores))
    shown = [round(row.cells[0].value, 3) for row in rows]
    assert shown == sorted(shown, reverse=True)
    for row, value in zip(rows, shown, strict=True):
        assert row.rank == 1 + sum(other > value for other in shown)
