from datetime import UTC, datetime, timedelta

import pytest

from medperf.domain.errors import ClockSkewError, SignatureError, UnauthenticatedError
from medperf.provenance.keys import PrivateKey
from medperf.provenance.request_signing import sign_request, verify_request

KEY = PrivateKey.from_seed(bytes(32))
KEYS = {KEY.key_id: KEY.public}
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BODY = "ab" * 32
HEADER = sign_request(KEY, "POST", "/api/v1/work?limit=1", BODY, NOW)


def verified(header=HEADER, **changes):
    request = {"method": "POST", "target": "/api/v1/work?limit=1", "body_sha256": BODY}
    context = {"keys": KEYS, "now": NOW}
    return verify_request(header, **{**request, **context, **changes})


def test_says_which_key_signed():
    assert verified() == KEY.key_id


def test_the_header_has_its_documented_form():
    assert HEADER.startswith(
        f'MedPerf-Signature key="{KEY.key_id}",at="2026-03-01T12:00:00.000000Z",signature="'
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "PUT"},
        {"target": "/api/v1/work?limit=2"},
        {"target": "/api/v1/work"},
        {"body_sha256": "cd" * 32},
        {"header": HEADER.replace("12:00:00", "12:00:01")},
    ],
)
def test_anything_changed_on_the_way_is_refused(changes):
    with pytest.raises(SignatureError, match="method, target, body and time"):
        verified(**changes)


def test_an_unknown_key_is_named():
    with pytest.raises(UnauthenticatedError, match=KEY.key_id):
        verified(keys={})


@pytest.mark.parametrize("seconds", [-300, 300])
def test_clocks_may_differ_a_little(seconds):
    assert verified(now=NOW + timedelta(seconds=seconds)) == KEY.key_id


@pytest.mark.parametrize("seconds", [-301, 301])
def test_clocks_that_differ_too_much_are_both_named(seconds):
    now = NOW + timedelta(seconds=seconds)
    with pytest.raises(ClockSkewError, match=rf"2026-03-01T12:00:00.*T{now:%H:%M:%S}.*300 s"):
        verified(now=now)


def test_the_allowed_skew_can_be_set():
    with pytest.raises(ClockSkewError, match="at most 1 s"):
        verified(now=NOW + timedelta(seconds=2), max_skew_s=1)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer abc",
        HEADER + " ",
        HEADER.replace("MedPerf-Signature", "medperf-signature"),
        HEADER.replace('at="', 'at="x'),
        HEADER.replace("==", ""),
        HEADER + "\n",
    ],
)
def test_other_headers_are_refused(header):
    with pytest.raises(UnauthenticatedError, match="Authorization header"):
        verified(header=header)


@pytest.mark.parametrize("time", ["2026-13-01T12:00:00Z", "2026-03-01T12:00:00", "::"])
def test_a_time_that_is_none_is_refused(time):
    with pytest.raises(UnauthenticatedError, match="time"):
        verified(header=HEADER.replace("2026-03-01T12:00:00.000000Z", time))
