"""The server's program: everything is built here, and nothing is built elsewhere."""

import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from anyio import CapacityLimiter
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from medperf import __version__
from medperf.domain.clock import Clock, system_clock
from medperf.domain.errors import (
    InvalidRequestError,
    MedPerfError,
    NotFoundError,
)
from medperf.provenance.keys import Signer
from medperf.server.audit.routes import routes as audit_routes
from medperf.server.call import Identity
from medperf.server.db.session import THREADS, Database
from medperf.server.people.routes import routes as people_routes
from medperf.server.problems import problem
from medperf.server.routing import Program, Routes
from medperf.server.settings import ServerSettings
from medperf.server.sites.routes import routes as site_routes

BASE = "/api/v1"
NOUNS: tuple[Routes, ...] = (people_routes, site_routes, audit_routes)

_LOGGER = logging.getLogger(__name__)


def new_secret() -> str:
    """256 random bits as text."""
    return secrets.token_urlsafe(32)


def build_app(
    settings: ServerSettings,
    signer: Signer,
    *,
    clock: Clock = system_clock,
    new_secret: Callable[[], str] = new_secret,
    database: Database | None = None,
) -> FastAPI:
    """Build the server of these settings, which signs with this key."""
    program = Program(
        database or Database(settings.database_url),
        Identity(settings.name, signer, new_secret),
        clock,
        CapacityLimiter(THREADS),
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        program.database.close()

    app = FastAPI(
        title="MedPerf server",
        version=__version__,
        summary="Registry and governance of a federation.",
        openapi_url=f"{BASE}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.program = program
    for noun in NOUNS:
        app.include_router(noun.router, prefix=BASE)
    app.add_exception_handler(MedPerfError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unknown)
    return app


async def _known(_request: Request, error: Exception) -> Response:
    assert isinstance(error, MedPerfError)  # noqa: S101 - registered for this class only
    return problem(error)


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    faults = [
        {"place": ".".join(str(part) for part in each["loc"][1:]), "fault": each["msg"]}
        for each in error.errors()
    ]
    told = "; ".join(f"{each['place'] or 'the body'}: {each['fault']}" for each in faults[:5])
    return problem(InvalidRequestError(told, faults=faults[:50]))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    if error.status_code == 404:  # noqa: PLR2004
        return problem(NotFoundError(f"this server has no {request.url.path}"))
    return problem(InvalidRequestError(str(error.detail)), error.status_code)


async def _unknown(_request: Request, _error: Exception) -> Response:
    return problem(
        MedPerfError("the server failed", hint="Tell the operator of the server; nothing was done.")
    )
