"""A table fits its terminal whatever is in it."""

from hypothesis import given
from hypothesis import strategies as st

from medperf.cli.tables import GAP, NARROWEST, Column, layout
from medperf.cli.text import printable, shorten, width_of

CELLS = st.one_of(st.text(max_size=60), st.integers(), st.floats(), st.none(), st.booleans())


@given(st.lists(st.fixed_dictionaries({"a": CELLS, "b": CELLS}), min_size=1), st.integers(20, 90))
def test_no_line_is_wider_than_the_terminal(rows, width):
    columns = [Column("a", "a"), Column("b", "b")]
    least = 2 * NARROWEST + len(GAP)
    lines = layout(rows, columns, width).split("\n")
    assert len(lines) == len(rows) + 1
    assert all(width_of(line) <= max(width, least) for line in lines)


@given(st.text(), st.integers(1, 40))
def test_a_cut_text_fits(text, width):
    assert width_of(shorten(printable(text), width)) <= width


@given(st.text())
def test_what_is_printed_is_printable(text):
    assert printable(text).isprintable()


def test_a_pipe_gets_whole_values():
    assert "x" * 500 in layout([{"a": "x" * 500}], [Column("a", "a")], None)


def test_numbers_stand_flush_right():
    table = layout([{"n": 5}, {"n": 100}], [Column("n", "n")], 80)
    assert table.splitlines() == ["  N", "  5", "100"]


def test_wide_characters_count_twice():
    table = layout(
        [{"a": "肺", "b": "x"}, {"a": "ab", "b": "y"}], [Column("a", "a"), Column("b", "b")], 80
    )
    assert table.splitlines()[1:] == ["肺  x", "ab  y"]


def test_times_are_written_for_people():
    table = layout([{"t": "2026-01-02T03:04:05.000000Z"}], [Column("t", "t")], 80)
    assert table.splitlines()[1] == "2026-01-02 03:04 UTC"
