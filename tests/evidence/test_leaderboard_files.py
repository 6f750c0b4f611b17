import csv
import io

import boards

from medperf.evidence import tidy
from medperf.evidence.leaderboard_page import page
from medperf.web.document import Notice, Section, TableBlock, Tone


def sections(name: str = "full") -> dict[str, Section]:
    board = boards.leaderboard() if name == "full" else boards.bare()
    return {section.anchor: section for section in page(board).sections}


def rows() -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(tidy.to_csv(boards.leaderboard()))))


def test_a_row_holds_one_number_with_its_n_interval_and_method() -> None:
    found = [
        row
        for row in rows()
        if row["quantity"] == "site" and row["site"] == "riverside" and row["model_id"] == "1"
    ]
    assert [row["metric"] for row in found] == ["auroc", "brier"]
    assert found[0]["value"] == "0.953"
    assert found[0]["n"] == "85"
    assert found[0]["method"] == "delong-logit/v1"
    assert float(found[0]["lower"]) < 0.953 < float(found[0]["upper"])


def test_everything_a_leaderboard_says_has_rows() -> None:
    assert {row["quantity"] for row in rows()} == {
        "rank", "tie_group", "share_first", "results", "results_missing", "executions_failed",
        "cases", "cases_failed", "seconds_per_case", "peak_memory_bytes", "pooled", "next_site",
        "tau", "i2", "site", "subgroup", "gap", "standardized", "calibration", "difference",
        "p_value", "p_adjusted",
    }  # fmt: skip


def test_numbers_keep_all_their_digits() -> None:
    board = boards.leaderboard()
    exact = board.rows[2].cells[1].value
    found = [row["value"] for row in rows() if row["quantity"] == "pooled"]
    assert repr(exact) in found


def test_a_name_is_never_a_formula() -> None:
    board = boards.leaderboard()
    row = board.rows[0].model_copy(update={"model": "=HYPERLINK(1)"})
    text = tidy.to_csv(board.model_copy(update={"rows": (row,)}))
    assert "'=HYPERLINK(1)" in text
    assert ",=HYPERLINK" not in text


def test_a_tie_for_the_first_place_is_said_first() -> None:
    notices = [block for block in sections()["ranking"].blocks if isinstance(block, Notice)]
    assert "cannot tell which of these is best" in notices[0].text


def test_failures_always_show() -> None:
    for name in ("full", "bare"):
        failed = sections(name)["failed-and-missing"]
        assert isinstance(failed.blocks[0], Notice)
        assert failed.blocks[0].tone is Tone.CAUTION
        table = failed.blocks[1]
        assert isinstance(table, TableBlock)
        assert table.table.rows[-1] == ("Nearest neighbors <5>", "1", "1", "4")


def test_without_intervals_a_page_shows_the_values_alone() -> None:
    assert set(sections("bare")) == {
        "ranking", "sites", "failed-and-missing", "other-metrics",
    }  # fmt: skip


def test_what_is_withheld_is_said() -> None:
    board = boards.bare().model_copy(update={"rows": (), "withheld_reason": "not complete yet"})
    text = [block for block in page(board).sections[0].blocks if isinstance(block, Notice)]
    assert "not complete yet" in text[0].text


def test_a_free_form_benchmark_is_not_ranked() -> None:
    board = boards.bare().model_copy(
        update={"primary": None, "direction": None, "metrics": (), "rows": ()}
    )
    assert [section.anchor for section in page(board).sections] == ["ranking"]
