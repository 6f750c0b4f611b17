"""The two ways of writing: a new row, or new values for one; each with its audit event.

The statements are made once per table and set of columns: making one anew takes longer than the
database needs for it.
"""

from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Table, bindparam, insert, update

from medperf.domain.errors import ConflictError
from medperf.server.call import SERVER, Call
from medperf.server.db.prepared import Prepared
from medperf.server.db.tables import audit_events


def add(call: Call, table: Table, **values: Any) -> int:
    """Insert a row and answer its number."""
    added = _insert(table, tuple(values)).first(call.connection, values)
    if added is None:
        raise ConflictError(f"nothing was added to {table.name}")
    number: int = added[0]
    return number


def change(call: Call, table: Table, number: int, **values: Any) -> None:
    """Give one row new values."""
    _update(table, tuple(values)).all(call.connection, {**values, "row_number": number})


def set_where(call: Call, table: Table, *conditions: ColumnElement[bool], **values: Any) -> None:
    """Give all rows that meet the conditions new values."""
    call.connection.execute(update(table).where(*conditions).values(**values))


def record(
    call: Call, action: str, subject: str, *, actor: str | None = None, **details: Any
) -> None:
    """Append an audit event to the transaction."""
    actor = actor or call.caller.actor
    if call.caller.carried_by is not None:
        details = {**details, "carried_by": f"user:{call.caller.carried_by}"}
    add(
        call,
        audit_events,
        at=call.now,
        actor=actor,
        actor_organization_id=None if actor == SERVER else call.caller.organization_id,
        action=action,
        subject=subject,
        details=details,
    )


@lru_cache(maxsize=256)
def _insert(table: Table, columns: tuple[str, ...]) -> Prepared:
    first, *_ = table.primary_key.columns
    return Prepared(insert(table).returning(first), columns)


@lru_cache(maxsize=256)
def _update(table: Table, columns: tuple[str, ...]) -> Prepared:
    return Prepared(update(table).where(table.c.id == bindparam("row_number")), columns)
