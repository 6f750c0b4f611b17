import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from medperf.domain.errors import InvalidRequestError, MalformedFileError, SignatureError
from medperf.provenance.keys import PrivateKey, PublicKey

# RFC 8032, section 7.1, test 3.
SEED = bytes.fromhex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7")
RAW = bytes.fromhex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")
MESSAGE = bytes.fromhex("af82")
SIGNATURE = bytes.fromhex(
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
    "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
)


def test_signs_as_rfc_8032_says():
    key = PrivateKey.from_seed(SEED)
    assert key.public.raw == RAW
    assert key.sign(MESSAGE) == SIGNATURE
    key.public.verify(SIGNATURE, MESSAGE)


def test_every_generated_key_is_another_one():
    assert PrivateKey.generate().key_id != PrivateKey.generate().key_id


@pytest.mark.parametrize("message", [b"", b"af82", MESSAGE + b"\0"])
def test_refuses_a_signature_over_other_bytes(message):
    with pytest.raises(SignatureError, match=PublicKey(RAW).key_id):
        PublicKey(RAW).verify(SIGNATURE, message)


@pytest.mark.parametrize("signature", [b"", SIGNATURE[:-1], SIGNATURE + b"\0", bytes(64)])
def test_refuses_a_signature_of_other_length_or_content(signature):
    with pytest.raises(SignatureError):
        PublicKey(RAW).verify(signature, MESSAGE)


def test_key_id_is_the_sha256_of_the_raw_key():
    expected = "dac073e0123bdea59dd9b3bda9cf6037f63aca82627d7abcd5c4ac29dd74003e"
    assert PublicKey(RAW).key_id == f"sha256:{expected}"


def test_text_of_a_public_key_reads_back():
    key = PublicKey(RAW)
    assert key.to_text() == "ed25519:_FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU"
    assert PublicKey.from_text(key.to_text()) == key
    assert hash(PublicKey.from_text(key.to_text())) == hash(key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ed25519:",
        "ed25519:_FHN",
        "_FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU",
        "ed25519:_FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU=",
        "ed25519:_FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCV",
        "ed25519:/FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU",
        "ed25519:ä",
    ],
)
def test_a_public_key_has_one_spelling_only(text):
    with pytest.raises(InvalidRequestError, match="public key"):
        PublicKey.from_text(text)


def test_a_public_key_has_32_bytes():
    with pytest.raises(InvalidRequestError, match="31"):
        PublicKey(RAW[1:])


def test_pem_of_a_private_key_reads_back():
    key = PrivateKey.from_seed(SEED)
    assert PrivateKey.from_pem(key.to_pem()).sign(MESSAGE) == SIGNATURE


def test_refuses_what_is_not_a_key_file():
    with pytest.raises(MalformedFileError, match="PKCS #8"):
        PrivateKey.from_pem(b"not a key")


def test_refuses_an_encrypted_key_file():
    pem = ed25519.Ed25519PrivateKey.from_private_bytes(SEED).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    with pytest.raises(MalformedFileError, match="unencrypted"):
        PrivateKey.from_pem(pem)


def test_refuses_a_key_of_another_kind():
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with pytest.raises(MalformedFileError, match="another kind"):
        PrivateKey.from_pem(pem)


def test_representation_of_a_private_key_shows_nothing_secret():
    key = PrivateKey.from_seed(SEED)
    assert repr(key) == f"PrivateKey(key_id={key.key_id!r})"
