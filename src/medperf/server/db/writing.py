"""The two ways of writing: a new row, or new values for one; each with its audit event."""

from typing import Any

from sqlalchemy import ColumnElement, Table, insert, update

from medperf.domain.errors import ConflictError
from medperf.server.call import SERVER, Call
from medperf.server.db.tables import audit_events


def add(call: Call, table: Table, **values: Any) -> int:
    """Insert a row and answer its number."""
    done = call.connection.execute(insert(table).values(**values))
    key = done.inserted_primary_key
    if key is None:
        raise ConflictError(f"nothing was added to {table.name}")
    return key[0]  # type: ignore[no-any-return]


def change(call: Call, table: Table, number: int, **values: Any) -> None:
    """Give one row new values."""
    call.connection.execute(update(table).where(table.c.id == number).values(**values))


def set_where(call: Call, table: Table, *conditions: ColumnElement[bool], **values: Any) -> None:
    """Give all rows that meet the conditions new values."""
    call.connection.execute(update(table).where(*conditions).values(**values))


def record(
    call: Call, action: str, subject: str, *, actor: str | None = None, **details: Any
) -> None:
    """Append an audit event to the transaction."""
    actor = actor or call.caller.actor
    call.connection.execute(
        insert(audit_events).values(
            at=call.now,
            actor=actor,
            actor_organization_id=None if actor == SERVER else call.caller.organization_id,
            action=action,
            subject=subject,
            details=details,
        )
    )
