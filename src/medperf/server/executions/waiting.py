"""Agents that wait for work: no thread and no connection is held while they do.

Every process keeps its own waiters and one watcher. The watcher asks the database four times a
second for the newest work version and wakes whom it concerns, so it does not matter which process
made the change.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

import structlog

from medperf.domain.errors import as_ours
from medperf.server.agreements.queries import IS_OPEN
from medperf.server.agreements.service import expire_overdue
from medperf.server.call import Call, Caller
from medperf.server.db.queries import value
from medperf.server.db.tables import agreements, executions, sites
from medperf.server.db.writing import set_where
from medperf.server.executions import queries
from medperf.server.executions.revoking import expire
from medperf.server.program import Program

POLL_S = 0.25
UPKEEP_S = 15.0

_LOG = structlog.get_logger()


class Waiters:
    """Who waits in this process, by site."""

    def __init__(self) -> None:
        # By site: each waiter's event, and the version it has seen.
        self._events: dict[int, dict[asyncio.Event, int]] = {}
        self._seen: set[int] = set()
        self.is_closing = False

    def __len__(self) -> int:
        return sum(len(events) for events in self._events.values())

    @contextmanager
    def waiting(self, site_id: int, after: int) -> Iterator[asyncio.Event]:
        """An event that is set when the site's work exceeds this version or the server stops."""
        event = asyncio.Event()
        if self.is_closing:
            event.set()
        waiting = self._events.setdefault(site_id, {})
        waiting[event] = after
        try:
            yield event
        finally:
            del waiting[event]
            if not waiting and self._events.get(site_id) is waiting:
                del self._events[site_id]

    def wake(self, changed: Iterable[tuple[int, int]]) -> None:
        """Set the events of those who have not seen their site's new version."""
        for site_id, version in changed:
            for event, after in self._events.get(site_id, {}).items():
                if after < version:
                    event.set()

    def close(self) -> None:
        """Answer everyone who waits, now and from now on: the server stops."""
        self.is_closing = True
        for waiting in self._events.values():
            for event in waiting:
                event.set()

    def saw(self, site_id: int) -> None:
        """Remember that a site asked for work; written down now and then."""
        self._seen.add(site_id)

    def take_seen(self) -> set[int]:
        """The sites that asked since this was called last."""
        seen, self._seen = self._seen, set()
        return seen


async def watch(program: Program, waiters: Waiters) -> None:
    """Wake those whose work changed, and let grants expire; runs until it is cancelled."""
    newest: int | None = None
    rounds = 0
    while True:
        try:
            if newest is None:
                newest = await program.in_thread(partial(_newest, program))
            changed = await program.in_thread(partial(_changed, program, newest))
            newest = max((version for _, version in changed), default=newest)
            waiters.wake(changed)
            if rounds % round(UPKEEP_S / POLL_S) == 0:
                await program.in_thread(partial(write_down, program, waiters.take_seen()))
        except Exception as error:  # noqa: BLE001  ended, it would wake nobody and let nothing expire
            _LOG.warning("watch_failed", code=as_ours(error).code, error=type(error).__name__)
        rounds += 1
        await asyncio.sleep(POLL_S)


def _newest(program: Program) -> int:
    with program.database.reading() as connection:
        return queries.newest_version(connection)


def _changed(program: Program, after: int) -> list[tuple[int, int]]:
    with program.database.reading() as connection:
        return queries.changed_sites(connection, after)


def write_down(program: Program, seen: set[int]) -> None:
    """Let overdue grants and agreements expire, and remember which sites were seen."""
    now = program.clock()
    with program.database.reading() as connection:
        overdue = value(
            connection, executions.c.id, queries.IS_LIVE, executions.c.expires_at <= now
        )
        is_over = value(connection, agreements.c.id, IS_OPEN, agreements.c.ends_at <= now)
    if overdue is None and is_over is None and not seen:
        return
    with program.database.writing() as connection:
        call = Call(connection, Caller(), now, program.identity)
        expire(call)
        expire_overdue(call)
        if seen:
            set_where(call, sites, sites.c.id.in_(seen), last_seen_at=now)
