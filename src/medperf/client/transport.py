"""Send one request to the server and read its answer, or raise the error that the server raised.

GETs and POSTs are sent again with backoff when the network fails: every POST carries an idempotency
key, so the server answers a repeated one as it did the first time.
"""

import hashlib
import json
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import urlencode
from uuid import uuid4

import httpx2

from medperf import __version__
from medperf.domain import errors
from medperf.domain.clock import Clock, system_clock
from medperf.provenance.keys import Signer
from medperf.provenance.request_signing import sign_request

Json = Any
CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 60.0
ATTEMPTS = 4


class Credential(Protocol):
    """Something that proves who is asking."""

    def header(self, method: str, target: str, body: bytes) -> str:
        """The value of the Authorization header for this request."""


class AccessSecret:
    """A person's access token."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def header(self, method: str, target: str, body: bytes) -> str:  # noqa: ARG002 - one protocol
        """The same for every request."""
        return f"Bearer {self._secret}"


class SiteCredential:
    """A site's key, which signs every request."""

    def __init__(self, signer: Signer, clock: Clock = system_clock) -> None:
        self._signer = signer
        self._clock = clock

    def header(self, method: str, target: str, body: bytes) -> str:
        """A signature over method, target, body and time."""
        body_sha256 = hashlib.sha256(body).hexdigest()
        return sign_request(self._signer, method, target, body_sha256, self._clock())


class Transport:
    """A connection to one server, as one principal or as nobody."""

    def __init__(
        self,
        url: str,
        credential: Credential | None = None,
        *,
        attempts: int = ATTEMPTS,
        sleep: Callable[[float], None] = time.sleep,
        http: httpx2.Client | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._credential = credential
        self._attempts = attempts
        self._sleep = sleep
        self._http = http or httpx2.Client(
            timeout=httpx2.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            headers={"User-Agent": f"medperf/{__version__}"},
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(
        self,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        read_timeout_s: float | None = None,
    ) -> Json:
        """GET ``path``; parameters that are None are left out."""
        given = {key: value for key, value in (params or {}).items() if value is not None}
        target = path + ("?" + urlencode(given, doseq=True) if given else "")
        return self._send("GET", target, b"", read_timeout_s=read_timeout_s)

    def post(self, path: str, body: Json = None) -> Json:
        """POST ``body`` as JSON."""
        content = b"" if body is None else json.dumps(body, allow_nan=False).encode()
        return self._send("POST", path, content, idempotency_key=uuid4().hex)

    def patch(self, path: str, body: Json) -> Json:
        """PATCH with ``body`` as JSON."""
        return self._send("PATCH", path, json.dumps(body, allow_nan=False).encode())

    def _send(
        self,
        method: str,
        target: str,
        content: bytes,
        *,
        idempotency_key: str | None = None,
        read_timeout_s: float | None = None,
    ) -> Json:
        for attempt in range(1, self._attempts + 1):
            try:
                return self._send_once(method, target, content, idempotency_key, read_timeout_s)
            except errors.UnavailableError:
                if attempt == self._attempts or method == "PATCH":
                    raise
                self._sleep(0.2 * 2**attempt * (0.5 + random.random()))  # noqa: S311 - jitter
        raise AssertionError("unreachable")

    def _send_once(
        self,
        method: str,
        target: str,
        content: bytes,
        idempotency_key: str | None,
        read_timeout_s: float | None,
    ) -> Json:
        headers = {"Content-Type": "application/json"} if content else {}
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        if self._credential:
            headers["Authorization"] = self._credential.header(method, target, content)
        timeout = httpx2.Timeout(read_timeout_s or READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        try:
            response = self._http.request(
                method, self.url + target, content=content, headers=headers, timeout=timeout
            )
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            raise errors.ServerUnreachableError(
                f"{self.url} does not answer: {type(error).__name__}: {error}"
            ) from error
        return _read(response)


def _read(response: httpx2.Response) -> Json:
    if response.is_success:
        return response.json() if response.content else None
    try:
        problem = response.json()
        code, detail = problem["code"], problem.get("detail", "")
    except (ValueError, KeyError, TypeError):
        if response.status_code in {429, 502, 503, 504}:
            raise errors.UnavailableError(f"the server answered {response.status_code}") from None
        raise errors.MedPerfError(
            f"{response.url} answered {response.status_code} and no MedPerf server did",
            hint="Check the server's address.",
        ) from None
    known = errors.by_code().get(code, errors.MedPerfError)
    raise known(detail, hint=problem.get("hint"), **problem.get("context", {}))
