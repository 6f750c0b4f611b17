"""Seal a stream with a passphrase or a key: nobody else reads it, nobody changes or shortens it.

The STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár, "Online Authenticated-Encryption and
its Nonce-Reuse Misuse-Resistance", 2015) over ChaCha20-Poly1305. A chunk is given out only after
its tag was verified; the last one is marked, so a file that was cut is noticed. Layout:
``MAGIC``, 4 bytes length (big-endian) and bytes of a canonical JSON header, then chunks of
``CHUNK_BYTES`` each followed by a tag of 16 bytes; the last chunk may be shorter.

The key of a file is HKDF-SHA256 of the secret with a fresh salt, so a nonce (11 bytes counter, one
byte that is 1 for the last chunk) never returns under one key. A passphrase goes through scrypt
first. The header, with whatever the writer bound into it, is associated data of every chunk.
"""

import hashlib
import hmac
import io
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, BinaryIO, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, ValidationError

from medperf.domain.errors import InvalidRequestError, MalformedFileError, SealError
from medperf.provenance.canonical import canonical_bytes, read_json

MAGIC = b"medperf-sealed-file/v1\n"
CHUNK_BYTES = 64 * 1024
TAG_BYTES = 16
KEY_BYTES = 32
SHORTEST_PASSPHRASE = 12
SCRYPT_LOG_N = 17
"""128 MiB and some tenths of a second for each guess."""

_MAX_HEADER_BYTES = 64 * 1024
_COUNTER_BYTES = 11


@dataclass(frozen=True, slots=True, repr=False)
class Passphrase:
    """A secret that a person remembers or dictates."""

    text: str

    def __post_init__(self) -> None:
        if len(self.text) < SHORTEST_PASSPHRASE:
            raise InvalidRequestError(
                f"a passphrase needs at least {SHORTEST_PASSPHRASE} characters"
            )


@dataclass(frozen=True, slots=True, repr=False)
class SecretKey:
    """A secret of 32 random bytes, from a key file."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != KEY_BYTES:
            raise InvalidRequestError(f"a key has {KEY_BYTES} bytes, this one {len(self.raw)}")


Secret = Passphrase | SecretKey


class Sealer(io.RawIOBase):
    """A writable stream whose bytes arrive sealed in ``target``; close it to write the end."""

    def __init__(
        self,
        target: BinaryIO,
        secret: Secret,
        bound: dict[str, Any],
        *,
        random: Callable[[int], bytes],
        scrypt_log_n: int = SCRYPT_LOG_N,
    ) -> None:
        """Write the header.

        Args:
            target: where the sealed bytes go; it stays open.
            secret: opens the file again.
            bound: JSON values that anyone may read and nobody may change.
            random: answers with so many random bytes.
            scrypt_log_n: how much a guess of the passphrase costs, as a power of two.
        """
        super().__init__()
        is_passphrase = isinstance(secret, Passphrase)
        salt = random(16)
        log_n = scrypt_log_n if is_passphrase else None
        key, check = _derive(secret, salt, log_n)
        header = canonical_bytes(
            {
                "secret": "passphrase" if is_passphrase else "key",
                "scrypt_log_n": log_n,
                "salt": b64encode(salt).decode(),
                "check": b64encode(check).decode(),
                "bound": bound,
            }
        )
        self._target = target
        self._cipher = _Cipher(key, header)
        self._pending = bytearray()
        target.write(MAGIC + len(header).to_bytes(4, "big") + header)

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: Any) -> int:
        """Take bytes; whole chunks go on at once."""
        view = memoryview(data).cast("B")
        self._pending += view
        # A full chunk waits: if nothing follows, it is the last one and marked as such.
        while len(self._pending) > CHUNK_BYTES:
            chunk = bytes(self._pending[:CHUNK_BYTES])
            del self._pending[:CHUNK_BYTES]
            self._target.write(self._cipher.encrypt(chunk, is_last=False))
        return len(view)

    def finish(self) -> None:
        """Write the last chunk. A stream that is closed without it stays unusable, on purpose."""
        self._target.write(self._cipher.encrypt(bytes(self._pending), is_last=True))
        self._pending.clear()


class Unsealer(io.RawIOBase):
    """A readable stream of what was sealed; every byte it gives was verified."""

    def __init__(self, source: BinaryIO, secret: Secret) -> None:
        """Read and verify the header.

        Raises:
            MalformedFileError: this is no sealed file.
            SealError: the secret is wrong, or the header was changed.
        """
        super().__init__()
        header, raw = _read_header(source)
        wanted = Passphrase if header.secret == "passphrase" else SecretKey  # noqa: S105  (a kind)
        if not isinstance(secret, wanted):
            raise SealError(f"the file was sealed with a {header.secret}")
        key, check = _derive(secret, header.salt, header.scrypt_log_n)
        if not hmac.compare_digest(check, header.check):
            raise SealError(f"the {header.secret} is wrong")
        self.bound = header.bound
        """What the writer bound into the file; believe it only once :meth:`read` gave bytes."""
        self._source = source
        self._cipher = _Cipher(key, raw)
        self._ahead = _read_fully(source, CHUNK_BYTES + TAG_BYTES)
        self._chunk = memoryview(b"")
        self._is_done = False

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Give verified bytes.

        Raises:
            SealError: the file was cut short or changed.
        """
        while not self._chunk and not self._is_done:
            self._next()
        n = min(len(buffer), len(self._chunk))
        buffer[:n] = self._chunk[:n]
        self._chunk = self._chunk[n:]
        return n

    def _next(self) -> None:
        chunk, self._ahead = self._ahead, _read_fully(self._source, CHUNK_BYTES + TAG_BYTES)
        self._is_done = not self._ahead
        self._chunk = memoryview(self._cipher.decrypt(chunk, is_last=self._is_done))


class _Cipher:
    """Numbers the chunks of one file."""

    def __init__(self, key: bytes, header: bytes) -> None:
        self._aead = ChaCha20Poly1305(key)
        self._header = hashlib.sha256(header).digest()
        self._counter = 0

    def encrypt(self, chunk: bytes, *, is_last: bool) -> bytes:
        return self._aead.encrypt(self._nonce(is_last=is_last), chunk, self._header)

    def decrypt(self, chunk: bytes, *, is_last: bool) -> bytes:
        try:
            return self._aead.decrypt(self._nonce(is_last=is_last), chunk, self._header)
        except InvalidTag:
            raise SealError("the file was cut short or changed") from None

    def _nonce(self, *, is_last: bool) -> bytes:
        nonce = self._counter.to_bytes(_COUNTER_BYTES, "big") + bytes([is_last])
        self._counter += 1
        return nonce


class _Header(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    secret: Literal["passphrase", "key"]
    # More than 2**20 would let a stranger's file take gigabytes of memory.
    scrypt_log_n: Annotated[int, Field(ge=10, le=20)] | None
    salt: Annotated[Base64Bytes, Field(min_length=16, max_length=16)]
    check: Annotated[Base64Bytes, Field(min_length=16, max_length=16)]
    bound: dict[str, Any]


def _read_header(source: BinaryIO) -> tuple[_Header, bytes]:
    if _read_fully(source, len(MAGIC)) != MAGIC:
        raise MalformedFileError(
            "this is no sealed file, or one of a newer version",
            hint="Name the file that was exported; a newer version of MedPerf may be needed.",
        )
    size = int.from_bytes(_read_fully(source, 4), "big")
    raw = _read_fully(source, size) if size <= _MAX_HEADER_BYTES else b""
    if not raw or len(raw) != size:
        raise SealError("the file's header was cut short or changed")
    try:
        header = _Header.model_validate(read_json(raw))
    except (MalformedFileError, ValidationError):
        raise SealError("the file's header was cut short or changed") from None
    if (header.scrypt_log_n is None) != (header.secret == "key"):  # noqa: S105  (a kind)
        raise SealError("the file's header was cut short or changed")
    return header, raw


def _read_fully(source: BinaryIO, size: int) -> bytes:
    parts = []
    while size and (part := source.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _derive(secret: Secret, salt: bytes, scrypt_log_n: int | None) -> tuple[bytes, bytes]:
    """The key of a file, and 16 bytes that tell a wrong secret from a changed file."""
    if isinstance(secret, SecretKey):
        master = secret.raw
    else:
        scrypt = Scrypt(salt=salt, length=KEY_BYTES, n=2 ** (scrypt_log_n or 0), r=8, p=1)
        master = scrypt.derive(secret.text.encode())
    found = HKDF(SHA256(), KEY_BYTES + 16, salt, MAGIC).derive(master)
    return found[:KEY_BYTES], found[KEY_BYTES:]
