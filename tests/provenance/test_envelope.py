import json
from base64 import b64decode, b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medperf.domain.errors import MalformedFileError, SignatureError
from medperf.provenance.envelope import (
    Envelope,
    pre_authentication_encoding,
    sign,
    verified_signers,
    verify,
)
from medperf.provenance.keys import PrivateKey

ANNA, BEN, CARL = (PrivateKey.from_seed(bytes([n]) * 32) for n in (1, 2, 3))
KEYS = {key.key_id: key.public for key in (ANNA, BEN)}
PAYLOAD = b'{"a": 1}'


def changed(envelope, **changes):
    return Envelope.from_value({**envelope.to_value(), **changes})


def test_pre_authentication_encoding_is_that_of_the_specification():
    # github.com/secure-systems-lab/dsse, protocol.md, test vectors.
    encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


@given(st.binary(max_size=200))
def test_what_was_signed_is_answered_byte_for_byte(payload):
    envelope = Envelope.from_bytes(sign(payload, ANNA).to_bytes())
    assert verify(envelope, KEYS) == payload


def flipped(data, value):
    bit = data.draw(st.integers(0, len(value) * 8 - 1))
    changed = bytearray(value)
    changed[bit // 8] ^= 1 << bit % 8
    return b64encode(changed).decode()


@given(st.data())
def test_any_flipped_bit_of_the_payload_is_refused(data):
    envelope = changed(sign(PAYLOAD, ANNA), payload=flipped(data, PAYLOAD))
    with pytest.raises(SignatureError, match="not that of key"):
        verify(envelope, KEYS)


@given(st.data())
def test_any_flipped_bit_of_the_signature_is_refused(data):
    envelope = sign(PAYLOAD, ANNA)
    signature = envelope.to_value()["signatures"][0]
    sig = flipped(data, b64decode(signature["sig"]))
    with pytest.raises(SignatureError, match="not that of key"):
        verify(changed(envelope, signatures=[{**signature, "sig": sig}]), KEYS)


def test_says_who_signed():
    _, signers = verified_signers(sign(PAYLOAD, [ANNA, BEN, CARL]), KEYS, threshold=2)
    assert signers == {ANNA.key_id, BEN.key_id}


def test_refuses_another_payload_type():
    with pytest.raises(SignatureError, match="text/plain"):
        verify(sign(PAYLOAD, ANNA, "text/plain"), KEYS)


def test_a_changed_payload_type_breaks_the_signature():
    envelope = changed(sign(PAYLOAD, ANNA), payloadType="text/plain")
    with pytest.raises(SignatureError, match="not that of key"):
        verify(envelope, KEYS, payload_type="text/plain")


def test_refuses_an_envelope_without_signatures():
    with pytest.raises(SignatureError, match="no signatures"):
        verify(sign(PAYLOAD, []), KEYS)


def test_names_the_unknown_key():
    with pytest.raises(SignatureError, match=f"unknown: {CARL.key_id}"):
        verify(sign(PAYLOAD, CARL), KEYS)


def test_names_a_signature_without_key_id():
    envelope = sign(PAYLOAD, ANNA)
    signatures = [{"sig": envelope.signatures[0].sig}]
    with pytest.raises(SignatureError, match=r"unknown: \(unnamed\)"):
        verify(changed(envelope, signatures=signatures), KEYS)
    with pytest.raises(SignatureError, match=r"\(unnamed\) signed twice"):
        verify(changed(envelope, signatures=signatures * 2), KEYS)


def test_needs_as_many_known_signers_as_asked_for():
    with pytest.raises(SignatureError, match="1 of 2"):
        verify(sign(PAYLOAD, [ANNA, CARL]), KEYS, threshold=2)
    with pytest.raises(SignatureError, match=r"1 of 2.*unknown: none"):
        verify(sign(PAYLOAD, [ANNA]), KEYS, threshold=2)


def test_a_threshold_of_zero_still_needs_a_signature():
    with pytest.raises(SignatureError, match="0 of 1"):
        verify(sign(PAYLOAD, CARL), KEYS, threshold=0)


def test_a_false_signature_of_a_known_key_spoils_the_envelope():
    envelope = sign(PAYLOAD, [ANNA, BEN])
    first, second = envelope.to_value()["signatures"]
    swapped = [first, {**second, "sig": first["sig"]}]
    with pytest.raises(SignatureError, match=BEN.key_id):
        verify(changed(envelope, signatures=swapped), KEYS)


def test_a_key_that_signs_twice_is_refused():
    with pytest.raises(SignatureError, match="signed twice"):
        verify(sign(PAYLOAD, [ANNA, ANNA]), KEYS)


def test_one_key_under_two_names_counts_once():
    envelope = sign(PAYLOAD, ANNA)
    signature = envelope.to_value()["signatures"][0]
    twice = changed(envelope, signatures=[signature, {**signature, "keyid": "other"}])
    with pytest.raises(SignatureError, match="one key under two names"):
        verify(twice, {**KEYS, "other": ANNA.public}, threshold=2)


def test_unknown_fields_are_kept():
    envelope = changed(sign(PAYLOAD, ANNA), later={"x": 1})
    assert Envelope.from_bytes(envelope.to_bytes()).to_value()["later"] == {"x": 1}
    assert verify(envelope, KEYS) == PAYLOAD


def test_both_alphabets_of_base64_are_read():
    payload = b"\xff\xfe\xfb\xef\xbe"
    envelope = sign(payload, ANNA)
    assert "/" in envelope.payload
    signature = envelope.to_value()["signatures"][0]
    url_safe = {**signature, "sig": signature["sig"].replace("+", "-").replace("/", "_")}
    other = changed(
        envelope,
        payload=envelope.payload.replace("+", "-").replace("/", "_"),
        signatures=[url_safe],
    )
    assert verify(other, KEYS) == payload


@pytest.mark.parametrize(
    "change",
    [
        {"payload": "a"},
        {"payload": "YQ=!"},
        {"payload": "ä==="},
        {"payload": "YR=="},
        {"payload": None},
        {"signatures": {}},
        {"signatures": [{"sig": "?"}]},
        {"payloadType": 1},
    ],
)
def test_refuses_what_is_not_an_envelope(change):
    document = json.dumps({**sign(PAYLOAD, ANNA).to_value(), **change})
    with pytest.raises(MalformedFileError, match=f"not a DSSE envelope: {next(iter(change))}"):
        Envelope.from_bytes(document.encode())


def test_refuses_what_is_not_an_object():
    with pytest.raises(MalformedFileError, match="the document"):
        Envelope.from_bytes(b"[]")


def test_the_payload_digest_names_what_was_said_and_the_digest_who_said_it():
    by_anna, by_ben = sign(PAYLOAD, ANNA), sign(PAYLOAD, BEN)
    assert by_anna.payload_digest == by_ben.payload_digest
    assert by_anna.digest != by_ben.digest
