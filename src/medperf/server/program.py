"""What every route of a running server stands on."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection

from medperf.domain.clock import Clock
from medperf.server.call import Call, Caller, Identity
from medperf.server.db.session import Database
from medperf.server.identity import Ticket, identify

T = TypeVar("T")
_NOBODY = Caller()


@dataclass(frozen=True, slots=True)
class Program:
    """The collaborators of a running server."""

    database: Database
    identity: Identity
    clock: Clock
    threads: ThreadPoolExecutor

    def call(self, connection: Connection, ticket: Ticket, *, is_open: bool = False) -> Call:
        """Recognize the caller; an open route does not ask."""
        now = self.clock()
        caller = _NOBODY if is_open else identify(connection, ticket, now)
        return Call(connection, caller, now, self.identity)

    async def look(self, work: Callable[[], T]) -> T:
        """Do a short read.

        SQLite answers one from memory within a fraction of a millisecond and readers never wait, so
        going to a thread and back would cost more than the work.
        """
        if self.database.is_sqlite:
            return work()
        return await self.in_thread(work)

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Do blocking work beside the event loop, as many at once as there are connections."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, work)
