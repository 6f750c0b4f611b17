"""DSSE v1 envelopes: bytes with the signatures over them.

https://github.com/secure-systems-lab/dsse, protocol and envelope. What is signed is the payload
exactly as it travels; nothing is written again to check a signature.
"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from medperf.domain.errors import MalformedFileError, SignatureError
from medperf.domain.wire import first_fault
from medperf.provenance.canonical import canonical_bytes, digest_of, read_json
from medperf.provenance.keys import PublicKey, Signer

PAYLOAD_TYPE = "application/vnd.in-toto+json"


def _decode(text: str) -> bytes:
    # The specification lets writers choose either alphabet; padding is not optional.
    return b64decode(text.replace("-", "+").replace("_", "/"), validate=True)


def _base64(text: str) -> str:
    try:
        data = _decode(text)
    except (binascii.Error, ValueError):
        raise ValueError("this is not base64") from None
    if b64encode(data).decode() != text.replace("-", "+").replace("_", "/"):
        raise ValueError("this base64 has bits after its end")
    return text


_Base64 = Annotated[str, AfterValidator(_base64)]
_KEEP_UNKNOWN = ConfigDict(
    frozen=True, extra="allow", populate_by_name=True, serialize_by_alias=True
)


class EnvelopeSignature(BaseModel):
    """One signature over the envelope's payload."""

    model_config = _KEEP_UNKNOWN

    keyid: str = ""
    sig: _Base64


class Envelope(BaseModel):
    """A payload, its type, and who signed it; valid as a body of a request too."""

    model_config = _KEEP_UNKNOWN

    payload: _Base64
    payload_type: str = Field(alias="payloadType")
    signatures: tuple[EnvelopeSignature, ...]

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read the JSON form.

        Raises:
            MalformedFileError: if it is not a DSSE envelope.
        """
        return cls.from_value(read_json(data))

    @classmethod
    def from_value(cls, value: Any) -> Self:
        """Read the JSON form as it lies in a larger document.

        Raises:
            MalformedFileError: if it is not a DSSE envelope.
        """
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            raise MalformedFileError(f"not a DSSE envelope: {first_fault(error)}") from None

    def to_bytes(self) -> bytes:
        """Write the JSON form, always the same bytes for the same envelope."""
        return canonical_bytes(self.to_value())

    def to_value(self) -> dict[str, Any]:
        """Write the JSON form to lie in a larger document."""
        return self.model_dump(mode="json")

    @property
    def content(self) -> bytes:
        """The payload's bytes, **unverified**: use what `verify` answers instead."""
        return _decode(self.payload)

    @property
    def payload_digest(self) -> str:
        """Names what was said, whoever signed it."""
        return digest_of(self.content)

    @property
    def digest(self) -> str:
        """Names what was said together with its signatures; this is what the log records."""
        return digest_of(self.to_bytes())


def sign(
    payload: bytes, signers: Signer | Sequence[Signer], payload_type: str = PAYLOAD_TYPE
) -> Envelope:
    """Put bytes into an envelope signed by everyone given."""
    everyone = signers if isinstance(signers, Sequence) else (signers,)
    message = pre_authentication_encoding(payload_type, payload)
    return Envelope(
        payload=b64encode(payload).decode(),
        payloadType=payload_type,
        signatures=tuple(
            EnvelopeSignature(keyid=signer.key_id, sig=b64encode(signer.sign(message)).decode())
            for signer in everyone
        ),
    )


def verify(
    envelope: Envelope,
    keys: Mapping[str, PublicKey],
    threshold: int = 1,
    payload_type: str = PAYLOAD_TYPE,
) -> bytes:
    """Answer the payload if enough of the given keys signed it.

    Signatures of keys that are not given do not count; a wrong signature of a key that is given
    fails the whole envelope, and so does a key that signs twice.

    Raises:
        SignatureError: if the payload cannot be believed; the message says what is wrong.
    """
    payload, _ = verified_signers(envelope, keys, threshold, payload_type)
    return payload


def verified_signers(
    envelope: Envelope,
    keys: Mapping[str, PublicKey],
    threshold: int = 1,
    payload_type: str = PAYLOAD_TYPE,
) -> tuple[bytes, frozenset[str]]:
    """Do as `verify`, and also say which of the given keys signed.

    Raises:
        SignatureError: as `verify`.
    """
    if envelope.payload_type != payload_type:
        raise SignatureError(
            f"the payload type is {envelope.payload_type!r}, expected {payload_type!r}"
        )
    if not envelope.signatures:
        raise SignatureError("the envelope has no signatures")
    payload = envelope.content
    message = pre_authentication_encoding(envelope.payload_type, payload)
    seen: set[str] = set()
    signed: dict[PublicKey, str] = {}
    for signature in envelope.signatures:
        if signature.keyid in seen:
            raise SignatureError(f"key {signature.keyid or '(unnamed)'} signed twice")
        seen.add(signature.keyid)
        key = keys.get(signature.keyid)
        if key is None:
            continue
        key.verify(_decode(signature.sig), message)
        if key in signed:
            raise SignatureError(f"{signed[key]} and {signature.keyid} are one key under two names")
        signed[key] = signature.keyid
    if len(signed) < max(threshold, 1):
        strangers = ", ".join(sorted(name or "(unnamed)" for name in seen - set(signed.values())))
        raise SignatureError(
            f"{len(signed)} of {max(threshold, 1)} needed signatures are by known keys;"
            f" unknown: {strangers or 'none'}"
        )
    return payload, frozenset(signed.values())


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """The bytes that are signed: PAE of the DSSE protocol, version 1."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
