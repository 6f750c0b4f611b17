"""Agents that only wait: one process holds a signed long poll for each of many sites.

As a program it reads the sites' keys, says ``waiting`` when all of them wait, and from then on
``heard <site> <time>`` whenever the server tells one of them of work.
"""

import asyncio
import hashlib
import json
import sys
import time
from typing import Any
from urllib.parse import urlsplit

from medperf.domain.clock import system_clock
from medperf.provenance.keys import PrivateKey
from medperf.provenance.request_signing import sign_request
from medperf.site.agent import POLL_WAIT_S

_NOTHING = hashlib.sha256(b"").hexdigest()
_CONNECTING_AT_ONCE = 50


class _Agent:
    """One site's long polls over one connection."""

    def __init__(self, site_id: int, pem: str, url: str, connected: asyncio.Semaphore) -> None:
        self._site_id = site_id
        self._key = PrivateKey.from_pem(pem.encode())
        self._parts = urlsplit(url)
        self._connected = connected

    async def run(self, connecting: asyncio.Semaphore) -> None:
        async with connecting:
            self._reader, self._writer = await asyncio.open_connection(
                self._parts.hostname, self._parts.port
            )
            version = int((await self._ask(-1, 0))["version"])
        self._connected.release()
        while True:
            work = await self._ask(version, POLL_WAIT_S)
            if work["version"] > version:
                print("heard", self._site_id, time.monotonic(), flush=True)
            version = int(work["version"])

    async def _ask(self, after: int, wait_s: float) -> dict[str, Any]:
        target = f"/api/v1/work?after={after}&wait_s={wait_s:g}"
        header = sign_request(self._key, "GET", target, _NOTHING, system_clock())
        self._writer.write(
            f"GET {target} HTTP/1.1\r\nHost: {self._parts.netloc}\r\n"
            f"Authorization: {header}\r\n\r\n".encode()
        )
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        body = await self._reader.readexactly(length)
        if not head.startswith(b"http/1.1 200"):
            raise RuntimeError(body.decode(errors="replace")[:500])
        answer: dict[str, Any] = json.loads(body)
        return answer


async def _run(given: dict[str, Any]) -> None:
    connected = asyncio.Semaphore(0)
    connecting = asyncio.Semaphore(_CONNECTING_AT_ONCE)
    agents = [_Agent(number, pem, given["url"], connected) for number, pem in given["sites"]]
    async with asyncio.TaskGroup() as group:
        for agent in agents:
            group.create_task(agent.run(connecting))
        for _ in agents:
            await connected.acquire()
        print("waiting", flush=True)


if __name__ == "__main__":
    asyncio.run(_run(json.loads(sys.stdin.readline())))
