"""What registering and editing have in common: versions, owners, and what may still change."""

from typing import Any, TypeVar

from pydantic import ValidationError

from medperf.domain.errors import (
    DuplicateError,
    ForbiddenError,
    ImmutableError,
    InvalidRequestError,
)
from medperf.domain.lifecycle import Lifecycle
from medperf.domain.wire import Form, first_fault
from medperf.server.call import Call, Wire
from medperf.server.db.queries import View, row
from medperf.server.db.writing import record

F = TypeVar("F", bound=Form)


def next_version(
    call: Call, view: View, name: str, organization_id: int, supersedes_id: int | None
) -> int:
    """The version of a new thing: 1, or one more than that of the thing it supersedes.

    Raises:
        NotFoundError: if what it supersedes is not visible.
        ForbiddenError: if that belongs to somebody else.
        DuplicateError: if the name is taken, or that thing has a successor already.
    """
    table, noun = view.table, view.noun
    version = 1
    if supersedes_id is not None:
        view.one(call.connection, call.caller, supersedes_id)
        former = row(call.connection, table, table.c.id == supersedes_id)
        if former is None or former["organization_id"] != organization_id:
            raise ForbiddenError(f"{noun} {supersedes_id} belongs to another organization")
        successor = row(call.connection, table, table.c.supersedes_id == supersedes_id)
        if successor is not None:
            raise DuplicateError(
                f"{noun} {supersedes_id} is superseded by {noun} {successor['id']} already"
            )
        version = former["version"] + 1
    taken = row(
        call.connection,
        table,
        table.c.organization_id == organization_id,
        table.c.name == name,
        table.c.version == version,
    )
    if taken is not None:
        raise DuplicateError(
            f"your organization has a {noun} {name!r} of version {version} already,"
            f" {noun} {taken['id']}",
            hint=f"Register a new version that supersedes {noun} {taken['id']}, or another name.",
        )
    return version


def to_edit(call: Call, view: View, lifecycle: Lifecycle, number: int) -> Wire:
    """The whole row of a thing that the caller may still edit.

    Raises:
        NotFoundError: if it is not visible.
        ForbiddenError: if it belongs to somebody else.
        ImmutableError: if it is no longer in development.
    """
    view.one(call.connection, call.caller, number)
    thing = row(call.connection, view.table, view.table.c.id == number)
    if thing is None or thing["organization_id"] != call.caller.organization_id:
        raise ForbiddenError(f"{view.noun} {number} belongs to another organization")
    if thing["state"] != lifecycle.initial:
        raise ImmutableError(f"{view.noun} {number} is {thing['state']} and does not change")
    return thing


def edited(form: type[F], thing: Wire, changes: dict[str, Any]) -> F:
    """The form that would have registered the thing as it will be.

    Raises:
        InvalidRequestError: if a change names no field of the form, or a value does not fit.
    """
    fixed = changes.keys() & {"supersedes_id", "role"}
    if fixed:
        raise InvalidRequestError(f"{', '.join(sorted(fixed))} cannot be changed, register anew")
    before = {name: thing[name] for name in form.model_fields if name in thing}
    try:
        return form.model_validate({**before, **changes})
    except ValidationError as error:
        raise InvalidRequestError(first_fault(error, "the body")) from None


def registered(call: Call, noun: str, number: int) -> None:
    """Record that something was registered."""
    record(call, f"{noun}.register", f"{noun}:{number}")
