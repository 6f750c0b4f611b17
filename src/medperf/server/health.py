"""``/healthz``, ``/readyz``, ``/metrics`` for the operator, and ``/api/v1/server`` for anybody."""

from functools import partial

from fastapi import APIRouter, Request
from pydantic_core import to_json
from starlette.responses import Response

from medperf import __version__
from medperf.domain.errors import UnavailableError
from medperf.domain.identifiers import format_time
from medperf.domain.people import ServerInfo
from medperf.provenance.notes import NoteKey
from medperf.server.db.migrate import is_current
from medperf.server.executions.queries import count_by_state
from medperf.server.metrics import CONTENT_TYPE
from medperf.server.program import Program
from medperf.server.routing import NounRouter

root = APIRouter(tags=["operation"])
about = NounRouter(tags=["operation"])


@root.get("/healthz", name="healthz")
async def healthz() -> Response:
    """This process is alive."""
    return Response("ok\n", media_type="text/plain")


@root.get("/readyz", name="readyz")
async def readyz(request: Request) -> Response:
    """The database answers, has the schema of this version, and the server's key is here."""
    program: Program = request.app.state.program
    if not await program.in_thread(partial(is_current, program.database)):
        raise UnavailableError(
            "the database has another schema than this version needs",
            hint="Start the server once with 'medperf server start', which migrates it.",
        )
    await program.in_thread(partial(_keys, program))
    return Response("ready\n", media_type="text/plain")


@root.get("/metrics", name="metrics")
async def metrics(request: Request) -> Response:
    """Numbers in Prometheus' text format."""
    state = request.app.state
    state.metrics.set_waiting(len(state.waiters))
    content = await state.program.in_thread(
        partial(state.metrics.exposition, partial(_executions, state.program))
    )
    return Response(content, media_type=CONTENT_TYPE)


@about.get("/server", name="get_server", response_model=ServerInfo)
async def get_server(request: Request) -> Response:
    """Who this server is, and the key that its grants verify with."""
    program: Program = request.app.state.program
    key = await program.look(partial(_keys, program))
    return Response(
        to_json(
            {
                "name": program.identity.name,
                "version": __version__,
                "public_key": key.public.to_text(),
                "key_id": key.public.key_id,
                "log_key": key.to_text(),
                "time": format_time(program.clock()),
            }
        ),
        media_type="application/json",
    )


def _keys(program: Program) -> NoteKey:
    """The log's key that is in force, which this process can sign with."""
    with program.database.reading() as connection:
        found = program.identity.keys.history(connection).current
    program.identity.keys.having(found.public)
    return found


def _executions(program: Program) -> dict[str, int]:
    with program.database.reading() as connection:
        return count_by_state(connection)
