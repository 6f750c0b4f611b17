"""Every case scored, one after another or by several processes, whatever a single one does.

A case that cannot be scored becomes a failure with its reason, also if it takes its process down.
What is wrong with a whole file still ends the evaluation.
"""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from medperf.components.evaluator.tasks.base import UNREADABLE, Failure, Member, Scorer
from medperf.domain.errors import MedPerfError

Evidence = TypeVar("Evidence")
CRASHED = "crashed"
_STEPS = 20


def score_all(
    members: Sequence[Member],
    scorer: Scorer[Evidence],
    say: Callable[[str], None],
    *,
    in_parallel: bool,
    workers: int,
) -> list[Evidence | Failure]:
    """The outcome of every case, in order; ``say`` hears about twenty times how far it is.

    Raises:
        MedPerfError: as the scorer raises about input that is wrong as a whole.
    """
    workers = min(workers or given_cores(), len(members))
    if in_parallel and workers > 1:
        outcomes = _in_processes(members, scorer, workers)
    else:
        outcomes = (_scored(scorer, member) for member in members)
    found: list[Evidence | Failure] = []
    step = max(1, len(members) // _STEPS)
    for outcome in outcomes:
        found.append(outcome)
        if in_parallel and (len(found) % step == 0 or len(found) == len(members)):
            say(f"scored {len(found)} of {len(members)} cases")
    return found


def given_cores(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """The cores that this process may use: a container is given time of them, and sees them all.

    The fewer of those it may run on, and of what its control group's quota amounts to (version 2:
    ``cpu.max``; version 1: ``cpu.cfs_quota_us`` over ``cpu.cfs_period_us``). At least 1.
    """
    seen = len(os.sched_getaffinity(0))
    for files in (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]):
        try:
            quota, period = " ".join((groups / name).read_text() for name in files).split()
            share = float(quota) / float(period)
        except (OSError, ValueError):  # no such file, or "max" and the like: no quota
            continue
        if share > 0:  # -1 is no quota
            return max(1, min(seen, math.ceil(share)))
    return seen


def _scored(scorer: Scorer[Evidence], member: Member) -> Evidence | Failure:
    try:
        return scorer(member)
    except MedPerfError:
        raise
    except Exception as fault:  # noqa: BLE001 - a reader may raise anything on a broken file
        return Failure(UNREADABLE, f"{type(fault).__name__}: {fault}")


def _in_processes(
    members: Sequence[Member], scorer: Scorer[Evidence], workers: int
) -> Iterator[Evidence | Failure]:
    # Processes come from a fresh one that has loaded the scorer, so a new one costs little.
    context = get_context("forkserver")
    context.set_forkserver_preload([scorer.__module__])
    n_done = 0
    try:
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            for future in [pool.submit(_scored, scorer, member) for member in members]:
                yield future.result()
                n_done += 1
    except BrokenProcessPool:
        # A case took its process down, and with it every case at hand: find it, one by one.
        for member in members[n_done:]:
            try:
                with ProcessPoolExecutor(1, mp_context=context) as pool:
                    yield pool.submit(_scored, scorer, member).result()
            except BrokenProcessPool:
                yield Failure(CRASHED, "the process that scored this case was ended")
