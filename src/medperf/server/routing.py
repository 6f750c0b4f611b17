"""From a plain function to a route: authenticate, open a connection, call, commit, answer.

A route function takes a `Call` first and answers with plain values. Here, and only here, its
transaction begins and ends: the commit is done before the first byte of the answer exists.
"""

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Request
from pydantic_core import from_json, to_json
from sqlalchemy import Connection
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from medperf.domain.errors import InvalidRequestError
from medperf.domain.lifecycle import Lifecycle
from medperf.domain.wire import Page, Reason, Record
from medperf.provenance.answer_signing import CARRIED_HEADER, FOR_HEADER
from medperf.provenance.envelope import Envelope
from medperf.server.call import Call, Caller, Identity, Signed, Wire
from medperf.server.db import view_queries
from medperf.server.db.bearer_queries import Bearer
from medperf.server.db.queries import LARGEST_ID, View
from medperf.server.direct import BY_NUMBER, Answer
from medperf.server.idempotency import carried_key, earlier_answer, keep_answer
from medperf.server.identity import Ticket, asker
from medperf.server.program import Program

Number = Annotated[int, Path(ge=1, le=LARGEST_ID)]
"""The number of a thing, in a path."""

Then = Callable[[Connection, list[Wire]], list[Wire]]
"""Completes what was read with what else belongs to it."""

_JSON = "application/json"
_NO_REASON = Reason()
_NOUN = 3  # the place of the noun in a path


class NounRouter(APIRouter):
    """A router that looks at its routes only for a path that begins with one of its nouns.

    All routes together are some eighty patterns; trying them one by one would take longer than the
    query behind most of them.
    """

    @cached_property
    def direct(self) -> dict[str, Answer]:
        """The reads that need no framework, by path."""
        return {}

    @cached_property
    def nouns(self) -> frozenset[str]:
        """The first step of every path here."""
        return frozenset(str(getattr(route, "path", "/")).split("/")[1] for route in self.routes)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Say at once if the path is of another noun: ``/api/v1/<noun>/...``."""
        steps = scope["path"].split("/", 4)
        if len(steps) > _NOUN and steps[_NOUN] not in self.nouns:
            return Match.NONE, {}
        return super().matches(scope)


class Routes:
    """The routes of one noun."""

    def __init__(self, tag: str) -> None:
        self.router = NounRouter(tags=[tag])

    def read(
        self, path: str, record: Any, *, is_long: bool = False, is_open: bool = False
    ) -> Callable[[Any], Any]:
        """A GET; one that takes long does so in a thread."""

        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            async def run(request: Request, given: Mapping[str, Any]) -> Response:
                program: Program = request.app.state.program
                ticket = await ticket_of(request)
                work = partial(_read, program, ticket, partial(function, **given), is_open=is_open)
                look = program.in_thread if is_long else program.look
                return Response(await look(work), media_type=_JSON)

            self._add(path, "GET", function, run, record)
            return function

        return decorate

    def view(self, path: str, view: View, record: type[Record], then: Then | None = None) -> None:
        """Two GETs: a page of a view, and one thing by its number; ``then`` may complete them."""

        def completed(connection: Connection, items: list[Wire]) -> list[Wire]:
            return items if then is None else then(connection, items)

        def page(connection: Connection, who: Caller | Bearer, asked: Mapping[str, str]) -> Wire:
            found = view_queries.page(view, connection, who, asked)
            return {**found, "items": completed(connection, found["items"])}

        def one(connection: Connection, who: Caller | Bearer, number: int) -> Wire:
            return completed(connection, [view_queries.one(view, connection, who, number)])[0]

        async def run_page(request: Request, _given: Mapping[str, Any]) -> Response:
            return await _look(request, partial(page, asked=_asked(request)))

        async def run_one(request: Request, given: Mapping[str, Any]) -> Response:
            return await _look(request, partial(one, **given))

        async def list_endpoint(request: Request) -> Response:
            return await run_page(request, {})

        async def get_endpoint(request: Request, number: Number) -> Response:
            return await run_one(request, {"number": number})

        self.router.direct |= {path: run_page, path + BY_NUMBER: run_one}
        name = path.strip("/").replace("-", "_")
        self.router.add_api_route(
            path,
            list_endpoint,
            methods=["GET"],
            name=f"list_{name}",
            summary=f"List {name.replace('_', ' ')} by number, page by page.",
            response_model=Page[record],  # type: ignore[valid-type]
            openapi_extra={"parameters": _parameters(view)},
        )
        self.router.add_api_route(
            path + BY_NUMBER,
            get_endpoint,
            methods=["GET"],
            name=f"get_{view.noun.replace(' ', '_')}",
            summary=f"Look up one {view.noun}.",
            response_model=record,
        )

    def write(
        self,
        path: str,
        record: Any,
        *,
        method: str = "POST",
        status: int = 200,
        is_open: bool = False,
        holds_secret: bool = False,
        then: Callable[[Connection, Identity, Wire], Wire] | None = None,
    ) -> Callable[[Any], Any]:
        """A POST or PATCH in one transaction; ``then`` may complete the answer after it."""

        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            async def run(request: Request, given: Mapping[str, Any]) -> Response:
                program: Program = request.app.state.program
                ticket = await ticket_of(request)
                key = _idempotency_key(request, ticket) if method == "POST" else None
                work = partial(
                    _write,
                    program,
                    ticket,
                    partial(function, **given),
                    _Manner(status, key, is_open, holds_secret, then),
                )
                code, content = await program.in_thread(work)
                return Response(content, code, media_type=_JSON)

            self._add(path, method, function, run, record, status)
            return function

        return decorate

    def lifecycle(
        self,
        path: str,
        record: type[Record],
        table: Lifecycle,
        act: Callable[[Call, int, str, str], Wire],
        *,
        besides: Collection[str] = (),
    ) -> None:
        """A POST for each act of a table, but for those that have a route of their own."""
        for action in table.actions:
            if action not in besides:
                self._act(f"{path}/{{number}}/{action}", record, table.noun, action, act)

    def _act(
        self,
        path: str,
        record: type[Record],
        noun: str,
        action: str,
        act: Callable[[Call, int, str, str], Wire],
    ) -> None:
        def perform(call: Call, number: Number, form: Reason = _NO_REASON) -> Wire:
            if form.statement is None:
                return act(call, number, action, form.reason)
            signed = Signed(Envelope.from_value(form.statement))
            answer = act(replace(call, signed=signed), number, action, form.reason)
            if not signed.is_taken:
                raise InvalidRequestError(f"to {action} a {noun} logs nothing that is signed")
            return answer

        perform.__name__ = f"{action}_{noun}".replace(" ", "_")
        perform.__doc__ = f"The act {action!r} of the lifecycle of a {noun}."
        self.write(path, record)(perform)

    def _add(
        self,
        path: str,
        method: str,
        function: Callable[..., Any],
        run: Answer,
        record: Any,
        status: int = 200,
    ) -> None:
        async def endpoint(request: Request, **given: Any) -> Response:
            return await run(request, given)

        first, *rest = inspect.signature(function).parameters.values()
        asked = first.replace(name="request", annotation=Request)
        endpoint.__signature__ = inspect.Signature([asked, *rest])  # type: ignore[attr-defined]
        endpoint.__doc__ = function.__doc__
        self.router.add_api_route(
            path,
            endpoint,
            methods=[method],
            name=function.__name__,
            response_model=record,
            status_code=status,
        )


@dataclass(frozen=True, slots=True)
class _Manner:
    status: int
    idempotency_key: str | None
    is_open: bool
    holds_secret: bool
    then: Callable[[Connection, Identity, Wire], Wire] | None = None


async def ticket_of(request: Request) -> Ticket:
    """What the request shows of itself, its target exactly as it was sent."""
    scope = request.scope
    target = scope["raw_path"].decode("ascii")
    if scope["query_string"]:
        target += "?" + scope["query_string"].decode("ascii")
    headers = request.headers
    return Ticket(
        request.method,
        target,
        headers.get("Authorization"),
        await request.body(),
        headers.get(FOR_HEADER),
        headers.get(CARRIED_HEADER),
    )


def _idempotency_key(request: Request, ticket: Ticket) -> str | None:
    # The site's signature itself: a courier cannot choose another key and do a thing twice.
    if ticket.carried is not None:
        return carried_key(ticket.carried)
    return request.headers.get("Idempotency-Key")


def _asked(request: Request) -> dict[str, str]:
    asked: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in asked:
            raise InvalidRequestError(f"{name[:40]} is given twice")
        asked[name] = value
    return asked


async def _look(request: Request, find: Callable[[Connection, Caller | Bearer], Wire]) -> Response:
    program: Program = request.app.state.program
    ticket = await ticket_of(request)
    return Response(await program.look(partial(_seen, program, ticket, find)), media_type=_JSON)


def _seen(
    program: Program, ticket: Ticket, find: Callable[[Connection, Caller | Bearer], Wire]
) -> bytes:
    with program.database.reading() as connection:
        return orjson.dumps(find(connection, asker(connection, ticket, program.clock())))


def _read(
    program: Program, ticket: Ticket, function: Callable[[Call], Any], *, is_open: bool = False
) -> bytes:
    with program.database.reading() as connection:
        answer = function(program.call(connection, ticket, is_open=is_open))
    return to_json(answer)


def _write(
    program: Program, ticket: Ticket, function: Callable[[Call], Any], manner: _Manner
) -> tuple[int, bytes]:
    status, content = _written(program, ticket, function, manner)
    if manner.then is None:
        return status, content
    # Committed: what is signed now can no longer turn out not to have happened.
    with program.database.reading() as connection:
        return status, to_json(manner.then(connection, program.identity, from_json(content)))


def _written(
    program: Program, ticket: Ticket, function: Callable[[Call], Any], manner: _Manner
) -> tuple[int, bytes]:
    key = manner.idempotency_key
    with program.database.writing() as connection:
        call = program.call(connection, ticket, is_open=manner.is_open)
        if key is not None and (earlier := earlier_answer(call, ticket, key)) is not None:
            return earlier
        content = to_json(function(call))
        if key is not None:
            kept = None if manner.holds_secret else content
            keep_answer(call, ticket, key, manner.status, kept)
    return manner.status, content


def _parameters(view: View) -> list[dict[str, Any]]:
    described = [
        {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 200}},
        {"name": "cursor", "in": "query", "schema": {"type": "string"}},
        {"name": "newest", "in": "query", "schema": {"type": "boolean"}},
    ]
    for name, each in view.filters.items():
        kind = "boolean" if each.is_flag else "string"
        described.append({"name": name, "in": "query", "schema": {"type": kind}})
    return described
