import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medperf.domain.errors import InvalidRequestError, MalformedFileError
from medperf.provenance.canonical import canonical_bytes, digest_of, read_json

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"b": 1, "a": [True, None, "ü\n"]}, '{"a":[true,null,"ü\\n"],"b":1}'),
        ({"x": 0.1, "y": 1e22, "z": -0.0}, '{"x":0.1,"y":1e+22,"z":-0.0}'),
        ((1, 1.0), "[1,1.0]"),
        ("", '""'),
    ],
)
def test_a_value_has_one_sequence_of_bytes(value, expected):
    assert canonical_bytes(value) == expected.encode()


@given(VALUES)
def test_canonical_bytes_read_back_as_the_same_value(value):
    data = canonical_bytes(value)
    assert read_json(data) == value
    assert canonical_bytes(read_json(data)) == data


@given(st.dictionaries(TEXT, st.integers(), min_size=2))
def test_the_order_of_keys_does_not_matter(value):
    assert canonical_bytes(dict(reversed(value.items()))) == canonical_bytes(value)


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, {1: 2}, {None: 1}, [{"a": {True: 1}}], {1, 2}, b"", "\ud800"]
)
def test_refuses_what_json_cannot_hold(value):
    with pytest.raises(InvalidRequestError):
        canonical_bytes(value)


def test_refuses_what_is_nested_too_deeply():
    value = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(InvalidRequestError):
        canonical_bytes(value)
    while value:  # taken apart by hand: the interpreter would recurse as deeply
        value = value.pop()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b'{"a":1,"a":1}',
        b"NaN",
        b"[-Infinity]",
        b"1e999",
        b'"\\ud800"',
        b'{"\\uD83D":1}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_refuses_json_that_readers_disagree_on(data):
    with pytest.raises(MalformedFileError):
        read_json(data)


def test_reads_surrogate_pairs():
    assert read_json(json.dumps("😀").encode()) == "😀"


def test_bytes_are_named_as_they_are_and_values_by_their_canonical_bytes():
    # FIPS 180-2, appendix B.1.
    expected = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digest_of(b"abc") == expected
    assert digest_of({"b": 1, "a": 2}) == digest_of(b'{"a":2,"b":1}')
