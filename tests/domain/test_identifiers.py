"""Digests, names and times have one written form."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from medperf.domain.errors import InvalidRequestError
from medperf.domain.identifiers import (
    Digest,
    Name,
    UtcTime,
    format_time,
    is_digest,
    parse_time,
    require_name,
)


class _Thing(BaseModel):
    digest: Digest = "sha256:" + "0" * 64
    name: Name = "thing"
    at: UtcTime = datetime(2026, 1, 1, tzinfo=UTC)


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_written_time_reads_back_the_same(moment):
    if moment.year >= 1000:
        assert parse_time(format_time(moment)) == moment


def test_a_time_without_zone_is_refused():
    with pytest.raises(ValueError, match="zone"):
        parse_time("2026-01-01T00:00:00")


def test_times_are_written_in_utc():
    east = datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert _Thing(at=east).model_dump(mode="json")["at"] == "2026-01-01T00:00:00.000000Z"
    assert _Thing.model_validate_json('{"at": "2026-01-01T02:00:00+02:00"}').at == east


@pytest.mark.parametrize("text", ["sha256:" + "a" * 63, "md5:" + "a" * 64, "sha256:" + "A" * 64])
def test_other_notations_are_no_digest(text):
    assert not is_digest(text)
    with pytest.raises(ValidationError):
        _Thing(digest=text)


@pytest.mark.parametrize(
    "name",
    [
        "Charité \N{EN DASH} Universitätsmedizin Berlin",
        "東京大学病院",
        "المستشفى 3",
        "St. Mary's & Co., Inc.",
        "Seán O\N{RIGHT SINGLE QUOTATION MARK}Brien (MD)",
        "a" * 120,
    ],
)
def test_names_are_written_as_people_write_them(name):
    assert _Thing(name=name).name == name


def test_a_name_has_one_form_however_it_was_typed():
    assert _Thing(name="Jose\N{COMBINING ACUTE ACCENT}").name == "José"


@pytest.mark.parametrize(
    "name",
    [
        "", " ", " a", "-x", "=1+1", "a" * 121, "a/b", "a\nb", "a\tb", "a\x1b[2J", "a:b", '"a"',
        "a\N{RIGHT-TO-LEFT OVERRIDE}b", "a\N{ZERO WIDTH SPACE}b", "a\N{NO-BREAK SPACE}b",
        "\N{COMBINING ACUTE ACCENT}a", "\N{HOSPITAL}", "<b>", "a;b", "$a", "a`b",
    ],
)  # fmt: skip
def test_names_steer_nothing(name):
    with pytest.raises(ValidationError, match="begins with a letter or digit"):
        _Thing(name=name)
    with pytest.raises(InvalidRequestError, match="begins with a letter or digit"):
        require_name(name)
