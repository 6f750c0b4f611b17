"""Who is asking: a person by access token, or a site by the signature of its request.

A *courier* is a person of the organization of a site that no network reaches. Asking for that site,
a courier may read what the site may read and take grants for it, which only the site's key can use.
Whatever else the site says, it signed itself, some days ago, and the courier only carries it.

One indexed query each. Nothing is cached, so a revocation holds from the next request on, in every
process.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from medperf.domain.errors import ForbiddenError, UnauthenticatedError
from medperf.domain.identifiers import format_time
from medperf.provenance.keys import PublicKey
from medperf.provenance.request_signing import SCHEME, parse_request_signature, verify_request
from medperf.server.call import Caller
from medperf.server.db.bearer_queries import Bearer, person
from medperf.server.sites.queries import site_with

CARRIED_FOR = timedelta(days=30)
"""How long after a site signed a request a courier may bring it."""

_BEARER = "Bearer "
_COURIER_MAY_POST = frozenset({"/api/v1/executions"})
"""What a courier may ask for without the site's signature: grants."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a request shows of itself.

    Attributes:
        method: such as ``GET``.
        target: path and query as they were sent.
        authorization: of whoever sends it.
        body: its bytes.
        for_key: the id of the key of the site that a courier asks for.
        carried: the signature with which that site made this request.
    """

    method: str
    target: str
    authorization: str | None
    body: bytes
    for_key: str | None = None
    carried: str | None = None


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
        caller = person(connection, _bearer(header, now))
        return caller if ticket.for_key is None else _carried(connection, ticket, caller, now)
    if header.startswith(SCHEME):
        return _site(connection, ticket, header, now)
    raise UnauthenticatedError(f"the Authorization header is neither Bearer nor {SCHEME}")


def asker(connection: Connection, ticket: Ticket, now: datetime) -> Caller | Bearer:
    """Find out who asks, but for a person who asks for themselves: what answers looks them up.

    Raises:
        UnauthenticatedError: if nobody can be recognized.
        ClockSkewError: if a site's clock is too far off.
        SignatureError: if a site's signature is not over this request.
    """
    header = ticket.authorization
    if header is None or not header.startswith(_BEARER) or ticket.for_key is not None:
        return identify(connection, ticket, now)
    return _bearer(header, now)


def _bearer(header: str, now: datetime) -> Bearer:
    return Bearer(digest_of_secret(header.removeprefix(_BEARER)), format_time(now))


def _carried(connection: Connection, ticket: Ticket, courier: Caller, now: datetime) -> Caller:
    """The site that a person carries for."""
    found = site_with(connection, ticket.for_key or "")
    if found is None:
        raise UnauthenticatedError(
            "no site signs with the key that this is carried for, or the key was revoked"
        )
    if found[0].organization_id != courier.organization_id:
        raise ForbiddenError("only a person of its own organization carries for a site")
    if ticket.carried is not None:
        signed_by = _site(connection, ticket, ticket.carried, now, max_age=CARRIED_FOR)
        if signed_by.key_id != ticket.for_key:
            raise ForbiddenError("this request was signed with another key than it is carried for")
    elif ticket.method != "GET" and ticket.target not in _COURIER_MAY_POST:
        raise ForbiddenError(
            "a courier reads and takes grants for a site; this needs the site's own signature",
            hint="Have the site write it into its results bundle.",
        )
    return replace(found[0], carried_by=courier.user_id)


def _site(
    connection: Connection,
    ticket: Ticket,
    header: str,
    now: datetime,
    *,
    max_age: timedelta | None = None,
) -> Caller:
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
        max_age_s=max_age.total_seconds() if max_age else None,
    )
    return caller
