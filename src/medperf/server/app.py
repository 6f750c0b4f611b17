"""The server's program: everything is built here, and nothing is built elsewhere."""

import asyncio
import secrets
import signal
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from operator import attrgetter
from pathlib import Path
from types import FrameType
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from medperf import __version__
from medperf.domain.clock import Clock, system_clock
from medperf.domain.errors import InvalidRequestError, MedPerfError, NotFoundError
from medperf.provenance.keys import Signer
from medperf.server import health
from medperf.server.agreements.routes import routes as agreement_routes
from medperf.server.ai_models.routes import routes as model_routes
from medperf.server.associations.routes import routes as association_routes
from medperf.server.audit.routes import routes as audit_routes
from medperf.server.benchmarks.routes import routes as benchmark_routes
from medperf.server.call import Identity
from medperf.server.containers.routes import routes as container_routes
from medperf.server.datasets.routes import routes as dataset_routes
from medperf.server.db.session import THREADS, Database
from medperf.server.direct import Answer, DirectReads
from medperf.server.executions import work_route
from medperf.server.executions.routes import routes as execution_routes
from medperf.server.executions.waiting import Waiters, watch
from medperf.server.log.keys import ServerKeys
from medperf.server.log.routes import files as log_files
from medperf.server.log.routes import routes as log_routes
from medperf.server.log.signing import LogSigner
from medperf.server.metrics import Metrics
from medperf.server.middleware import LimitedBody, Observed, SignedAnswers
from medperf.server.people.routes import routes as people_routes
from medperf.server.problems import PROBLEM_RESPONSE, problem
from medperf.server.program import Program
from medperf.server.results.routes import routes as result_routes
from medperf.server.routing import NounRouter
from medperf.server.settings import ServerSettings
from medperf.server.sites.routes import routes as site_routes

BASE = "/api/v1"
ROUTERS = (
    health.about,
    people_routes.router,
    site_routes.router,
    container_routes.router,
    model_routes.router,
    benchmark_routes.router,
    dataset_routes.router,
    association_routes.router,
    work_route.router,
    execution_routes.router,
    result_routes.router,
    agreement_routes.router,
    audit_routes.router,
    log_routes.router,
    log_files,
)

_LOG = structlog.get_logger()
_PLACES = 8


def new_secret() -> str:
    """256 random bits as text."""
    return secrets.token_urlsafe(32)


def build_app(
    settings: ServerSettings,
    signer: Signer,
    *,
    look_for_keys: Callable[[], Iterable[Signer]] = tuple,
    clock: Clock = system_clock,
    new_secret: Callable[[], str] = new_secret,
    database: Database | None = None,
    signed_log: Path | None = None,
) -> FastAPI:
    """Build the server of these settings, which signs with this key.

    ``look_for_keys`` finds the next one when the log says that another key follows. ``signed_log``
    is where the last checkpoint is kept, so that no earlier one is ever signed.
    """
    keys = ServerKeys(signer, look_for_keys)
    log = LogSigner(keys, signed_log)
    identity = Identity(settings.name, keys, new_secret, settings.grant_valid, log)
    program = Program(
        database or Database(settings.database_url),
        identity,
        clock,
        ThreadPoolExecutor(THREADS, "request"),
    )
    app = FastAPI(
        title="MedPerf server",
        version=__version__,
        summary="Registry and governance of a federation.",
        openapi_url=f"{BASE}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        separate_input_output_schemas=False,
        generate_unique_id_function=attrgetter("name"),
        responses={"4XX": PROBLEM_RESPONSE},
    )
    app.state.program = program
    app.state.waiters = Waiters()
    app.state.metrics = Metrics()
    app.include_router(health.root)
    for router in ROUTERS:
        app.include_router(router, prefix=BASE)
    app.add_exception_handler(MedPerfError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unknown)
    app.add_middleware(DirectReads, reads=_direct_reads())
    app.add_middleware(SignedAnswers, signer=partial(_signer_now, app), clock=clock)
    app.add_middleware(LimitedBody, largest_bytes=settings.largest_body_bytes)
    app.add_middleware(Observed, metrics=app.state.metrics)
    return app


def _direct_reads() -> dict[str, Answer]:
    return {
        BASE + path: answer
        for router in ROUTERS
        if isinstance(router, NounRouter)
        for path, answer in router.direct.items()
    }


async def _signer_now(app: FastAPI) -> Signer:
    program: Program = app.state.program

    def look() -> Signer:
        with program.database.reading() as connection:
            return program.identity.keys.signer(connection)

    return await program.look(look)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    program: Program = app.state.program
    waiters: Waiters = app.state.waiters
    watching = asyncio.create_task(watch(program, waiters))
    _answer_waiters_on_signals(waiters)
    _LOG.info("process_started", version=__version__)
    try:
        yield
    finally:
        waiters.close()
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        program.database.close()
        _LOG.info("process_stopped")


def _answer_waiters_on_signals(waiters: Waiters) -> None:
    # Whoever runs the app waits for open requests when told to stop; those that only wait for work
    # are answered at once instead.
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        former: Any = signal.getsignal(number)

        def handle(signum: int, frame: FrameType | None, former: Any = former) -> None:
            loop.call_soon_threadsafe(waiters.close)
            if callable(former):
                former(signum, frame)

        signal.signal(number, handle)


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
        hint = (
            "This is a MedPerf server: use the 'medperf' command with the server's address alone,"
            " as in https://medperf.example.org. /api/v1/openapi.json describes its API."
        )
        return problem(NotFoundError(f"this server has no {request.url.path}", hint=hint))
    return problem(InvalidRequestError(str(error.detail)), error.status_code)


async def _unknown(_request: Request, error: Exception) -> Response:
    # Where it happened, and never the error's own words: they can quote what must not travel.
    places = traceback.extract_tb(error.__traceback__)[-_PLACES:]
    where = " < ".join(f"{Path(p.filename).name}:{p.lineno}" for p in reversed(places))
    _LOG.error("request_failed", error=f"{type(error).__name__} at {where}")
    return problem(
        MedPerfError("the server failed", hint="Tell the operator of the server; nothing was done.")
    )
