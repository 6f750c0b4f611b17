"""What people read of a leaderboard: values with intervals, places with theirs, and no more."""

from datetime import UTC, datetime

import pytest
from simulated_sites import PLAN, Site

from medperf.analysis.leaderboard import Entry, build_board, overall_metrics
from medperf.analysis.pooled_cells import Sight
from medperf.analysis.site_results import SiteResult
from medperf.cli import figures
from medperf.cli.leaderboard import place
from medperf.cli.text import width_of
from medperf.domain.leaderboards import Leaderboard, Trend, TrendLine, TrendPoint

SITES = {"St. Mary": Site(1), "University Hospital": Site(2, n=90), "Clinic": Site(3, shift=0.05)}
MODELS = {1: ("densenet", 0.8), 2: ("resnet", 0.8), 3: ("logistic", 0.7), 4: ("late", None)}


def leaderboard(*, with_sites=True, models=MODELS, replicates=True):
    results = [
        SiteResult(number, site.number, name, site.document(quality, seed=number))
        for number, (_, quality) in models.items()
        if quality
        for name, site in SITES.items()
    ]
    if not replicates:
        for result in results:
            for metric in result.document.metrics:
                (metric.summary or {}).pop("replicates", None)
    board = build_board(
        PLAN,
        [Entry(number, name, "Vendor", 3, 0, number) for number, (name, _) in models.items()],
        results,
        Sight(with_sites=with_sites),
    )
    return Leaderboard(
        benchmark_id=1,
        benchmark="masses",
        primary="dsc",
        direction="higher",
        metrics=tuple(metric.name for metric in overall_metrics(PLAN)),
        rows=board.rows,
        comparisons=board.comparisons,
        stability=board.stability,
        as_of=datetime(2026, 1, 1, tzinfo=UTC),
    ).model_dump(mode="json")


@pytest.fixture
def shown(logged_in, registry, monkeypatch):
    monkeypatch.setattr("medperf.cli.leaderboard.terminal_width", lambda: 100)

    def show(board, *options):
        registry.answers["GET", "benchmarks/1/leaderboard"] = board
        ran = logged_in("benchmark", "leaderboard", 1, *options)
        assert ran.status == 0, ran.err
        return ran.out

    return show


def test_a_row_holds_the_place_and_the_value_with_their_intervals(shown):
    board = leaderboard()
    out = shown(board)
    best = board["rows"][0]
    cell = best["cells"][0]
    line = next(line for line in out.splitlines() if best["model"] in line)
    assert line.startswith(f"1 ({best['rank_from']}-{best['rank_to']})")
    assert f"{cell['value']:.3f} ({cell['interval']['lower']:.3f}-" in line
    assert "3/3" in line
    assert "not excluded by the data" in out
    late = next(line for line in out.splitlines() if "late" in line)
    assert "0/3" in late


def test_no_line_of_a_leaderboard_is_wider_than_the_terminal(shown):
    out = shown(leaderboard(), "--by-site", "--by-subgroup")
    assert max(map(width_of, out.splitlines())) <= 100


def test_sites_are_a_forest_with_the_worst_marked(shown):
    out = shown(leaderboard(), "--by-site")
    [*rows] = [line for line in out.splitlines() if "●" in line]
    assert len(rows) == 3 * 4
    assert all("├" in row and "┤" in row for row in rows)
    assert "Clinic (worst)" in out
    assert "all sites" in out


def test_subgroups_show_gaps_and_what_was_suppressed(shown):
    out = shown(leaderboard(), "--by-subgroup")
    assert "sex: female" in out
    assert "largest gap in sex: female against male +0." in out


def test_pooled_figures_have_no_sites_to_show(shown):
    out = shown(leaderboard(with_sites=False), "--by-site")
    assert "St. Mary" not in out
    assert "●" not in out


def test_without_replicates_there_are_plain_ranks_and_no_word_of_ties(shown):
    board = leaderboard(replicates=False)
    out = shown(board)
    assert "TIE" not in out
    assert "FIRST" not in out
    assert "not excluded" not in out


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"rank": None}, "-"),
        ({"rank": 2, "rank_from": None}, "2"),
        ({"rank": 2, "rank_from": 1, "rank_to": 4}, "2 (1-4)"),
        ({"rank": 2, "rank_from": 2, "rank_to": 2}, "2 (2)"),
    ],
)
def test_a_place(row, text):
    assert place(row) == text


@pytest.mark.parametrize(
    ("value", "interval", "text"),
    [
        (None, None, "-"),
        (0.93123, None, "0.9312"),
        (0.93123, (0.9111, 0.9522), "0.931 (0.911-0.952)"),
        (0.9, (0.5, 1.0), "0.90 (0.50-1.00)"),
        (0.5, (-0.1, 0.6), "0.50 (-0.10 to 0.60)"),
        (12.3, (10.0, 15.0), "12.30 (10.00-15.00)"),
        (0.93123, (0.93121, 0.93124), "0.9312 (0.9312-0.9312)"),
    ],
)
def test_a_value_shows_the_digits_that_its_interval_supports(value, interval, text):
    found = {"value": value}
    if interval:
        found["interval"] = dict(zip(("lower", "upper"), interval, strict=True))
    assert figures.bracketed(found) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(None, "-"), (0.0, "0 %"), (0.001, "<1 %"), (0.62, "62 %"), (0.999, ">99 %"), (1.0, "100 %")],
)
def test_a_share_never_rounds_to_none_or_all(share, text):
    assert figures.percent(share) == text


def test_a_forest_of_one_value_has_a_place():
    scale = figures.forest_scale([{"value": 0.5}])
    assert figures.forest({"value": 0.5}, scale, 11).strip() == "●"
    assert figures.forest({"value": None}, scale, 11) == ""


def test_a_comparison_is_told_in_words(logged_in, registry):
    board = leaderboard()
    pair = next(c for c in board["comparisons"] if c["verdict"] == "superior")
    registry.add("models", name="densenet")
    registry.answers["GET", "benchmarks/1/comparison"] = pair
    ran = logged_in("result", "compare", "densenet", 3, "--benchmark", 1, "--metric", "dsc")
    assert ran.status == 0
    assert "first=1&second=3&metric=dsc" in registry.asked[-1][1]
    assert "(as planned)" in ran.out
    assert f"superior: {pair['first']} is better than {pair['second']}" in ran.out
    pair |= {"is_exploratory": True, "p_adjusted": None, "margin": 0.02, "verdict": "non_inferior"}
    out = logged_in("result", "compare", 1, 3, "--benchmark", 1).out
    assert "exploratory, not in the analysis plan" in out
    assert "not worse than" in out
    assert "by 0.02 or more" in out
    pair |= {"difference": None, "interval": None, "p_value": None, "notes": ["no dataset"]}
    assert (
        "no difference can be shown" in logged_in("result", "compare", 1, 3, "--benchmark", 1).out
    )
    assert logged_in("result", "compare", 1, 3, "--benchmark", 1, "--json").json == pair


def test_a_trend_shows_versions_and_raises_its_voice(logged_in, registry):
    interval = {"lower": -0.1, "upper": -0.05, "level": 0.95, "method": "x"}
    points = (
        TrendPoint(id=1, version=1, value=0.8, n=100, n_sites=2),
        TrendPoint(
            id=4, version=2, value=0.72, n=100, n_sites=2, difference=-0.08, is_paired=True,
            difference_interval=interval, p_value=0.001, p_adjusted=0.002, is_worse=True,
        ),
    )  # fmt: skip
    trend = Trend(
        benchmark_id=1,
        benchmark="masses",
        primary="dsc",
        direction="higher",
        lines=(
            TrendLine(kind="model", name="net", points=points),
            TrendLine(kind="dataset", name="scans", model="net", model_id=1, points=points[:1]),
        ),
        n_worse=1,
        as_of=datetime(2026, 1, 1, tzinfo=UTC),
    ).model_dump(mode="json")
    registry.answers["GET", "benchmarks/1/trend"] = trend
    out = logged_in("benchmark", "trend", 1).out
    assert "-0.080 (-0.100 to -0.050)" in out
    assert "WORSE" in out
    assert "dataset scans, net" in out
    assert "1 versions are worse" in out
    assert logged_in("benchmark", "trend", 1, "--json").json == trend
    trend |= {"lines": [], "n_worse": 0, "withheld_reason": "only your own"}
    out = logged_in("benchmark", "trend", 1).out
    assert "Nothing here has a second version yet." in out
    assert "only your own" in out
