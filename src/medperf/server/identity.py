"""Who is asking: a person by access token, or a site by the signature of its request.

One indexed query each. Nothing is cached, so a revocation holds from the next request on, in every
process.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from medperf.domain.errors import UnauthenticatedError
from medperf.domain.identifiers import format_time
from medperf.provenance.keys import PublicKey
from medperf.provenance.request_signing import SCHEME, parse_request_signature, verify_request
from medperf.server.call import Caller
from medperf.server.people.queries import person_with
from medperf.server.sites.queries import site_with

_BEARER = "Bearer "


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a request shows of itself."""

    method: str
    target: str
    authorization: str | None
    body: bytes


def digest_of_secret(secret: str) -> str:
    """What is kept of a secret; it is random, so a plain digest cannot be guessed back."""
    return hashlib.sha256(secret.encode()).hexdigest()


def identify(connection: Connection, ticket: Ticket, now: datetime) -> Caller:
    """Find out who asks.

    Raises:
        UnauthenticatedError: if nobody can be recognized.
        ClockSkewError: if a site's clock is too far off.
        SignatureError: if a site's signature is not over this request.
    """
    header = ticket.authorization
    if header is None:
        raise UnauthenticatedError("this needs an access token or a site's signature")
    if header.startswith(_BEARER):
        caller = person_with(
            connection, digest_of_secret(header.removeprefix(_BEARER)), format_time(now)
        )
        if caller is None:
            raise UnauthenticatedError("the access token is unknown, expired or revoked")
        return caller
    if header.startswith(SCHEME):
        return _site(connection, ticket, header, now)
    raise UnauthenticatedError(f"the Authorization header is neither Bearer nor {SCHEME}")


def _site(connection: Connection, ticket: Ticket, header: str, now: datetime) -> Caller:
    found = site_with(connection, parse_request_signature(header).key_id)
    if found is None:
        raise UnauthenticatedError("no site signs with this key, or the key was revoked")
    caller, public_key = found
    key = PublicKey.from_text(public_key)
    verify_request(
        header,
        ticket.method,
        ticket.target,
        hashlib.sha256(ticket.body).hexdigest(),
        keys={key.key_id: key},
        now=now,
    )
    return caller
