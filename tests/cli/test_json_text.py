"""A document is shown in full, and read back as it was."""

import json

from hypothesis import given
from hypothesis import strategies as st

from medperf.cli.json_text import WIDTH, json_text
from medperf.cli.output import outline

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
)


@given(values)
def test_what_is_shown_is_the_document(value) -> None:
    assert json.loads(json_text(value)) == value


@given(st.lists(st.floats(0, 1), max_size=200), values)
def test_numbers_of_a_list_share_lines(numbers, value) -> None:
    document = {"summary": {"replicates": numbers}, "other": value}
    assert json.loads(json_text(document)) == document
    assert max(map(len, json_text({"a": {"b": numbers}}).splitlines())) <= WIDTH + len(", ")


def test_a_record_says_how_many_numbers_it_does_not_show() -> None:
    [line] = outline({"replicates": list(range(500))})
    assert line == "replicates: 0, 1, 2, 3, 4, 5, 6, 7, ... (500 numbers; --json shows them)"
    assert list(outline({"edges": [0, 0.5]})) == ["edges: 0, 0.5"]
    assert list(outline({"flags": [True]})) == ["flags:", "  - yes"]
