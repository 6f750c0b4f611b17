"""A client without a network: the same methods, the same signatures, and a mailbox for a server.

Below the client sits something that answers requests. Online that is a connection; at a site that
no network reaches it is whatever a courier brought. Nothing above can tell the difference but by
the errors `AwaitingCourierError` and `NotCarriedError`, which are kinds of "the server is away".
"""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2

from medperf.client.api import ServerClient
from medperf.client.transport import Credential


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it would have been sent."""

    method: str
    target: str
    body: bytes
    authorization: str | None
    idempotency_key: str


Answerer = Callable[[Asked], tuple[int, bytes]]
"""Answers a request with status and body, or raises the error that the caller shall get."""


def offline_client(url: str, credential: Credential | None, answer: Answerer) -> ServerClient:
    """A client of the server at ``url`` that opens no connection."""
    http = httpx2.Client(transport=_Mail(urlsplit(url).path.rstrip("/"), answer))
    return ServerClient(url, credential, http=http, attempts=1)


class _Mail(httpx2.BaseTransport):
    def __init__(self, prefix: str, answer: Answerer) -> None:
        self._prefix = prefix
        self._answer = answer

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        status, content = self._answer(
            Asked(
                method=request.method,
                target=request.url.raw_path.decode("ascii").removeprefix(self._prefix),
                body=request.read(),
                authorization=request.headers.get("Authorization"),
                idempotency_key=request.headers.get("Idempotency-Key", ""),
            )
        )
        return httpx2.Response(status, content=content)
