"""How much of the machine steps may use together: who fits goes, who waits is told what for."""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from medperf.domain.container_records import Container
from medperf.runners.base import GIB, MIB, Limits
from medperf.site.fingerprint import usable_cores
from medperf.site.settings import Settings

MEMORY_SHARE = 0.8
"""Of the machine's memory, where the settings name no limit."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What the steps of one job need while they run."""

    cpus: float
    memory_bytes: int
    gpus: int = 0


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a site gives to steps."""

    workers: int
    cpus: float
    memory_bytes: int
    gpus: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings) -> "Capacity":
        """The settings' numbers, and the machine's where they name none."""
        gpus = tuple(settings.gpus.split(",")) if settings.gpus else ()
        return cls(
            settings.workers,
            settings.cpus or float(usable_cores()),
            settings.memory_bytes or int(_machine_memory() * MEMORY_SHARE),
            gpus,
        )


@dataclass(frozen=True, slots=True)
class Share:
    """What a job holds while its steps run."""

    demand: Demand
    gpus: tuple[str, ...]


class Resources:
    """Counts what is in use; safe to use from many threads."""

    def __init__(self, capacity: Capacity) -> None:
        self._lock = threading.Lock()
        self.capacity = capacity
        self._shares: list[Share] = []

    def adjust(self, capacity: Capacity) -> None:
        """Take other limits from now on; steps that run keep what they have."""
        with self._lock:
            self.capacity = capacity

    def take(self, demand: Demand) -> Share | str:
        """Take a share, or hear what there is too little of."""
        with self._lock:
            lacking = "; ".join(self._lacking(demand))
            if lacking:
                return f"waits for {lacking}"
            used = {gpu for share in self._shares for gpu in share.gpus}
            free = [gpu for gpu in self.capacity.gpus if gpu not in used]
            share = Share(demand, tuple(free[: demand.gpus]))
            self._shares.append(share)
            return share

    def give_back(self, share: Share) -> None:
        """Let others have it."""
        with self._lock:
            self._shares = [held for held in self._shares if held is not share]

    def in_use(self) -> Demand:
        """What all shares add up to."""
        with self._lock:
            return self._used()

    def _used(self) -> Demand:
        return Demand(
            sum(share.demand.cpus for share in self._shares),
            sum(share.demand.memory_bytes for share in self._shares),
            sum(len(share.gpus) for share in self._shares),
        )

    def _lacking(self, demand: Demand) -> Iterator[str]:
        used, total = self._used(), self.capacity
        if len(self._shares) >= total.workers:
            yield f"a free worker; all {total.workers} are busy"
        # A demand above the total is cut to it, or it would wait for ever.
        if min(demand.cpus, total.cpus) > total.cpus - used.cpus + 1e-9:
            yield f"{demand.cpus:g} cores; {max(0.0, total.cpus - used.cpus):g} free"
        free = total.memory_bytes - used.memory_bytes
        if min(demand.memory_bytes, total.memory_bytes) > free:
            yield f"{_gib(demand.memory_bytes)} memory; {_gib(max(0, free))} free"
        free_gpus = len(total.gpus) - used.gpus
        if min(demand.gpus, len(total.gpus)) > free_gpus:
            yield f"{demand.gpus} GPUs; {free_gpus} free"


def demand_of(settings: Settings, capacity: Capacity, *containers: Container) -> Demand:
    """What a job with these containers takes: the site's share per worker, and GPUs by request."""
    return Demand(
        settings.step_cpus or capacity.cpus / capacity.workers,
        settings.step_memory_bytes or max(64 * MIB, capacity.memory_bytes // capacity.workers),
        min(
            max((_gpus(container, len(capacity.gpus)) for container in containers), default=0),
            len(capacity.gpus),
        ),
    )


def limits_of(settings: Settings, share: Share, timeout_s: float) -> Limits:
    """What a step may use, given its job's share."""
    return Limits(
        memory_bytes=share.demand.memory_bytes,
        cpus=share.demand.cpus,
        timeout_s=timeout_s,
        output_bytes=settings.output_bytes,
        log_bytes=settings.log_bytes,
        gpus=",".join(share.gpus),
    )


def _gpus(container: Container, available: int) -> int:
    wanted = [_asked(task, available) for task in (container.config.get("tasks") or {}).values()]
    return max(wanted, default=0)


def _asked(task: object, available: int) -> int:
    run = task.get("run_args") if isinstance(task, dict) else None
    gpus = run.get("gpus") if isinstance(run, dict) else None
    if isinstance(gpus, int):
        return int(gpus)
    if isinstance(gpus, str) and gpus.startswith("device="):
        return len(gpus.split(","))
    if isinstance(gpus, str) and gpus.isdecimal():
        return int(gpus)
    return available if gpus else 0


def _machine_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 8 * GIB


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / GIB:.1f} GiB"
