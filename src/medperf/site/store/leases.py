"""One agent per store: a lock that dies with its process, and a line that says who holds it.

The lock decides, the line informs. A killed agent's lock is gone at once, so its successor need not
wait for a heartbeat to grow old.
"""

import os
import socket
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from medperf.domain.clock import Clock
from medperf.domain.errors import StoreLockedError
from medperf.domain.identifiers import format_time, parse_time
from medperf.site.file_lock import drop_lock, take_lock
from medperf.site.store.connection import Component, Store

TABLES = Component(
    "leases",
    (
        """
CREATE TABLE leases (
  name TEXT PRIMARY KEY,
  pid INTEGER NOT NULL,
  host TEXT NOT NULL,
  since TEXT NOT NULL,
  heartbeat_at TEXT NOT NULL
);
""",
    ),
)

NAME = "agent"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lease, or held it last."""

    pid: int
    host: str
    since: datetime
    heartbeat_at: datetime


class Lease:
    """The right to be this store's agent, held from `acquire` to `release`."""

    def __init__(self, store: Store, lock: Path, clock: Clock) -> None:
        self._store = store
        self._path = lock
        self._clock = clock
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lease, at once also after an agent that was killed.

        Raises:
            StoreLockedError: another agent holds it; the message says which.
        """
        self._descriptor = take_lock(self._path)
        if self._descriptor is None:
            holder = holder_of(self._store)
            who = f"process {holder.pid} on {holder.host}" if holder else "another process"
            raise StoreLockedError(f"{who} is the agent of {self._store.path.parent}")
        now = format_time(self._clock())
        with self._store.transaction() as tx:
            tx.execute(
                "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?, ?)",
                (NAME, os.getpid(), socket.gethostname(), now, now),
            )

    def beat(self) -> None:
        """Say that the agent is alive."""
        with self._store.transaction() as tx:
            tx.execute(
                "UPDATE leases SET heartbeat_at = ? WHERE name = ?",
                (format_time(self._clock()), NAME),
            )

    def release(self) -> None:
        """Let another agent have it."""
        if self._descriptor is not None:
            drop_lock(self._descriptor)
            self._descriptor = None


def holder_of(store: Store) -> Holder | None:
    """Who holds the lease or held it last."""
    row = store.row("SELECT * FROM leases WHERE name = ?", (NAME,))
    if row is None:
        return None
    return Holder(
        row["pid"], row["host"], parse_time(row["since"]), parse_time(row["heartbeat_at"])
    )
