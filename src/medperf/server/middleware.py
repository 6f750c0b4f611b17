"""What happens to every request, as plain ASGI: a limit on bodies, counting, a line in the log.

And what happens to a courier's: the answer is signed.
"""

import hashlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import perf_counter

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from medperf.domain.clock import Clock
from medperf.domain.errors import TooLargeError, UnavailableError
from medperf.provenance.answer_signing import (
    ANSWER_HEADER,
    FOR_HEADER,
    AnsweredRequest,
    sign_answer,
)
from medperf.provenance.keys import Signer
from medperf.server.metrics import Metrics
from medperf.server.problems import problem

_LOG = structlog.get_logger()
_READS = {"GET", "HEAD"}


class LimitedBody:
    """Refuses requests whose body is too large, whether they say so or just keep sending."""

    def __init__(self, app: ASGIApp, largest_bytes: int) -> None:
        self._app = app
        self._largest = largest_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._declared(scope) > self._largest:
            await self._refuse(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._largest:
                raise self._error()
            return message

        async def unless_refused(message: Message) -> None:
            # The framework turns whatever breaks its reading into an answer of its own.
            if received <= self._largest:
                await send(message)

        with suppress(TooLargeError):
            await self._app(scope, counted, unless_refused)
        if received > self._largest:
            await self._refuse(scope, receive, send)

    def _declared(self, scope: Scope) -> int:
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit():
                return int(value)
        return 0

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        await problem(self._error())(scope, receive, send)

    def _error(self) -> TooLargeError:
        return TooLargeError(f"a request has at most {self._largest} bytes")


class Observed:
    """Counts and times every request by route, and logs those that changed or failed."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            # The template, not the path: numbers in a path would make endless series.
            route = getattr(scope.get("route"), "path", "none")
            seconds = perf_counter() - began
            self._metrics.observe(scope["method"], route, status, seconds)
            if scope["method"] not in _READS or status >= 400:  # noqa: PLR2004
                _LOG.info(
                    "request_answered",
                    method=scope["method"],
                    route=route,
                    status=status,
                    duration_ms=round(seconds * 1000, 1),
                )


class SignedAnswers:
    """Signs every answer that a courier takes to a site, whatever it says."""

    def __init__(self, app: ASGIApp, signer: Callable[[], Awaitable[Signer]], clock: Clock) -> None:
        self._app = app
        self._signer = signer
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        for_key = _header(scope, FOR_HEADER) if scope["type"] == "http" else ""
        if not for_key:
            await self._app(scope, receive, send)
            return
        asked = hashlib.sha256()
        start: Message = {}
        parts: list[bytes] = []

        async def heard() -> Message:
            message = await receive()
            asked.update(message.get("body", b""))
            return message

        async def signed(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            parts.append(message.get("body", b""))
            if message.get("more_body", False):
                return
            content = b"".join(parts)
            answered = AnsweredRequest(
                for_key=for_key,
                method=scope["method"],
                target=_target(scope),
                idempotency_key=_header(scope, "Idempotency-Key"),
                request_sha256=asked.hexdigest(),
                status=start["status"],
                answer_sha256=hashlib.sha256(content).hexdigest(),
            )
            try:
                signature = sign_answer(await self._signer(), answered, self._clock())
            except UnavailableError as error:
                await problem(error)(scope, receive, send)
                return
            start["headers"] = [
                *start.get("headers", ()),
                (ANSWER_HEADER.lower().encode(), signature.encode()),
            ]
            await send(start)
            await send({"type": "http.response.body", "body": content})

        await self._app(scope, heard, signed)


def _header(scope: Scope, name: str) -> str:
    wanted = name.lower().encode()
    return next((v.decode("latin-1") for n, v in scope["headers"] if n == wanted), "")


def _target(scope: Scope) -> str:
    query = scope["query_string"].decode("ascii")
    path: bytes = scope["raw_path"]
    return path.decode("ascii") + (f"?{query}" if query else "")
