"""What stops when something is no longer approved, and telling the sites that their work changed.

Every change that adds work to a site, or takes a grant back, raises that site's work version. The
writer's lock makes versions appear in the order in which they are given.
"""

from sqlalchemy import ColumnElement

from medperf.domain import lifecycle
from medperf.domain.lifecycle import Side
from medperf.server.acts import find_act
from medperf.server.call import SERVER, Call
from medperf.server.db.queries import rows
from medperf.server.db.tables import executions, sites
from medperf.server.db.writing import record, set_where
from medperf.server.executions import queries
from medperf.server.log.statements import log_end

_BY_SERVER = {Side.SERVER}


def announce_to_site(call: Call, site_id: int) -> None:
    """The work of this site may have changed."""
    version = queries.newest_version(call.connection) + 1
    set_where(call, sites, sites.c.id == site_id, work_version=version)


def announce_to_benchmark(call: Call, benchmark_id: int) -> None:
    """The work of every site with an approved dataset in this benchmark may have changed."""
    version = queries.newest_version(call.connection) + 1
    taking_part = queries.sites_in_benchmark(call.connection, benchmark_id)
    set_where(call, sites, sites.c.id.in_(taking_part), work_version=version)


def revoke_for_container(call: Call, number: int) -> None:
    """A container was withdrawn: whatever runs it as model or evaluator stops."""
    _revoke(call, queries.runs_container(number))


def revoke_for_model(call: Call, number: int) -> None:
    """A model was withdrawn."""
    _revoke(call, executions.c.model_id == number)


def revoke_for_dataset(call: Call, number: int) -> None:
    """A dataset was withdrawn."""
    _revoke(call, executions.c.dataset_id == number)


def revoke_for_benchmark(call: Call, number: int) -> None:
    """A benchmark was deactivated or withdrawn."""
    _revoke(call, executions.c.benchmark_id == number)


def revoke_for_site(call: Call, site_id: int) -> None:
    """A key of a site ended, and its grants were given to a key."""
    _revoke(call, executions.c.site_id == site_id)


def revoke_for_association(
    call: Call, benchmark_id: int, dataset_id: int | None, model_id: int | None
) -> None:
    """An association was withdrawn."""
    subject = (
        executions.c.dataset_id == dataset_id
        if dataset_id is not None
        else executions.c.model_id == model_id
    )
    _revoke(call, executions.c.benchmark_id == benchmark_id, subject)


def expire(call: Call, *conditions: ColumnElement[bool]) -> int:
    """End the executions whose grants ran out; answer how many."""
    return _end(call, "expire", executions.c.expires_at <= call.now, *conditions)


def _revoke(call: Call, *conditions: ColumnElement[bool]) -> None:
    _end(call, "revoke", *conditions)


def _end(call: Call, action: str, *conditions: ColumnElement[bool]) -> int:
    stopping = rows(call.connection, executions, queries.IS_LIVE, *conditions)
    for execution in stopping:
        act = find_act(lifecycle.EXECUTION, execution["state"], action, _BY_SERVER)
        set_where(
            call,
            executions,
            executions.c.id == execution["id"],
            state=act.target,
            ended_at=call.now,
        )
        record(call, f"execution.{action}", f"execution:{execution['id']}", actor=SERVER)
        log_end(call, execution, act.target, SERVER)
    for site_id in {execution["site_id"] for execution in stopping}:
        announce_to_site(call, site_id)
    return len(stopping)
