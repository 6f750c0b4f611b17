"""A server that answers every request at once with the same bytes: what the machine can do at most.

The same web server and number of processes as ours, without a framework, a query or a caller. How
busy the machine is moves both alike, so a ratio to this says more than requests per second.
"""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from bench.scenes.processes import START_TIMEOUT_S, installed

BODY = b"[" + b'"a record"' + b', "a record"' * 900 + b"]"
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Answer."""
    if scope["type"] == "http":
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": BODY})


@contextmanager
def plain_server(processes: int = 2) -> Iterator[str]:
    """The address of such a server, from when it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ("-m", "uvicorn", "bench.scenes.plain:app", "--lifespan", "off", "--log-level", "error")
    process = subprocess.Popen(
        [sys.executable, *words, "--port", str(port), "--workers", str(processes)],
        env=installed(),
    )
    try:
        _wait(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _wait(port: int) -> None:
    until = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return
