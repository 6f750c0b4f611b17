"""Whose word a decision is: the decider's own key's, or the server's who vouches for them.

A person with a key signs the very statement that the log will hold, before they ask for the act.
The server makes the statement itself, compares every field, and adds its own signature; what is
logged is then signed by both. Without a key the server alone signs, and the statement says so.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from medperf.domain.errors import (
    ClockSkewError,
    InvalidRequestError,
    MalformedFileError,
    OwnSignatureError,
)
from medperf.domain.identifiers import format_time
from medperf.provenance.envelope import Envelope, sign, verified_signers
from medperf.provenance.keys import PublicKey
from medperf.provenance.predicates import Decider, Predicate, decider_of
from medperf.provenance.request_signing import MAX_SKEW_S
from medperf.provenance.statements import Statement, make_statement, read_statement
from medperf.server.call import SERVER, Call
from medperf.server.db.queries import numbered
from medperf.server.db.tables import organizations, sites, users
from medperf.server.people.queries import active_key

P = TypeVar("P", bound=Predicate)


def signed(call: Call, said: Predicate) -> Envelope:
    """What the server itself says."""
    return sign(make_statement(said.subjects(), said), call.signer)


def decided(call: Call, said: Callable[[Decider, str], P], actor: str) -> Envelope:
    """The statement of a decision, signed by its decider's own key where they have one.

    Args:
        call: who asks, and when.
        said: makes the statement of who decided, and for which organization (by name).
        actor: who decided: the caller, or the server by itself.

    Raises:
        OwnSignatureError: if the decider has a key and did not sign, or signs without a known key.
        SignatureError: if their signature does not hold.
        InvalidRequestError: if they signed something else; the message names what differs.
        ClockSkewError: if they signed it too long ago, or in the server's future.
    """
    caller, name = call.caller, call.server.name
    if actor == SERVER:
        return signed(call, said(Decider(name=name, role="server", at=call.now), name))
    body = numbered(call.connection, organizations, caller.organization_id or 0)
    organization = body["name"] if body else ""
    if caller.user_id is None:
        found = numbered(call.connection, sites, caller.site_id or 0)
        decider = Decider(name=found["name"] if found else actor, role="site", at=call.now)
        return signed(call, said(decider, organization))
    found = numbered(call.connection, users, caller.user_id)
    known = found["name"] if found else actor
    key = active_key(call.connection, caller.user_id)
    if key is None:
        if call.signed is not None:
            raise OwnSignatureError(
                "you signed this with a key that the server does not know as yours",
                hint="Register it with 'medperf key new', or remove it from this machine.",
            )
        return signed(
            call,
            said(
                Decider(name=known, role="person", at=call.now, user_id=caller.user_id),
                organization,
            ),
        )
    public = PublicKey.from_text(key)

    def by(at: datetime) -> P:
        return said(
            Decider(
                name=known,
                role="person",
                at=at,
                user_id=caller.user_id,
                key_id=public.key_id,
                vouched_by="key",
            ),
            organization,
        )

    return _countersigned(call, by, public)


def _countersigned(call: Call, by: Callable[[datetime], P], key: PublicKey) -> Envelope:
    if call.signed is None:
        raise OwnSignatureError(f"you decide with your own key, {key.key_id}")
    given = call.signed.envelope
    payload, _ = verified_signers(given, {key.key_id: key})
    expected = by(call.now)
    try:
        statement = read_statement(payload, type(expected))
    except MalformedFileError as error:
        raise InvalidRequestError(f"what you signed: {error.detail}") from None
    expected = by(_moment(call, statement))
    _require_same(statement, expected)
    call.signed.is_taken = True
    own = tuple(each for each in given.signatures if each.keyid == key.key_id)
    countersigned = sign(payload, call.signer)
    return countersigned.model_copy(update={"signatures": own + countersigned.signatures})


def _moment(call: Call, statement: Statement[P]) -> datetime:
    decider = decider_of(statement.predicate)
    at = decider.at if decider is not None else call.now
    if abs(at - call.now) > timedelta(seconds=MAX_SKEW_S):
        raise ClockSkewError(
            f"you signed this at {format_time(at)}, here it is {format_time(call.now)};"
            f" at most {MAX_SKEW_S} s may lie between"
        )
    return at


def _require_same(statement: Statement[P], expected: P) -> None:
    given, wanted = statement.predicate.model_dump(), expected.model_dump()
    differing = sorted(
        name for name in given.keys() | wanted.keys() if given.get(name) != wanted.get(name)
    )
    if dict(statement.subjects) != expected.subjects():
        differing.append("subjects")
    if differing:
        raise InvalidRequestError(
            f"what you signed is not what would be logged; it differs in {', '.join(differing)}",
            hint="Look at it again and decide anew: it may have changed since you saw it.",
        )
