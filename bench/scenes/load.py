"""Load from outside: keep-alive connections of a process of its own.

Each sends one request, waits for the answer and sends the next. Plain sockets and a selector, so
that the load takes little of what the server could use.
"""

import json
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Request:
    """One request, ready to send."""

    method: str
    target: str
    authorization: str
    body: str = ""

    def encoded(self, host: str) -> bytes:
        """As it goes over the wire."""
        head = (
            f"{self.method} {self.target} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n"
            f"Authorization: {self.authorization}\r\n"
        )
        if self.body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(self.body)}\r\n"
        return f"{head}\r\n{self.body}".encode()


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of the requests."""

    n_answers: int
    wall_s: float
    p50_ms: float
    p95_ms: float

    @property
    def per_s(self) -> float:
        """Answers per second."""
        return self.n_answers / self.wall_s


def put_load(
    url: str, requests: Sequence[Request], *, connections: int = 8, seconds: float | None = None
) -> Measured:
    """Send the requests once each, or over and over for some seconds; another process does it.

    Raises:
        RuntimeError: an answer was no success.
    """
    given = {
        "url": url,
        "connections": connections,
        "seconds": seconds,
        "requests": [[r.method, r.target, r.authorization, r.body] for r in requests],
    }
    done = subprocess.run(
        [sys.executable, "-m", "bench.scenes.load"],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the load broke off: {done.stderr[-2000:]}")
    return Measured(**json.loads(done.stdout))


class _Line:
    """One connection."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent_at = 0.0
        self._received = bytearray()
        self._wanted = 0

    def send(self, request: bytes) -> None:
        self._received.clear()
        self._wanted = 0
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def is_answered(self) -> bool:
        """Read what is there; True when the answer is whole."""
        self._received += self.socket.recv(_MOST_BYTES)
        if not self._wanted:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return False
            head = bytes(self._received[:end]).lower()
            if not head.startswith((b"http/1.1 200", b"http/1.1 201")):
                raise RuntimeError(bytes(self._received[:1000]).decode(errors="replace"))
            length = head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]
            self._wanted = end + 4 + int(length)
        return len(self._received) >= self._wanted


def _serve(given: dict[str, Any]) -> Measured:
    parts = urlsplit(given["url"])
    requests = [Request(*each).encoded(parts.netloc) for each in given["requests"]]
    once = given["seconds"] is None
    lines = [_Line((str(parts.hostname), int(parts.port or 80)))
             for _ in range(given["connections"])]  # fmt: skip
    selector = selectors.DefaultSelector()
    times: list[float] = []
    sent = 0
    began = time.perf_counter()
    until = began + (given["seconds"] or 1e9)
    for line in lines[: len(requests) if once else None]:
        selector.register(line.socket, selectors.EVENT_READ, line)
        line.send(requests[sent % len(requests)])
        sent += 1
    under_way = sent
    while under_way:
        for key, _ in selector.select():
            line = key.data
            if not line.is_answered():
                continue
            now = time.perf_counter()
            times.append(now - line.sent_at)
            if sent < len(requests) if once else now < until:
                line.send(requests[sent % len(requests)])
                sent += 1
            else:
                under_way -= 1
    wall_s = time.perf_counter() - began
    times.sort()
    return Measured(
        len(times), wall_s, times[len(times) // 2] * 1000, times[int(len(times) * 0.95)] * 1000
    )


if __name__ == "__main__":
    found = _serve(json.load(sys.stdin))
    print(
        json.dumps(
            {
                "n_answers": found.n_answers,
                "wall_s": found.wall_s,
                "p50_ms": found.p50_ms,
                "p95_ms": found.p95_ms,
            }
        )
    )
