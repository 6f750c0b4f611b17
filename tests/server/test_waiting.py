"""The watcher of a process: it wakes those who wait, whatever happens to it."""

import asyncio
from contextlib import suppress
from types import SimpleNamespace

import pytest

from medperf.domain.errors import UnavailableError
from medperf.server.executions import waiting
from medperf.server.executions.waiting import Waiters, watch

SITE = 1


@pytest.mark.parametrize("trouble", [UnavailableError("the database is away"), KeyError("a bug")])
def test_a_watcher_outlives_what_happens_to_it(monkeypatch, trouble: Exception) -> None:
    monkeypatch.setattr(waiting, "POLL_S", 0.001)
    monkeypatch.setattr(waiting, "UPKEEP_S", 1.0)
    answers = iter([trouble, 3, [(SITE, 4)]])

    async def in_thread(_work):
        answer = next(answers, [])
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def until_woken() -> None:
        waiters = Waiters()
        watching = asyncio.create_task(watch(SimpleNamespace(in_thread=in_thread), waiters))
        with waiters.waiting(SITE, after=3) as changed:
            await asyncio.wait_for(changed.wait(), 120)
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching

    asyncio.run(until_woken())
