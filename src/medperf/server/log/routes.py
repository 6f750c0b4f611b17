"""``/log``: open to anybody, since an entry names statements and shows none.

Tiles never change once they are full, so any cache on the way may keep them.
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlalchemy import Connection
from starlette.responses import Response

from medperf.domain.identifiers import Digest
from medperf.domain.log import LogGrowth, LogInclusion, LogSuccessions
from medperf.provenance.tiles import Tile
from medperf.server.call import Call, Wire
from medperf.server.log import reading
from medperf.server.program import Program
from medperf.server.routing import Routes

routes = Routes("log")
files = APIRouter(tags=["log"])

_FOR_EVER = "public, max-age=31536000, immutable"
_SOON_OLD = "no-cache"
Leaf = Annotated[int, Query(ge=0, lt=2**48)]
Size = Annotated[int, Query(ge=0, lt=2**48)]


@routes.read("/log/proof", LogInclusion, is_long=True, is_open=True)
def get_log_proof(call: Call, leaf: Leaf | None = None, envelope: Digest | None = None) -> Wire:
    """Prove that a leaf, or an envelope by its digest, is in the log."""
    index = leaf if leaf is not None else reading.leaf_of(call.connection, envelope or "")
    return reading.inclusion(call.connection, call.server.log, index)


@routes.read("/log/consistency", LogGrowth, is_long=True, is_open=True)
def get_log_consistency(
    call: Call,
    start: Annotated[Size, Query(alias="from")],
    end: Annotated[Size | None, Query(alias="to")] = None,
) -> Wire:
    """Prove that the log, now or at ``to`` leaves, begins with the one of ``from`` leaves."""
    return reading.growth(call.connection, call.server.log, start, end)


@routes.read("/log/keys", LogSuccessions, is_long=True, is_open=True)
def get_log_keys(call: Call, start: Annotated[Size, Query(alias="from")] = 0) -> Wire:
    """Say which keys signed the log, in a log that begins with the one of ``from`` leaves."""
    return reading.successions(call.connection, call.server.log, start)


@files.get("/log/checkpoint", name="get_log_checkpoint", response_class=Response)
async def get_checkpoint(request: Request) -> Response:
    """The newest checkpoint, a signed note."""
    program: Program = request.app.state.program
    note, _ = await _answer(request, program.identity.log.checkpoint)
    return Response(note, media_type="text/plain", headers={"Cache-Control": _SOON_OLD})


@files.get("/log/tile/{path:path}", name="get_log_tile", response_class=Response)
async def get_tile(request: Request, path: str) -> Response:
    """A tile of hashes or a bundle of entries, as C2SP tlog-tiles names them."""
    name = f"tile/{path}"
    Tile.from_path(name)
    content = await _answer(request, partial(reading.tile, path=name))
    return Response(
        content,
        media_type="application/octet-stream",
        headers={"Cache-Control": _FOR_EVER},
    )


async def _answer(request: Request, question: Callable[[Connection], Any]) -> Any:
    program: Program = request.app.state.program

    def work() -> Any:
        with program.database.reading() as connection:
            return question(connection)

    return await program.in_thread(work)
