"""Site agents sign each request with their own key: no secret travels, nothing is replayed late.

The signature covers the method, the target (path and query), the SHA-256 of the body and the time.
Within the allowed skew a request can be replayed; what must happen once is therefore protected by
its own single-use grant or idempotency key.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from medperf.domain.errors import ClockSkewError, SignatureError, UnauthenticatedError
from medperf.domain.identifiers import format_time, parse_time
from medperf.provenance.keys import PublicKey, Signer

SCHEME = "MedPerf-Signature"
MAX_SKEW_S = 300

_HEADER = re.compile(
    rf'{SCHEME} key="(?P<key>[0-9a-z:]{{1,100}})",at="(?P<at>[0-9TZ:.-]{{1,40}})"'
    r',signature="(?P<signature>[A-Za-z0-9+/]{86}==)"'
)


@dataclass(frozen=True, slots=True)
class RequestSignature:
    """An ``Authorization`` header that was read and not yet verified."""

    key_id: str
    at: str
    signature: bytes


def sign_request(signer: Signer, method: str, target: str, body_sha256: str, at: datetime) -> str:
    """Write the value of the ``Authorization`` header.

    Args:
        signer: the site's key.
        method: such as ``POST``.
        target: path and query exactly as they are sent, such as ``/api/v1/work?limit=1``.
        body_sha256: hex digest of the body; of no bytes if there is none.
        at: now.
    """
    moment = format_time(at)
    message = _message(signer.key_id, method, target, body_sha256, moment)
    signature = b64encode(signer.sign(message)).decode()
    return f'{SCHEME} key="{signer.key_id}",at="{moment}",signature="{signature}"'


def parse_request_signature(header: str) -> RequestSignature:
    """Read the header's value.

    Raises:
        UnauthenticatedError: if it is not of this scheme.
    """
    match = _HEADER.fullmatch(header)
    if match is None:
        raise UnauthenticatedError(
            f'the Authorization header is not {SCHEME} key="...",at="...",signature="..."'
        )
    return RequestSignature(match["key"], match["at"], b64decode(match["signature"]))


def verify_request(
    header: str,
    method: str,
    target: str,
    body_sha256: str,
    *,
    keys: Mapping[str, PublicKey],
    now: datetime,
    max_skew_s: float = MAX_SKEW_S,
    max_age_s: float | None = None,
) -> str:
    """Answer the id of the key that signed this request.

    A request that a courier carries may be ``max_age_s`` old; one that comes by itself
    ``max_skew_s``, as long as it may be ahead of `now`.

    Raises:
        UnauthenticatedError: if the header is malformed or the key is not among `keys`.
        ClockSkewError: if it was signed too long before or after `now`; both times are named.
        SignatureError: if anything that was signed is not what arrived.
    """
    given = parse_request_signature(header)
    key = keys.get(given.key_id)
    if key is None:
        raise UnauthenticatedError(f"no site is enrolled with key {given.key_id}")
    try:
        at = parse_time(given.at)
    except ValueError as error:
        raise UnauthenticatedError(f"the signature's time is not one: {error}") from None
    # The signature first: only the key's holder learns anything from the answer about clocks.
    try:
        key.verify(given.signature, _message(given.key_id, method, target, body_sha256, given.at))
    except SignatureError:
        raise SignatureError(
            f"the signature of key {given.key_id} is not over this method, target, body and time"
        ) from None
    oldest_s = max_skew_s if max_age_s is None else max_age_s
    if not now - timedelta(seconds=oldest_s) <= at <= now + timedelta(seconds=max_skew_s):
        raise ClockSkewError(
            f"the request was signed at {given.at}, here it is {format_time(now)};"
            f" at most {oldest_s:g} s may lie between"
        )
    return given.key_id


def _message(key_id: str, method: str, target: str, body_sha256: str, at: str) -> bytes:
    # The target comes last: it alone could hold a line end, so no two requests share a message.
    return f"medperf-request-v1\n{key_id}\n{method}\n{at}\n{body_sha256}\n{target}".encode()
