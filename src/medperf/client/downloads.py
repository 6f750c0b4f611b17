"""Download a file that somebody hosts, and go on where an earlier attempt stopped.

Nothing here knows what the bytes should be: whoever asks checks the digest before use.
"""

import random
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx2

from medperf import __version__
from medperf.domain.errors import CancelledError, DownloadError, InvalidRequestError

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 60.0
ATTEMPTS = 5
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_OK, _PARTIAL, _NOT_SATISFIABLE, _FIRST_SERVER_ERROR = 200, 206, 416, 500
_TRY_AGAIN = {408, 425, 429}

Guard = Callable[[int], None]
"""Told how many bytes are about to be written; raises when there is no room for them."""


class Downloader:
    """Fetches over HTTPS (or HTTP: the digest protects the bytes), with several attempts."""

    def __init__(
        self,
        *,
        attempts: int = ATTEMPTS,
        sleep: Callable[[float], None] = time.sleep,
        http: httpx2.Client | None = None,
    ) -> None:
        self._attempts = attempts
        self._sleep = sleep
        self._http = http or httpx2.Client(
            timeout=httpx2.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            follow_redirects=True,
            # The bytes as they are stored: a range of a compressed answer means nothing.
            headers={"User-Agent": f"medperf/{__version__}", "Accept-Encoding": "identity"},
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def fetch(
        self, url: str, target: Path, *, guard: Guard, cancel: threading.Event | None = None
    ) -> None:
        """Bring ``url`` to ``target``; bytes that are there already are not asked for again.

        Args:
            url: where it is.
            target: grows as bytes arrive, and stays on an error so that the next call resumes.
            guard: asked before bytes are written.
            cancel: set it to stop early.

        Raises:
            DownloadError: it could not be had; what arrived is kept.
            CancelledError: ``cancel`` was set.
        """
        for attempt in range(1, self._attempts + 1):
            try:
                self._attempt(url, target, guard, cancel or threading.Event())
            except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
                raise InvalidRequestError(f"{url!r} is no address of a file: {error}") from error
            except (httpx2.RequestError, _TryAgainError) as error:
                if attempt == self._attempts:
                    raise DownloadError(
                        f"{url} did not arrive: {error or type(error).__name__}"
                    ) from error
                self._sleep(0.2 * 2**attempt * (0.5 + random.random()))  # noqa: S311  # jitter
            else:
                return

    def _attempt(self, url: str, target: Path, guard: Guard, cancel: threading.Event) -> None:
        have = target.stat().st_size if target.exists() else 0
        headers = {"Range": f"bytes={have}-"} if have else {}
        with self._http.stream("GET", url, headers=headers) as response:
            if response.status_code == _NOT_SATISFIABLE:
                # Complete already, or longer than what is offered: its digest will tell. What
                # turns out wrong is thrown away by whoever checks.
                return
            _require_success(url, response)
            start, size = _place(response)
            if start not in {0, have}:
                raise _TryAgainError(f"bytes from {have} were asked for, bytes from {start} came")
            with target.open("ab" if start else "wb") as file:
                # As they arrive: what is gathered first would be lost when the line breaks.
                for chunk in response.iter_raw():
                    if cancel.is_set():
                        raise CancelledError("the download was stopped")
                    guard(len(chunk))
                    file.write(chunk)
        if size is not None and target.stat().st_size < size:
            raise _TryAgainError(f"it ended after {target.stat().st_size} of {size} bytes")


class _TryAgainError(Exception):
    """This attempt failed, another one may not."""


def _require_success(url: str, response: httpx2.Response) -> None:
    status = response.status_code
    if status in _TRY_AGAIN or status >= _FIRST_SERVER_ERROR:
        raise _TryAgainError(f"the answer is {status}")
    if status not in {_OK, _PARTIAL}:
        raise DownloadError(
            f"{url} cannot be had: the answer is {status}",
            hint="Check the address; if it is right, ask its owner for access.",
        )


def _place(response: httpx2.Response) -> tuple[int, int | None]:
    """Where in the file the answer starts, and how long the whole file is, if that is said."""
    if response.status_code == _PARTIAL:
        found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if found is None:
            raise _TryAgainError("the answer does not say which part of the file it is")
        return int(found[1]), None if found[2] == "*" else int(found[2])
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else None
