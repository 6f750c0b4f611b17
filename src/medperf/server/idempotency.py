"""A POST that is sent twice is done once: the same key, caller and request get the same answer.

The answer is kept in the transaction that did the work, for a day. An answer that held a secret is
not kept; its repetition is an error that says how to get a new secret.

What a courier carries is named by the site's signature and kept for as long as it may be carried,
so a bundle that is brought twice does nothing twice.
"""

import hashlib
from datetime import timedelta

from medperf.domain.errors import ConflictError, InvalidRequestError
from medperf.server.call import Call
from medperf.server.db.tables import idempotency_keys
from medperf.server.db.writing import add
from medperf.server.idempotency_queries import CARRIED, forget, kept_answer
from medperf.server.identity import CARRIED_FOR, Ticket

KEPT_FOR = timedelta(days=1)
CARRIED_KEPT_FOR = CARRIED_FOR + KEPT_FOR
_LONGEST = 128


def carried_key(signature: str) -> str:
    """The key of a request that a site signed and a courier brings."""
    return CARRIED + hashlib.sha256(signature.encode()).hexdigest()


def earlier_answer(call: Call, ticket: Ticket, key: str) -> tuple[int, bytes] | None:
    """The status and body of the answer this very request had before.

    Raises:
        ConflictError: if the key was used for another request, or the answer held a secret.
        InvalidRequestError: if the key is longer than any client makes it.
    """
    if not 0 < len(key) <= _LONGEST:
        raise InvalidRequestError(f"an Idempotency-Key has 1 to {_LONGEST} characters")
    kept = kept_answer(call.connection, call.caller.actor, key)
    if kept is None:
        return None
    request, status, answer = kept
    if request != _digest(ticket):
        raise ConflictError("this Idempotency-Key was used for another request")
    if answer is None:
        raise ConflictError(
            "this was done already, and its answer held a secret that is not kept",
            hint="Revoke what was issued and issue it again.",
        )
    return status, answer.encode()


def keep_answer(call: Call, ticket: Ticket, key: str, status: int, answer: bytes | None) -> None:
    """Remember the answer, and forget those that are too old to be asked for again."""
    forget(call.connection, call.now, kept_for=KEPT_FOR, carried_kept_for=CARRIED_KEPT_FOR)
    add(
        call,
        idempotency_keys,
        principal=call.caller.actor,
        key=key,
        request_sha256=_digest(ticket),
        status=status,
        answer=None if answer is None else answer.decode(),
        created_at=call.now,
    )


def _digest(ticket: Ticket) -> str:
    parts = (ticket.method.encode(), ticket.target.encode(), ticket.body)
    return hashlib.sha256(b"\n".join(parts)).hexdigest()
