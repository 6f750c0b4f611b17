"""What happens to every request, as plain ASGI: a limit on bodies, counting, a line in the log."""

from contextlib import suppress
from time import perf_counter

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from medperf.domain.errors import TooLargeError
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
