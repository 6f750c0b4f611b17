"""The envelopes of securesystemslib, the library beneath TUF and in-toto, and ours are the same."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.dsse import Envelope as OtherEnvelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

from medperf.provenance.envelope import PAYLOAD_TYPE, Envelope, sign, verify
from medperf.provenance.keys import PrivateKey, PublicKey

PAYLOAD = b'{"_type":"https://in-toto.io/Statement/v1"}'


def test_they_verify_our_envelopes():
    key = PrivateKey.generate()
    theirs = SSlibKey(key.key_id, "ed25519", "ed25519", {"public": key.public.raw.hex()})
    envelope = OtherEnvelope.from_dict(sign(PAYLOAD, key).to_value())
    assert envelope.verify([theirs], 1)
    assert envelope.payload == PAYLOAD


def test_they_refuse_our_envelope_by_another_key():
    theirs = SSlibKey("a", "ed25519", "ed25519", {"public": PrivateKey.generate().public.raw.hex()})
    envelope = OtherEnvelope.from_dict(sign(PAYLOAD, PrivateKey.generate()).to_value())
    with pytest.raises(VerificationError):
        envelope.verify([theirs], 1)


def test_we_verify_their_envelopes():
    signer = CryptoSigner(Ed25519PrivateKey.generate())
    theirs = OtherEnvelope(payload=PAYLOAD, payload_type=PAYLOAD_TYPE, signatures={})
    theirs.sign(signer)
    raw = bytes.fromhex(signer.public_key.keyval["public"])
    keys = {signer.public_key.keyid: PublicKey(raw)}
    assert verify(Envelope.from_value(theirs.to_dict()), keys) == PAYLOAD
