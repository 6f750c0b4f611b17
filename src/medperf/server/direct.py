"""Reads that go straight to their function.

One thing by its number and a page of a list are nearly all that a server is asked for. The
framework takes longer to find and call such a function than the function takes, so these are found
in a table by their path. It still describes them, and answers whatever is not in the table: another
method, a number that is none, every other route.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from medperf.domain.errors import MedPerfError
from medperf.server.problems import problem

BY_NUMBER = "/{number}"
"""How the template of a path ends that names one thing."""

Answer = Callable[[Request, Mapping[str, Any]], Awaitable[Response]]
"""Answers a request, given the values in its path by their names."""

_MOST_DIGITS = 18
"""Longer numbers could be larger than a database counts; the framework says so."""


@dataclass(frozen=True, slots=True)
class DirectRead:
    """A route as the table knows it; ``path`` is what the numbers of requests are kept under."""

    path: str
    answer: Answer


class DirectReads:
    """The table, before everything else of an app."""

    def __init__(self, app: ASGIApp, reads: Mapping[str, Answer]) -> None:
        self._app = app
        self._reads = {path: DirectRead(path, answer) for path, answer in reads.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        is_read = scope["type"] == "http" and scope["method"] == "GET"
        read, given = self._find(scope["path"]) if is_read else (None, {})
        if read is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = read
        try:
            response = await read.answer(Request(scope, receive), given)
        except MedPerfError as error:
            response = problem(error)
        await response(scope, receive, send)

    def _find(self, path: str) -> tuple[DirectRead | None, dict[str, int]]:
        head, _, last = path.rpartition("/")
        if last.isascii() and last.isdigit() and last[0] != "0" and len(last) <= _MOST_DIGITS:
            return self._reads.get(head + BY_NUMBER), {"number": int(last)}
        return self._reads.get(path), {}
