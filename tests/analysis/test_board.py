"""A leaderboard says how sure it is, and nothing that the sites' summaries do not allow."""

from dataclasses import replace

import numpy as np
import pytest
from simulated_sites import PLAN, Site

from medperf.analysis import pooling, ranking
from medperf.analysis.leaderboard import Entry, build_board
from medperf.analysis.pooled_cells import Sight
from medperf.analysis.site_results import SiteResult
from medperf.analysis.site_summary import from_wire
from medperf.domain.benchmarks import Pooling, Summary
from medperf.domain.results import MetricEstimate, TypedResult

SITES = (Site(1), Site(2, n=90), Site(3, n=40, shift=0.05))
FEW = (Site(1), Site(2, n=90, gives=(Summary.STANDARD_ERROR,)), Site(3, n=40, gives=()))
QUALITIES = {1: 0.80, 2: 0.80, 3: 0.70}
RANDOM = PLAN.model_copy(update={"pooling": Pooling.RANDOM_EFFECTS})


def results_of(sites=SITES, qualities=QUALITIES, plan=PLAN, own=(), skip=()):
    return [
        SiteResult(
            model,
            site.number,
            f"S{site.number}",
            site.document(quality, plan, seed=model),
            is_own=site.number in own,
            seconds=2.0 * site.n * model,
            peak_memory_bytes=model << 20,
        )
        for model, quality in qualities.items()
        for site in sites
        if (model, site.number) not in skip
    ]


def board_of(results, plan=PLAN, *, with_sites=True, models=3):
    entries = [Entry(model, f"M{model}", "Vendor", len(SITES)) for model in range(1, models + 1)]
    return build_board(plan, entries, results, Sight(with_sites=with_sites))


def primary(row):
    return row.cells[0]


@pytest.fixture(scope="module")
def results():
    return results_of()


@pytest.fixture(scope="module")
def board(results):
    return board_of(results)


def test_the_pooled_value_and_interval_are_those_of_the_pooling_functions(board, results):
    found = pooling.case_weighted(
        [
            from_wire(str(r.dataset_id), e.value, e.n, e.summary)
            for r in results
            if r.model_id == 1
            for e in r.document.metrics
            if e.name == "dsc" and not e.subgroup
        ],
        lower=0,
        upper=1,
    ).estimate
    cell = primary(next(row for row in board.rows if row.model_id == 1))
    assert (cell.value, cell.n, cell.n_sites, cell.method) == (
        found.value, 190, 3, "case-weighted/v1",
    )  # fmt: skip
    assert (cell.interval.lower, cell.interval.upper) == (
        found.interval.lower, found.interval.upper,
    )  # fmt: skip
    assert cell.tau is not None
    assert cell.prediction is None


def test_random_effects_come_with_a_prediction_interval(results):
    cell = primary(board_of(results, RANDOM).rows[0])
    assert cell.method == "random-effects-pm-hk/v1"
    assert cell.prediction.lower < cell.interval.lower < cell.value < cell.interval.upper
    assert 0 <= cell.i2 <= 1


def test_every_site_has_its_value_with_interval_and_patients(board):
    sites = primary(board.rows[0]).sites
    assert [site.site for site in sites] == ["S1", "S2", "S3"]
    assert [(site.n, site.n_patients) for site in sites] == [(60, 60), (90, 90), (40, 40)]
    assert all(site.interval.lower < site.value < site.interval.upper for site in sites)
    assert {site.interval.method for site in sites} == {"logit/v1"}
    assert primary(board.rows[0]).worst_site == "S3"


def test_ranks_carry_intervals_and_tie_groups(board):
    assert [
        (row.model, row.rank, row.rank_from, row.rank_to, row.tie_group) for row in board.rows
    ] == [
        ("M1", 1, 1, 2, 1),
        ("M2", 2, 1, 2, 1),
        ("M3", 3, 3, 3, 2),
    ]
    assert board.rank_method == ranking.BY_COMPARISONS
    assert sum(row.share_first for row in board.rows) == pytest.approx(1)
    assert board.rows[2].share_first == 0


def test_all_pairs_are_compared_with_adjusted_p_values(board):
    pairs = {(c.first, c.second): c for c in board.comparisons}
    assert set(pairs) == {("M1", "M2"), ("M1", "M3"), ("M2", "M3")}
    for each in pairs.values():
        assert each.p_adjusted >= each.p_value
        assert (each.n, each.n_sites, each.is_exploratory) == (190, 3, False)
        assert each.interval.lower < each.difference < each.interval.upper
    assert pairs["M1", "M2"].verdict == "inconclusive"
    assert pairs["M1", "M3"].verdict == "superior"


def test_a_difference_is_that_of_the_values_shown(board):
    values = {row.model_id: primary(row).value for row in board.rows}
    for each in board.comparisons:
        shown = values[each.first_id] - values[each.second_id]
        assert each.difference == pytest.approx(shown, abs=1e-12)


def test_a_margin_of_the_plan_lets_a_model_be_not_inferior(results):
    plan = PLAN.model_copy(update={"margin": 0.05})
    pairs = {(c.first, c.second): c for c in board_of(results, plan).comparisons}
    assert (pairs["M1", "M2"].verdict, pairs["M1", "M2"].margin) == ("non_inferior", 0.05)
    assert pairs["M1", "M3"].verdict == "superior"


def test_random_effects_compare_by_sites_and_rank_by_these_tests(results):
    board = board_of(results, RANDOM)
    assert board.rank_method == ranking.BY_COMPARISONS
    assert {c.interval.method for c in board.comparisons} == {"random-effects-pm-hk/v1"}
    for row in board.rows:
        assert row.rank_from <= row.rank <= row.rank_to


@pytest.mark.parametrize("plan", [PLAN, RANDOM])
def test_ranks_never_contradict_a_comparison(results, plan):
    board = board_of(results, plan)
    places = {row.model_id: row for row in board.rows}
    for each in board.comparisons:
        one, other = places[each.first_id], places[each.second_id]
        apart = one.rank_to < other.rank_from or other.rank_to < one.rank_from
        assert (each.verdict in {"superior", "inferior"}) or not apart
        if each.verdict == "superior":
            assert one.rank_from < other.rank_to


def test_stability_and_agreement_of_the_order(board):
    assert board.stability.n_sites == 3
    assert -1 <= board.stability.tau_lower <= board.stability.tau_upper <= 1
    assert 0 < board.stability.tau <= 1
    assert set(board.stability.agreement) == {"auroc"}
    assert -1 <= board.stability.agreement["auroc"] <= 1


def test_subgroups_have_estimates_gaps_and_a_standardized_value(board):
    cell = primary(board.rows[0])
    assert [(s.variable, s.subgroup, s.n_sites) for s in cell.subgroups] == [
        ("sex", "female", 3),
        ("sex", "male", 3),
    ]
    [gap] = cell.gaps
    assert (gap.better, gap.worse) == ("female", "male")
    assert gap.interval.lower < gap.difference < gap.interval.upper
    [standard] = cell.standardized
    assert standard.n_effective <= 190
    means = [s.value for s in cell.subgroups]
    assert standard.value == pytest.approx(np.mean(means))


def test_a_suppressed_subgroup_is_counted():
    sites = (*SITES[:2], Site(3, n=40, female=0.02))
    cell = primary(board_of(results_of(sites)).rows[0])
    female = cell.subgroups[0]
    assert (female.subgroup, female.n_sites, female.n_suppressed) == ("female", 2, 1)


def test_a_metric_that_is_no_mean_is_not_standardized(board):
    auroc = board.rows[0].cells[1]
    assert auroc.standardized == ()


def test_the_auroc_of_all_cases_is_apart_from_the_mean_of_the_sites(board):
    cell = board.rows[0].cells[1]
    pooled = cell.auroc_of_all_cases
    assert cell.metric == "auroc"
    assert pooled.lowest <= pooled.value <= pooled.highest
    assert pooled.interval.method == "histogram-auroc-logit/v1"
    assert cell.method == "case-weighted/v1"
    assert pooled.value != cell.value
    assert sum(point.n for point in cell.calibration) == 190
    assert 0 <= cell.calibration_error <= 1
    assert primary(board.rows[0]).auroc_of_all_cases is None


def test_what_it_took_to_run_a_model_is_a_median_per_case(board):
    by_model = {row.model_id: row.cost for row in board.rows}
    assert by_model[2].seconds_per_case == 4.0
    assert by_model[3].peak_memory_bytes == 3 << 20


def test_without_statements_of_time_there_is_no_cost():
    [row] = board_of(
        [replace(r, seconds=None, peak_memory_bytes=None) for r in results_of(qualities={1: 0.8})],
        models=1,
    ).rows
    assert row.cost is None


# --- what the summaries do not allow ---


def test_a_site_without_standard_error_leaves_the_pooled_value_without_interval():
    board = board_of(results_of(FEW))
    cell = primary(board.rows[0])
    assert cell.interval is None
    assert cell.notes[0] == "no interval: 1 of 3 results gave no standard error"
    assert [site.interval is None for site in cell.sites] == [False, False, True]


def test_replicates_alone_allow_an_interval():
    sites = [replace(site, gives=(Summary.REPLICATES,)) for site in SITES]
    cell = primary(board_of(results_of(sites)).rows[0])
    assert cell.interval.method == "case-weighted-bootstrap/v1"
    assert cell.tau is None


def test_random_effects_without_standard_errors_fall_back_to_cases_and_say_so():
    cell = primary(board_of(results_of(FEW), RANDOM).rows[0])
    assert cell.method == "case-weighted/v1"
    assert cell.notes[0] == "pooled by cases: 1 of 3 results gave no standard error above 0"


def test_comparisons_leave_out_datasets_without_replicates_and_say_so():
    board = board_of(results_of(FEW))
    for each in board.comparisons:
        assert (each.n_sites, each.n) == (1, 60)
        assert each.notes == ("over 1 of 3 datasets: the others gave no replicates",)
        assert each.interval is not None


def test_without_any_replicates_there_are_values_and_plain_ranks_only():
    sites = [replace(site, gives=(Summary.STANDARD_ERROR,)) for site in SITES]
    board = board_of(results_of(sites))
    assert [row.rank for row in board.rows] == [1, 2, 3]
    assert {(row.rank_from, row.tie_group, row.share_first) for row in board.rows} == {
        (None, None, None)
    }
    assert board.rank_method is None
    assert board.stability.tau is None
    assert "auroc" in board.stability.agreement
    for each in board.comparisons:
        assert (each.interval, each.p_value, each.p_adjusted) == (None, None, None)
        assert each.verdict == "inconclusive"
        assert each.difference is not None
        assert each.notes == ("no interval: no dataset has paired replicates of both",)


def test_only_common_datasets_are_compared_and_the_record_says_so():
    board = board_of(results_of(skip={(3, 2)}))
    pairs = {(c.first, c.second): c for c in board.comparisons}
    assert pairs["M1", "M2"].n_sites == 3
    assert (pairs["M1", "M3"].n_sites, pairs["M1", "M3"].n) == (2, 100)
    assert pairs["M1", "M3"].notes == ("over 2 of 3 datasets: the others have one result",)
    assert board.stability.n_sites == 2
    for row in board.rows:
        assert row.rank_from <= row.rank <= row.rank_to


def test_models_without_a_common_dataset_are_not_compared():
    board = board_of(
        results_of(qualities={1: 0.8, 2: 0.7}, skip={(1, 2), (1, 3), (2, 1)}), models=2
    )
    [pair] = board.comparisons
    assert (pair.difference, pair.n, pair.verdict) == (None, 0, "inconclusive")
    assert pair.notes == ("no dataset has results of both",)


def test_replicates_under_other_weights_are_not_paired(results):
    changed = [
        replace(r, document=r.document.model_copy(update={"pairing": f"{r.model_id:032x}"}))
        for r in results
    ]
    for each in board_of(changed).comparisons:
        assert each.interval is None


def test_one_site_and_one_model_are_a_leaderboard():
    [row] = board_of(results_of(SITES[:1], {1: 0.8}), models=1).rows
    cell = primary(row)
    assert (row.rank, row.rank_from, row.tie_group) == (1, None, None)
    assert cell.interval.lower < cell.value < cell.interval.upper
    assert (cell.tau, cell.worst_site) == (None, None)


def test_one_site_under_random_effects_is_left_as_it_is():
    cell = primary(board_of(results_of(SITES[:1], {1: 0.8}), RANDOM, models=1).rows[0])
    assert cell.method == "random-effects-pm-hk/v1"
    assert (cell.tau, cell.prediction) == (None, None)


def test_two_models_are_compared():
    board = board_of(results_of(qualities={1: 0.8, 2: 0.7}), models=2)
    assert [(row.rank_from, row.rank_to) for row in board.rows] == [(1, 1), (2, 2)]
    [pair] = board.comparisons
    assert pair.p_adjusted == pair.p_value


def test_the_same_model_twice_is_a_tie():
    twice = results_of(qualities={1: 0.8})
    twice += [replace(r, model_id=2) for r in twice]
    for plan in (PLAN, RANDOM):
        board = board_of(twice, plan, models=2)
        assert [(row.rank, row.rank_from, row.rank_to) for row in board.rows] == [
            (1, 1, 2),
            (1, 1, 2),
        ]
        [pair] = board.comparisons
        assert (pair.difference, pair.p_value, pair.verdict) == (0, 1, "inconclusive")


def _flat(value, n=20, error=0.0):
    replicates = (value,) * PLAN.replicates
    summary = {"standard_error": error, "n_patients": float(n), "replicates": replicates}
    estimate = MetricEstimate(name="dsc", value=value, n=n, summary=summary)
    return TypedResult(n_cases=n, metrics=(estimate,))


@pytest.mark.parametrize("plan", [PLAN, RANDOM])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_value_without_spread_has_no_interval(value, plan):
    results = [SiteResult(1, i, f"S{i}", _flat(value)) for i in (1, 2, 3)]
    cell = primary(board_of(results, plan, models=1).rows[0])
    assert (cell.value, cell.interval) == (value, None)
    assert [site.interval for site in cell.sites] == [None] * 3
    assert cell.notes


def test_a_subgroup_of_no_cases_and_a_site_of_no_cases_count_for_nothing(results):
    empty = SiteResult(
        1, 9, "S9", TypedResult(n_cases=0, metrics=(MetricEstimate(name="dsc", value=0, n=0),))
    )
    with_empty = next(row for row in board_of([*results, empty]).rows if row.model_id == 1)
    without = next(row for row in board_of(results).rows if row.model_id == 1)
    assert primary(with_empty).value == primary(without).value
    assert with_empty.n_results == 4


@pytest.mark.parametrize(
    "summary",
    [
        {"standard_error": -1.0},
        {"standard_error": 1e300, "n_patients": 3.0},
        {"standard_error": 1e-300, "n_patients": 3.0},
        {"standard_error": 0.1, "n_patients": 1.0},
        {"standard_error": (0.1,)},
        {"replicates": 0.5},
        {"replicates": (0.5,)},
        {"replicates": (1e300,) * 200},
        {"m2": -1.0, "m3": 1e308, "m4": 0.0},
        {"positive_counts": (1.0,)},
        {"positive_counts": (5.0, -5.0), "positive_edges": (0, 0.5, 1), "positive_sums": (0, 0)},
        {
            f"{side}_{part}": value
            for side in ("positive", "negative")
            for part, value in {"edges": (0.0, 0.0), "counts": (5.0,), "sums": (1e9,)}.items()
        },
    ],
)
def test_a_summary_that_cannot_be_costs_a_site_its_own_intervals_only(summary):
    good = results_of(qualities={1: 0.8, 2: 0.7})
    metrics = tuple(
        MetricEstimate(name=name, value=0.8, n=30, summary=summary) for name in ("dsc", "auroc")
    )
    bad = [SiteResult(m, 9, "S9", TypedResult(n_cases=30, metrics=metrics)) for m in (1, 2)]
    assert board_of([*good, *bad], RANDOM, models=2).rows[0].rank == 1
    board = board_of([*good, *bad], models=2)
    sites = {site.site: site for site in primary(board.rows[0]).sites}
    assert sites["S1"].interval is not None
    assert sites["S9"].interval is None or sites["S9"].interval.upper <= 1
    assert board.comparisons[0].interval is not None


def test_the_same_results_in_another_order_give_the_same_board(board, results):
    again = board_of(results[::-1])
    assert again == board


def test_of_two_results_for_a_dataset_the_last_counts(results):
    later = SiteResult(1, 1, "S1", Site(1).document(0.5, seed=7))
    row = next(r for r in board_of([*results, later]).rows if r.model_id == 1)
    assert row.n_results == 3
    assert primary(row).sites[0].value < 0.6


# --- what a policy hides ---


def test_pooled_only_shows_no_site(results):
    for row in board_of(results, with_sites=False).rows:
        for cell in row.cells:
            assert (cell.sites, cell.worst_site) == ((), None)
            assert cell.value is not None


def test_pooled_only_shows_no_figure_of_one_result_alone():
    board = board_of(results_of(SITES[:1]), with_sites=False)
    for row in board.rows:
        assert (row.rank, row.cost, row.share_first) == (None, None, None)
        for cell in row.cells:
            assert (cell.value, cell.interval, cell.auroc_of_all_cases) == (None, None, None)
            assert (cell.calibration, cell.n, cell.gaps, cell.standardized) == ((), 0, (), ())
            assert {s.value for s in cell.subgroups} <= {None}
    assert board.comparisons == ()


def test_pooled_only_shows_ones_own_figures():
    [row] = board_of(results_of(SITES[:1], {1: 0.8}, own={1}), with_sites=False, models=1).rows
    assert primary(row).value is not None


def test_pooled_only_does_not_let_a_site_subtract_its_own_from_one_other():
    [row] = board_of(results_of(SITES[:2], {1: 0.8}, own={1}), with_sites=False, models=1).rows
    assert primary(row).value is None


def test_pooled_only_shows_no_subgroup_that_one_site_alone_has():
    sites = (Site(1, female=0), Site(2, n=90, female=0), Site(3, n=40, female=0.5))
    results = results_of(sites, {1: 0.8})
    [row] = board_of(results, with_sites=False, models=1).rows
    by_name = {s.subgroup: s for s in primary(row).subgroups}
    assert (by_name["female"].value, by_name["female"].interval, by_name["female"].n) == (
        None,
        None,
        0,
    )
    assert by_name["male"].value is not None
    assert (primary(row).gaps, primary(row).standardized) == ((), ())
    assert primary(row).notes == (
        "not standardized by sex: no estimate with a standard error for: female",
    )
    [row] = board_of(results, models=1).rows
    assert primary(row).subgroups[0].value is not None


def test_pooled_only_shows_no_difference_over_a_part_of_the_datasets():
    """It could be taken from the whole, and what is left would be one site's figure."""
    board = board_of(results_of(skip={(3, 2)}), with_sites=False)
    pairs = {(c.first, c.second): c for c in board.comparisons}
    assert pairs["M1", "M3"].difference is None
    assert pairs["M1", "M2"].difference is not None


def test_notes_name_no_site():
    boards = [
        board_of(results_of(sites), plan, with_sites=with_sites)
        for sites in (FEW, SITES, SITES[:1])
        for plan in (PLAN, RANDOM)
        for with_sites in (True, False)
    ]
    notes = [
        note for board in boards for row in board.rows for cell in row.cells for note in cell.notes
    ] + [note for board in boards for c in board.comparisons for note in c.notes]
    assert notes
    assert not any(name in note for note in notes for name in ("S1", "S2", "S3"))
