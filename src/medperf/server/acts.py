"""An act of a lifecycle table, done: check the line of the table, check whose act it is, write.

Which sides a caller is on is the noun's knowledge and comes as an argument; that the act must be
one of theirs is said here once.
"""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Table

from medperf.domain.errors import ForbiddenError
from medperf.domain.lifecycle import Lifecycle, Side, Transition
from medperf.server.call import Call, Wire
from medperf.server.db.writing import change, record


def find_act(table: Lifecycle, state: str, action: str, sides: Collection[Side]) -> Transition:
    """The transition that this act is, if the caller is on the side whose act it is.

    Raises:
        ForbiddenError: if it is somebody else's.
        TransitionError: if the state does not allow it.
    """
    of_action = [each for each in table.transitions if each.action == action]
    if of_action and not any(each.by in sides for each in of_action):
        whose = " or ".join(sorted({each.by.value for each in of_action}))
        raise ForbiddenError(f"to {action} a {table.noun} is the act of: {whose}")
    return table.apply(state, action)


def perform(
    call: Call,
    lifecycle: Lifecycle,
    table: Table,
    thing: Wire,
    act: Transition,
    *,
    why: str = "",
    **values: Any,
) -> None:
    """Write the new state and its audit event, which says why."""
    change(call, table, thing["id"], state=act.target, **values)
    details = {"reason": why} if why else {}
    record(call, f"{lifecycle.noun}.{act.action}", f"{lifecycle.noun}:{thing['id']}", **details)


def sides_of_owner(call: Call, thing: Wire) -> set[Side]:
    """The side of a person whose organization a thing belongs to, and that of an admin."""
    sides: set[Side] = set()
    caller = call.caller
    if caller.user_id is not None and thing["organization_id"] == caller.organization_id:
        sides.add(Side.OWNER)
    if caller.is_admin:
        sides.add(Side.ADMIN)
    return sides
