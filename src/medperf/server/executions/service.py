"""What becomes of executions, and what a site could do next."""

from medperf.domain import lifecycle
from medperf.domain.errors import ForbiddenError
from medperf.domain.executions import Failure
from medperf.domain.identifiers import format_time
from medperf.domain.lifecycle import Side
from medperf.server.acts import find_act, perform
from medperf.server.agreements.queries import announced_version
from medperf.server.benchmarks.queries import whole
from medperf.server.call import Call, Wire
from medperf.server.db.queries import rows
from medperf.server.db.tables import executions
from medperf.server.db.writing import change
from medperf.server.executions import queries
from medperf.server.executions.queries import EXECUTIONS
from medperf.server.executions.revoking import announce_to_site
from medperf.server.log.statements import log_end


def get(call: Call, number: int) -> Wire:
    """One execution."""
    return EXECUTIONS.one(call.connection, call.caller, number)


def work(call: Call) -> Wire:
    """Everything the calling site could do now.

    Raises:
        ForbiddenError: if no site asks.
    """
    site_id, organization_id = require_site(call), call.caller.organization_id or 0
    now = format_time(call.now)
    # The version first: what changes between the statements is then announced once more.
    version = queries.work_version(call.connection, site_id)
    return {
        "version": version,
        "agreements_version": announced_version(call.connection, organization_id),
        "items": queries.work_items(call.connection, site_id, now),
        "revoked": queries.revoked_ids(call.connection, site_id, now),
    }


def act(call: Call, number: int, action: str, reason: str) -> Wire:
    """Start or retry; what the server itself does cannot be asked for."""
    thing = get(call, number)
    found = find_act(lifecycle.EXECUTION, thing["state"], action, _sides(call, thing))
    values = {"started_at": call.now} if found.target == "running" else {}
    perform(call, lifecycle.EXECUTION, executions, thing, found, why=reason, **values)
    if found.target == "retried":
        announce_to_site(call, thing["site_id"])
    return get(call, number)


def fail(call: Call, number: int, failure: Failure) -> Wire:
    """The site reports an end without a result."""
    thing = get(call, number)
    found = find_act(lifecycle.EXECUTION, thing["state"], "fail", _sides(call, thing))
    perform(call, lifecycle.EXECUTION, executions, thing, found, why=failure.code)
    change(
        call,
        executions,
        number,
        failure_code=failure.code,
        failure_step=failure.step,
        resources=failure.resources or None,
        ended_at=call.now,
    )
    log_end(call, rows(call.connection, executions, executions.c.id == number)[0], found.target)
    return get(call, number)


def require_site(call: Call) -> int:
    """The number of the site that asks.

    Raises:
        ForbiddenError: if a person asks.
    """
    if call.caller.site_id is None:
        raise ForbiddenError("only a site has work, it asks with its own key")
    return call.caller.site_id


def _sides(call: Call, thing: Wire) -> set[Side]:
    caller, sides = call.caller, set()
    if caller.site_id is not None:
        if caller.site_id == thing["site_id"]:
            sides |= {Side.SITE, Side.EITHER}
        return sides
    benchmark = whole(call.connection, thing["benchmark_id"])
    owners = {
        benchmark["organization_id"],
        queries.organization_of_site(call.connection, thing["site_id"]),
    }
    if caller.organization_id in owners:
        sides.add(Side.EITHER)
    return sides
