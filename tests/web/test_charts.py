import json
from collections.abc import Callable
from typing import Any

import boards
import pytest

from medperf.domain.leaderboards import Leaderboard
from medperf.web.charts import calibration, cost, forest, ranks, subgroups, theme, trend
from medperf.web.drawing import draw, draw_for_page, spec_for_page
from medperf.web.figures import Chart

CHARTS: dict[str, Callable[[Leaderboard], Chart | None]] = {
    "forest": lambda board: forest.forest(board, "auroc"),
    "ranks": ranks.ranks,
    "subgroups": lambda board: subgroups.subgroups(board, "auroc")[0],
    "calibration": calibration.calibration,
    "cost": cost.cost,
    "trend": lambda _: trend.trend(boards.trend()),
}


@pytest.fixture(params=CHARTS.values(), ids=CHARTS)
def chart(request: pytest.FixtureRequest) -> Chart:
    found: Chart = request.param(boards.leaderboard())
    return found


def test_a_chart_is_data_and_the_same_for_the_same_values(chart: Chart) -> None:
    again = json.loads(json.dumps(chart.spec))
    assert again == chart.spec


def test_a_chart_is_drawn_without_a_browser_and_twice_the_same(chart: Chart) -> None:
    drawn = draw(chart.spec)
    assert drawn.startswith("<svg")
    assert drawn == draw(chart.spec)


def test_every_number_drawn_as_text_stands_in_the_table(chart: Chart) -> None:
    cells = {cell for row in chart.table.rows for cell in row}
    said = _values(chart.spec)
    texts = {value["text"] for value in said if "text" in value and "(" not in value["text"]}
    assert texts <= cells
    assert chart.table.rows
    assert all(len(row) == len(chart.table.headers) for row in chart.table.rows)


def test_a_chart_says_in_words_what_it_shows(chart: Chart) -> None:
    assert chart.summary.endswith(".")
    assert "models" in chart.summary or "best" in chart.summary


def test_every_color_of_a_chart_has_a_role(chart: Chart) -> None:
    on_page = draw_for_page(chart.spec)
    assert "var(--chart-ink)" in on_page
    assert "#" not in on_page.replace("&#", "").replace('xlink:href="#', ""), "a color has no role"


def test_a_specification_cannot_end_the_script_it_stands_in() -> None:
    board = boards.leaderboard()
    rows = (board.rows[0].model_copy(update={"model": "</script><script>alert(1)"}),)
    chart = forest.forest(board.model_copy(update={"rows": rows}), "auroc")
    assert chart is not None
    text = spec_for_page(chart.spec)
    assert "</script" not in text
    assert "</script><script>alert(1)" in json.dumps(json.loads(text))


@pytest.mark.parametrize("name", ["ranks", "calibration", "cost"])
def test_what_is_not_known_has_no_chart(name: str) -> None:
    assert CHARTS[name](boards.bare()) is None


def test_no_subgroups_no_charts() -> None:
    assert subgroups.subgroups(boards.bare(), "auroc") == ()


def test_a_forest_without_intervals_shows_the_values() -> None:
    chart = forest.forest(boards.bare(), "auroc")
    assert chart is not None
    assert "0.973" in draw(chart.spec)


def test_a_metric_that_no_model_has_is_not_drawn() -> None:
    assert forest.forest(boards.leaderboard(), "dice") is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("role", theme.ROLES, ids=lambda role: role.name)
def test_marks_stand_out_from_the_ground(role: theme.Role, scheme: str) -> None:
    ground = {"light": "#ffffff", "dark": "#11171d"}[scheme]
    # A grid and a band stand behind what is read.
    least = {"grid": 1.1, "band": 1.5, "ink": 4.5, "muted": 4.5}.get(role.name, 3.0)
    assert _contrast(getattr(role, scheme), ground) >= least


def _values(spec: Any) -> list[dict[str, Any]]:
    values: list[dict[str, Any]] = spec["data"]["values"]
    return values


def _contrast(one: str, other: str) -> float:
    """WCAG 2.2, relative luminance."""

    def luminance(color: str) -> float:
        channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)
