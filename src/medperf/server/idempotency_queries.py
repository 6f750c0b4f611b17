"""The answers that are kept for requests which may come again."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, or_, select

from medperf.server.db.prepared import Prepared
from medperf.server.db.tables import idempotency_keys

CARRIED = "carried:"
"""How the keys of what couriers carry begin."""

_KEPT = Prepared(
    select(idempotency_keys.c.request_sha256, idempotency_keys.c.status, idempotency_keys.c.answer)
    .where(idempotency_keys.c.principal == bindparam("asker"))
    .where(idempotency_keys.c.key == bindparam("given_key"))
)
_FORGET = Prepared(
    delete(idempotency_keys).where(
        idempotency_keys.c.created_at < bindparam("before"),
        or_(
            idempotency_keys.c.key.not_like(f"{CARRIED}%"),
            idempotency_keys.c.created_at < bindparam("carried_before"),
        ),
    )
)


def kept_answer(connection: Connection, asker: str, key: str) -> tuple[str, int, str | None] | None:
    """Digest of the request, status and text of the answer; no text if it held a secret."""
    found = _KEPT.first(connection, {"asker": asker, "given_key": key})
    return None if found is None else (found[0], found[1], found[2])


def forget(
    connection: Connection, now: datetime, *, kept_for: timedelta, carried_kept_for: timedelta
) -> None:
    """Delete the answers that nobody may ask for any more."""
    given = {"before": now - kept_for, "carried_before": now - carried_kept_for}
    _FORGET.all(connection, given)
