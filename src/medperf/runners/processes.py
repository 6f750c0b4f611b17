"""What a tree of processes uses, read from ``/proc``."""

import os
from collections.abc import Iterator
from pathlib import Path

from medperf.runners.supervision import Load

_PAGE = os.sysconf("SC_PAGE_SIZE")


def load_of(root: int, memory_limit_bytes: int) -> Load:
    """Add up memory and threads of everything that descends from process ``root``.

    Private memory is the cheap measure, but it counts what forked processes share once for each;
    so when the sum is over the limit it is taken again, proportionally shared.
    """
    found = list(descendants_of(root))
    memory = sum(_private_bytes(process) for process in found)
    if memory > memory_limit_bytes:
        memory = sum(_fair_bytes(process) for process in found)
    return Load(memory, sum(len(_threads(process)) for process in found))


def children_of(process: int) -> list[int]:
    """The processes that ``process`` (with one thread) started or adopted."""
    return [int(child) for child in _read(f"/proc/{process}/task/{process}/children").split()]


def descendants_of(root: int) -> Iterator[int]:
    """Yield everything below ``root``; a process that ends meanwhile is left out."""
    ahead = [root]  # a list of what is to come: a step may nest deeper than functions may
    while ahead:
        process = ahead.pop()
        for thread in _threads(process):
            children = _read(f"/proc/{process}/task/{thread}/children").split()
            ahead += map(int, children)
            yield from map(int, children)


def _private_bytes(process: int) -> int:
    fields = _read(f"/proc/{process}/statm").split()
    return max(0, int(fields[1]) - int(fields[2])) * _PAGE if fields else 0


def _fair_bytes(process: int) -> int:
    for line in _read(f"/proc/{process}/smaps_rollup").splitlines():
        if line.startswith("Pss_Anon:"):
            return int(line.split()[1]) * 1024
    return _private_bytes(process)


def _threads(process: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{process}/task")  # noqa: PTH208  # names only, and fast
    except OSError:
        return []


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii")
    except OSError:
        return ""
