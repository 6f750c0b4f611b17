"""``/work``: a site's long poll, the one route that waits."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Annotated

from fastapi import Query, Request
from pydantic_core import to_json
from starlette.responses import Response

from medperf.domain.errors import UnauthenticatedError
from medperf.domain.executions import Work
from medperf.server.call import Call, Wire
from medperf.server.executions import queries, service
from medperf.server.executions.waiting import Waiters
from medperf.server.identity import Ticket
from medperf.server.program import Program
from medperf.server.routing import NounRouter, ticket_of
from medperf.server.sites.queries import site_with

LONGEST_WAIT_S = 120

router = NounRouter(tags=["executions"])


@router.get("/work", name="get_work", response_model=Work)
async def get_work(
    request: Request,
    after: int = -1,
    wait_s: Annotated[float, Query(ge=0, le=LONGEST_WAIT_S)] = 0,
) -> Response:
    """What the calling site could do; waits until the version exceeds ``after``."""
    program: Program = request.app.state.program
    waiters: Waiters = request.app.state.waiters
    ticket = await ticket_of(request)
    call, work = await program.look(partial(_first_look, program, ticket, after, wait_s))
    site_id = service.require_site(call)
    waiters.saw(site_id)
    if work is None:
        with waiters.waiting(site_id, after) as changed:
            # Registered first, then looked again: nothing falls between.
            if await program.look(partial(_version, program, site_id)) <= after:
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), wait_s)
        work = await program.look(partial(_last_look, program, call))
    return Response(to_json(work), media_type="application/json")


def _first_look(
    program: Program, ticket: Ticket, after: int, wait_s: float
) -> tuple[Call, Wire | None]:
    with program.database.reading() as connection:
        call = program.call(connection, ticket)
        version = queries.work_version(connection, service.require_site(call))
        must_wait = wait_s > 0 and version <= after
        return call, None if must_wait else service.work(call)


def _version(program: Program, site_id: int) -> int:
    with program.database.reading() as connection:
        return queries.work_version(connection, site_id)


def _last_look(program: Program, call: Call) -> Wire:
    with program.database.reading() as connection:
        if site_with(connection, call.caller.key_id or "") is None:
            raise UnauthenticatedError("the key was revoked while its site waited")
        return service.work(replace(call, connection=connection, now=program.clock()))
