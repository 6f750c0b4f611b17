"""A POST that is sent twice is done once: the same key, caller and request get the same answer.

The answer is kept in the transaction that did the work, for a day. An answer that held a secret is
not kept; its repetition is an error that says how to get a new secret.

What a courier carries is named by the site's signature and kept for as long as it may be carried,
so a bundle that is brought twice does nothing twice.
"""

import hashlib
from datetime import timedelta

from sqlalchemy import delete, insert, or_

from medperf.domain.errors import ConflictError, InvalidRequestError
from medperf.server.call import Call
from medperf.server.db.queries import row
from medperf.server.db.tables import idempotency_keys
from medperf.server.identity import CARRIED_FOR, Ticket

KEPT_FOR = timedelta(days=1)
CARRIED_KEPT_FOR = CARRIED_FOR + KEPT_FOR
_LONGEST = 128
_CARRIED = "carried:"


def carried_key(signature: str) -> str:
    """The key of a request that a site signed and a courier brings."""
    return _CARRIED + hashlib.sha256(signature.encode()).hexdigest()


def earlier_answer(call: Call, ticket: Ticket, key: str) -> tuple[int, bytes] | None:
    """The status and body of the answer this very request had before.

    Raises:
        ConflictError: if the key was used for another request, or the answer held a secret.
        InvalidRequestError: if the key is longer than any client makes it.
    """
    if not 0 < len(key) <= _LONGEST:
        raise InvalidRequestError(f"an Idempotency-Key has 1 to {_LONGEST} characters")
    kept = row(
        call.connection,
        idempotency_keys,
        idempotency_keys.c.principal == call.caller.actor,
        idempotency_keys.c.key == key,
    )
    if kept is None:
        return None
    if kept["request_sha256"] != _digest(ticket):
        raise ConflictError("this Idempotency-Key was used for another request")
    if kept["answer"] is None:
        raise ConflictError(
            "this was done already, and its answer held a secret that is not kept",
            hint="Revoke what was issued and issue it again.",
        )
    return kept["status"], kept["answer"].encode()


def keep_answer(call: Call, ticket: Ticket, key: str, status: int, answer: bytes | None) -> None:
    """Remember the answer, and forget those that are too old to be asked for again."""
    call.connection.execute(
        delete(idempotency_keys).where(
            idempotency_keys.c.created_at < call.now - KEPT_FOR,
            or_(
                idempotency_keys.c.key.not_like(f"{_CARRIED}%"),
                idempotency_keys.c.created_at < call.now - CARRIED_KEPT_FOR,
            ),
        )
    )
    call.connection.execute(
        insert(idempotency_keys).values(
            principal=call.caller.actor,
            key=key,
            request_sha256=_digest(ticket),
            status=status,
            answer=None if answer is None else answer.decode(),
            created_at=call.now,
        )
    )


def _digest(ticket: Ticket) -> str:
    parts = (ticket.method.encode(), ticket.target.encode(), ticket.body)
    return hashlib.sha256(b"\n".join(parts)).hexdigest()
