"""Sealed streams: whole and unchanged with the right secret, else nothing."""

import io
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medperf.domain.errors import InvalidRequestError, MalformedFileError, SealError
from medperf.provenance.sealing import (
    CHUNK_BYTES,
    MAGIC,
    TAG_BYTES,
    Passphrase,
    Sealer,
    SecretKey,
    Unsealer,
)

KEY = SecretKey(b"k" * 32)
PASSPHRASE = Passphrase("correct horse battery")
SIZES = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES]


def seal(content, secret=KEY, bound=None, random=os.urandom, step=10_000):
    target = io.BytesIO()
    sealer = Sealer(target, secret, bound or {"site": 3}, random=random, scrypt_log_n=10)
    for start in range(0, len(content), step):
        sealer.write(content[start : start + step])
    sealer.finish()
    return target.getvalue()


def unseal(sealed, secret=KEY):
    return io.BufferedReader(Unsealer(io.BytesIO(sealed), secret)).read()


def body(sealed):
    start = len(MAGIC) + 4
    return start + int.from_bytes(sealed[len(MAGIC) : start], "big")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("secret", [KEY, PASSPHRASE])
def test_comes_back_whole(size, secret):
    content = os.urandom(size)
    assert unseal(seal(content, secret), secret) == content


@given(st.binary(max_size=300), st.integers(1, 50))
def test_how_it_is_written_does_not_matter(content, step):
    random = b"r".__mul__
    assert seal(content, random=random, step=step) == seal(content, random=random)
    assert unseal(seal(content, step=step)) == content


def test_what_was_bound_can_be_read():
    assert Unsealer(io.BytesIO(seal(b"x", bound={"site": 9})), KEY).bound == {"site": 9}


def test_same_content_never_looks_the_same():
    assert seal(b"x" * 100)[-116:] != seal(b"x" * 100)[-116:]


def test_content_is_not_in_the_file():
    assert b"patient" not in seal(b"patient" * 1000)


@pytest.mark.parametrize(
    ("sealed_with", "tried", "message"),
    [
        (KEY, SecretKey(b"l" * 32), "key is wrong"),
        (PASSPHRASE, Passphrase("correct horse battery."), "passphrase is wrong"),
        (PASSPHRASE, KEY, "sealed with a passphrase"),
        (KEY, PASSPHRASE, "sealed with a key"),
    ],
)
def test_wrong_secret_is_said_so(sealed_with, tried, message):
    with pytest.raises(SealError, match=message):
        unseal(seal(b"x", sealed_with), tried)


@pytest.mark.parametrize("size", SIZES)
def test_file_that_was_cut_short_anywhere_is_refused(size):
    sealed = seal(os.urandom(size))
    start = body(sealed)
    block = CHUNK_BYTES + TAG_BYTES
    cuts = {start, start + 1, start + TAG_BYTES, len(sealed) - 1, len(sealed) - TAG_BYTES}
    cuts |= {start + block, start + 2 * block, len(MAGIC), len(MAGIC) + 2, start - 1}
    for cut in {cut for cut in cuts if cut < len(sealed)}:
        with pytest.raises(SealError):
            unseal(sealed[:cut])


def test_every_changed_byte_is_noticed():
    sealed = seal(b"hello", bound={})
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises((SealError, MalformedFileError)):
            unseal(bytes(changed))


def test_swapped_chunks_are_refused():
    sealed = seal(os.urandom(3 * CHUNK_BYTES))
    start, block = body(sealed), CHUNK_BYTES + TAG_BYTES
    one, two = sealed[start : start + block], sealed[start + block : start + 2 * block]
    with pytest.raises(SealError):
        unseal(sealed[:start] + two + one + sealed[start + 2 * block :])


def test_anything_after_the_end_is_refused():
    for more in (b"x", seal(b"y")):
        with pytest.raises(SealError):
            unseal(seal(b"x") + more)


def test_bound_values_cannot_be_changed():
    sealed = seal(b"x", bound={"site": 1})
    with pytest.raises(SealError):
        unseal(sealed.replace(b'"site":1', b'"site":2'))


def test_stream_that_was_not_finished_is_refused():
    target = io.BytesIO()
    Sealer(target, KEY, {}, random=os.urandom).write(b"half" * CHUNK_BYTES)
    with pytest.raises(SealError):
        unseal(target.getvalue())


def test_cost_that_would_fill_the_memory_is_refused():
    sealed = seal(b"x", PASSPHRASE)
    start = len(MAGIC) + 4
    header = json.loads(sealed[start : body(sealed)]) | {"scrypt_log_n": 40}
    raw = json.dumps(header).encode()
    with pytest.raises(SealError, match="header"):
        unseal(MAGIC + len(raw).to_bytes(4, "big") + raw, PASSPHRASE)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"medperf-sealed-file/v2\n...."])
def test_other_files_are_named_as_such(content):
    with pytest.raises(MalformedFileError, match="no sealed file"):
        unseal(content)


def test_short_passphrases_and_odd_keys_are_refused():
    with pytest.raises(InvalidRequestError):
        Passphrase("hospital")
    with pytest.raises(InvalidRequestError):
        SecretKey(b"short")


def test_secrets_do_not_show_themselves():
    assert "horse" not in repr(PASSPHRASE)
    assert "kkk" not in repr(KEY)
