"""What the server signs for a courier is this answer to this request for this site, and no other."""

from dataclasses import fields, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medperf.domain.errors import SignatureError
from medperf.provenance.answer_signing import AnsweredRequest, sign_answer, verify_answer
from medperf.provenance.keys import PrivateKey

SERVER = PrivateKey.from_seed(bytes([1]) * 32)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
words = st.text(st.characters(codec="ascii", exclude_characters="\n"), max_size=20)
answers = st.builds(
    AnsweredRequest,
    for_key=words,
    method=st.sampled_from(["GET", "POST"]),
    target=st.text(st.characters(codec="ascii"), max_size=30),
    idempotency_key=words,
    request_sha256=words,
    status=st.integers(100, 599),
    answer_sha256=words,
)


@given(answers)
def test_what_was_signed_verifies_and_says_when(answered):
    header = sign_answer(SERVER, answered, NOON)
    assert verify_answer(header, answered, SERVER.public) == NOON


@given(answers, answers, st.sampled_from([field.name for field in fields(AnsweredRequest)]))
def test_nothing_of_it_can_be_exchanged(answered, other, name):
    header = sign_answer(SERVER, answered, NOON)
    changed = replace(answered, **{name: getattr(other, name)})
    if changed == answered:
        assert verify_answer(header, changed, SERVER.public) == NOON
        return
    with pytest.raises(SignatureError):
        verify_answer(header, changed, SERVER.public)


@given(answers)
def test_neither_the_time_nor_the_key_can_be_exchanged(answered):
    header = sign_answer(SERVER, answered, NOON)
    with pytest.raises(SignatureError):
        verify_answer(header.replace("2026", "2027"), answered, SERVER.public)
    with pytest.raises(SignatureError):
        verify_answer(header, answered, PrivateKey.from_seed(bytes([2]) * 32).public)


@pytest.mark.parametrize("header", ["", "at", 'at="x",signature="y"', "Bearer x"])
def test_what_is_no_signature_is_refused(header):
    answered = AnsweredRequest("k", "GET", "/", "", "", 200, "")
    with pytest.raises(SignatureError, match="not signed"):
        verify_answer(header, answered, SERVER.public)
