"""What a site keeps of its executions, for how long, and what is never deleted.

Predictions and the folders of jobs (logs, results, values per case) are patient data: they are
deleted once nobody needs them. Needed is everything of a job that is not at its end, or whose end
the server has not heard of, and the predictions that such a job would use. The ledger, the history
and the decisions are kept for ever; they hold no predictions.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from medperf.domain.clock import Clock
from medperf.domain.errors import MedPerfError, StepOutputError
from medperf.runners.outputs import delete, measure
from medperf.site.discarding import delete_leftovers
from medperf.site.folder import SiteFolder
from medperf.site.plans import Planner
from medperf.site.settings import Settings
from medperf.site.store.connection import Store
from medperf.site.store.datasets import Datasets
from medperf.site.store.jobs import Job, Jobs
from medperf.site.store.outputs import Outputs

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Kept:
    """Something on the disk: its kind and name, since when it is there, how large it is."""

    kind: str  # predictions, job
    name: str
    since: datetime
    size_bytes: int


def expired(
    kept: Iterable[Kept], now: datetime, *, keep_days: float, keep_bytes: int | None
) -> list[Kept]:
    """What is to go, oldest first: all that is too old, then what is too much.

    Args:
        kept: what nobody needs.
        now: the time.
        keep_days: how long it stays.
        keep_bytes: how much of it stays; None for no limit.
    """
    by_age = sorted(kept, key=lambda one: (one.since, one.kind, one.name))
    total = sum(one.size_bytes for one in by_age)
    gone = []
    for one in by_age:
        is_too_much = keep_bytes is not None and total > keep_bytes
        if now - one.since < keep_days * DAY and not is_too_much:
            continue
        gone.append(one)
        total -= one.size_bytes
    return gone


class Retention:
    """Deletes what one site does not need any more."""

    def __init__(
        self,
        folder: SiteFolder,
        store: Store,
        jobs: Jobs,
        outputs: Outputs,
        datasets: Datasets,
        planner: Planner,
        settings: Callable[[], Settings],
        clock: Clock,
        log: Any,
    ) -> None:
        self._folder = folder
        self._store = store
        self._jobs = jobs
        self._outputs = outputs
        self._datasets = datasets
        self._planner = planner
        self._settings = settings
        self._clock = clock
        self._log = log

    def plan(self) -> list[Kept]:
        """What would be deleted now."""
        settings = self._settings()
        jobs = self._jobs.in_states()
        unneeded = [*self._predictions(jobs), *self._folders(jobs)]
        return expired(
            unneeded,
            self._clock(),
            keep_days=settings.keep_days,
            keep_bytes=settings.keep_bytes,
        )

    def prune(self) -> list[Kept]:
        """Delete it, and answer what was deleted."""
        gone = [one for one in self.plan() if self._put_away(one)]
        self._empty_trash()
        for dataset in delete_leftovers(self._datasets):
            self._log.warning("dataset_not_deleted", dataset=dataset.number)
        if gone:
            self._log.info("outputs_pruned", count=len(gone))
        return gone

    def _empty_trash(self) -> None:
        trash = self._folder.trash
        if not trash.is_dir():
            return
        stubborn = sum(not _is_deleted(place) for place in list(trash.iterdir()))
        if stubborn:
            self._log.warning("outputs_not_deleted", count=stubborn)
        else:
            delete(trash)

    def _put_away(self, one: Kept) -> bool:
        """Move it out of the way, unless a job needs it by now; the bytes go afterwards."""
        place = self._place(one)
        with self._store.transaction():
            jobs = self._jobs.in_states()
            again = self._predictions(jobs) if one.kind == "predictions" else self._folders(jobs)
            if not any(found.name == one.name for found in again):
                return False
            if one.kind == "predictions":
                self._outputs.forget_predictions(one.name)
            if place.exists():
                self._folder.trash.mkdir(parents=True, exist_ok=True)
                place.rename(self._folder.trash / f"{one.kind}-{one.name}")
        return True

    def _place(self, one: Kept) -> Path:
        if one.kind == "predictions":
            return self._folder.predictions / one.name
        return self._folder.job(int(one.name))

    def _predictions(self, jobs: Sequence[Job]) -> list[Kept]:
        needed = set()
        for job in jobs:
            if _is_needed(job):
                try:
                    needed.add(self._planner.plan(*job.pair).predictions_key)
                except MedPerfError:
                    return []  # who knows which predictions it needs; later then
        return [
            Kept("predictions", one.key, one.made_at, one.size_bytes)
            for one in self._outputs.all_predictions()
            if one.key not in needed
        ]

    def _folders(self, jobs: Sequence[Job]) -> list[Kept]:
        return [
            Kept("job", str(job.number), job.changed_at, _size(self._folder.job(job.number)))
            for job in jobs
            if not _is_needed(job) and self._folder.job(job.number).is_dir()
        ]


def _is_needed(job: Job) -> bool:
    return not job.is_final or job.failure_owed


def _size(folder: Path) -> int:
    try:
        return measure([folder]).size_bytes
    except StepOutputError:
        return 0  # too deep to be counted: its age decides


def _is_deleted(place: Path) -> bool:
    try:
        delete(place)
    except OSError:
        return False
    return True
