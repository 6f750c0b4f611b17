"""Send one request to the server and read its answer, or raise the error that the server raised.

GETs and POSTs are sent again with backoff when the network fails: every POST carries an idempotency
key, so the server answers a repeated one as it did the first time.
"""

import hashlib
import json
import random
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode
from uuid import uuid4

import httpx2

from medperf import __version__
from medperf.domain import errors
from medperf.domain.clock import Clock, system_clock

if TYPE_CHECKING:
    from medperf.provenance.keys import Signer

Json = Any
CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 60.0
ATTEMPTS = 4
LONGEST_PAUSE_S = 30.0
_AWAY = frozenset({429, 502, 503, 504})


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

    def __init__(self, signer: "Signer", clock: Clock = system_clock) -> None:
        self._signer = signer
        self._clock = clock

    def header(self, method: str, target: str, body: bytes) -> str:
        """A signature over method, target, body and time."""
        # Imported late: a person's command never signs, and the import is slow.
        from medperf.provenance.request_signing import sign_request  # noqa: PLC0415

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
        http: "httpx2.Client | _Lent | None" = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._credential = credential
        self._attempts = attempts
        self._sleep = sleep
        self._given = http
        self._http = http or httpx2.Client(
            timeout=httpx2.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            headers={"User-Agent": f"medperf/{__version__}"},
        )

    def close(self) -> None:
        """Close the connections, if no thread uses them any more."""
        self._http.close()

    def beside(self) -> "Transport":
        """Another connection to the same server, as the same principal.

        It is for a thread that others do not wait for: closed under a request, a connection may be
        made all the same, and nobody closes that one.
        """
        http = self._given and _Lent(self._given.request)
        return Transport(
            self.url, self._credential, attempts=self._attempts, sleep=self._sleep, http=http
        )

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

    def get_bytes(self, path: str) -> bytes:
        """GET what is no JSON."""
        content: bytes = self._send("GET", path, b"", read=_content)
        return content

    def post(self, path: str, body: Json = None) -> Json:
        """POST ``body`` as JSON."""
        content = b"" if body is None else _encode(body)
        return self._send("POST", path, content, idempotency_key=uuid4().hex)

    def patch(self, path: str, body: Json) -> Json:
        """PATCH with ``body`` as JSON."""
        return self._send("PATCH", path, _encode(body))

    def _send(
        self,
        method: str,
        target: str,
        content: bytes,
        *,
        idempotency_key: str | None = None,
        read_timeout_s: float | None = None,
        read: "Callable[[httpx2.Response], Json] | None" = None,
    ) -> Json:
        for attempt in range(1, self._attempts + 1):
            try:
                response = self._send_once(method, target, content, idempotency_key, read_timeout_s)
                return (read or _read)(response)
            except errors.UnavailableError as error:
                if attempt == self._attempts or method == "PATCH":
                    raise
                self._sleep(_pause_s(attempt, error))
        raise AssertionError("unreachable")

    def _send_once(
        self,
        method: str,
        target: str,
        content: bytes,
        idempotency_key: str | None,
        read_timeout_s: float | None,
    ) -> httpx2.Response:
        headers = {"Content-Type": "application/json"} if content else {}
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        if self._credential:
            headers["Authorization"] = self._credential.header(method, target, content)
        timeout = httpx2.Timeout(read_timeout_s or READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        try:
            return self._http.request(
                method, self.url + target, content=content, headers=headers, timeout=timeout
            )
        except (httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
            raise errors.InvalidRequestError(
                f"{self.url!r} is not the address of a server: {error}",
                hint="Write it with https://, as in https://medperf.example.org.",
            ) from error
        except httpx2.RequestError as error:
            raise errors.ServerUnreachableError(
                f"{self.url} does not answer: {_reason(error)}"
            ) from error


class _Lent:
    """What somebody else closes."""

    def __init__(self, request: Callable[..., httpx2.Response]) -> None:
        self.request = request

    def close(self) -> None:
        """Leave it open."""


def _encode(body: Json) -> bytes:
    try:
        return json.dumps(body, allow_nan=False).encode()
    except (ValueError, TypeError) as error:
        raise errors.InvalidRequestError(f"this cannot be sent as JSON: {error}") from None


def _pause_s(attempt: int, error: errors.UnavailableError) -> float:
    asked = error.context.get("retry_after_s")
    if isinstance(asked, int | float):
        return min(float(asked), LONGEST_PAUSE_S)
    jitter = 0.5 + random.random()  # noqa: S311 - nothing secret depends on it
    return 0.2 * float(2**attempt) * jitter


def _reason(error: httpx2.RequestError) -> str:
    kind = "no answer in time" if isinstance(error, httpx2.TimeoutException) else ""
    return kind or str(error) or type(error).__name__


def _read(response: httpx2.Response) -> Json:
    if not response.is_success:
        raise _error(response)
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError:
        raise _stranger(response) from None


def _content(response: httpx2.Response) -> bytes:
    if not response.is_success:
        raise _error(response)
    return response.content


def _error(response: httpx2.Response) -> errors.MedPerfError:
    try:
        problem = response.json()
        code, detail, hint = problem["code"], problem.get("detail", ""), problem.get("hint")
        context = problem.get("context") or {}
        given = {key: context[key] for key in context if key not in {"detail", "hint"}}
    except (ValueError, KeyError, TypeError, AttributeError):
        return _stranger(response)
    if "Retry-After" in response.headers:
        given.setdefault("retry_after_s", _seconds(response.headers["Retry-After"]))
    # A newer server may know codes that this client does not: keep its words.
    known = errors.by_code().get(code, errors.MedPerfError)
    return known(detail, hint=hint, **given)


def _stranger(response: httpx2.Response) -> errors.MedPerfError:
    # A proxy, a login page, another program: whatever answered is no MedPerf server.
    status = response.status_code
    if status in _AWAY:
        after_s = _seconds(response.headers.get("Retry-After", ""))
        return errors.UnavailableError(f"the server answered {status}", retry_after_s=after_s)
    moved = (
        f" and points to {response.headers['Location']}" if response.has_redirect_location else ""
    )
    return errors.MedPerfError(
        f"{response.url} answered {status}{moved}, but not as a MedPerf server does",
        hint="Check the server's address and the proxy.",
    )


def _seconds(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdigit() else None
