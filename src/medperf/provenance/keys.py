"""Ed25519 keys: who can say something, and how anyone checks that they said it.

Everything that signs takes a `Signer`, so a key in a hardware module or a cloud key service can
stand where a `PrivateKey` stands. Signature primitives have no other home than this module.
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from medperf.domain.errors import InvalidRequestError, MalformedFileError, SignatureError

_TEXT_PREFIX = "ed25519:"


class Signer(Protocol):
    """Whoever holds a private key, wherever it is kept."""

    @property
    def key_id(self) -> str:
        """The name of the key: `PublicKey.key_id` of its public half."""
        ...

    @property
    def public(self) -> "PublicKey":
        """The half that may be shown to everyone."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of an Ed25519 signature over exactly these bytes."""
        ...


@dataclass(frozen=True)
class PublicKey:
    """The half of a key that checks signatures; equal when the bytes are equal.

    Attributes:
        raw: the 32 bytes of RFC 8032.
    """

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != 32:  # noqa: PLR2004  (RFC 8032, section 5.1.5)
            raise InvalidRequestError(
                f"an Ed25519 public key has 32 bytes, these are {len(self.raw)}"
            )

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read what `to_text` wrote.

        Raises:
            InvalidRequestError: if it is anything else.
        """
        encoded = text.removeprefix(_TEXT_PREFIX)
        try:
            key = cls(urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
        except ValueError:
            key = None
        # Comparing the text again leaves exactly one spelling of each key.
        if key is None or key.to_text() != text:
            raise InvalidRequestError(
                "a public key is written 'ed25519:' and 43 characters of base64url;"
                f" this is {text[:60]!r}",
            )
        return key

    def to_text(self) -> str:
        """Write it as ``ed25519:`` and 43 characters of unpadded base64url."""
        return _TEXT_PREFIX + urlsafe_b64encode(self.raw).rstrip(b"=").decode()

    @cached_property
    def key_id(self) -> str:
        """The name of the key: ``sha256:`` and the hex SHA-256 of its 32 bytes."""
        return "sha256:" + hashlib.sha256(self.raw).hexdigest()

    def verify(self, signature: bytes, message: bytes) -> None:
        """Answer if the signature is this key's over exactly these bytes.

        Raises:
            SignatureError: if it is not.
        """
        try:
            self._primitive.verify(signature, message)
        except InvalidSignature:
            raise SignatureError(
                f"the signature is not that of key {self.key_id} over these bytes"
            ) from None

    @cached_property
    def _primitive(self) -> ed25519.Ed25519PublicKey:
        return ed25519.Ed25519PublicKey.from_public_bytes(self.raw)


class PrivateKey:
    """A key held in memory; the `Signer` of small installations."""

    def __init__(self, primitive: ed25519.Ed25519PrivateKey) -> None:
        self._primitive = primitive
        self._public = PublicKey(primitive.public_key().public_bytes_raw())

    @classmethod
    def generate(cls) -> Self:
        """A new key from the operating system's randomness."""
        return cls(ed25519.Ed25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, seed: bytes) -> Self:
        """The key of RFC 8032 with this 32 byte secret; for test vectors and stored secrets."""
        return cls(ed25519.Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Read an unencrypted PKCS #8 file.

        Raises:
            MalformedFileError: if it is not one, or not an Ed25519 key.
        """
        try:
            primitive = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise MalformedFileError(
                "the key file is not an unencrypted PKCS #8 PEM private key"
            ) from None
        if not isinstance(primitive, ed25519.Ed25519PrivateKey):
            raise MalformedFileError("the key file holds a key of another kind than Ed25519")
        return cls(primitive)

    def to_pem(self) -> bytes:
        """Write it as an unencrypted PKCS #8 file, for a file only its owner may read."""
        return self._primitive.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    @property
    def public(self) -> PublicKey:
        """The half that may be shown to everyone."""
        return self._public

    @property
    def key_id(self) -> str:
        """The name of the key: `PublicKey.key_id` of its public half."""
        return self._public.key_id

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of an Ed25519 signature over exactly these bytes."""
        return self._primitive.sign(message)

    def __repr__(self) -> str:
        """Say which key it is and nothing that is secret."""
        return f"PrivateKey(key_id={self.key_id!r})"
