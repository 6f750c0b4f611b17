"""How a site is: one tree of values for the command line and for pages."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from medperf.site.file_lock import is_locked
from medperf.site.folder import SiteFolder
from medperf.site.link import Link, LinkState
from medperf.site.policy_in_force import SitePolicy
from medperf.site.records import Records
from medperf.site.settings import Settings
from medperf.site.store.connection import Store
from medperf.site.store.datasets import Datasets
from medperf.site.store.jobs import Job, Jobs
from medperf.site.store.leases import Holder, holder_of

_MOST_FINDINGS = 3
"""More of them are for 'medperf site inbox' and 'medperf execution diagnose'."""


@dataclass(frozen=True, slots=True)
class JobStatus:
    """One job. ``waiting_for`` says what has to happen next, and is empty while it runs."""

    number: int
    benchmark: str
    model: str
    dataset: str
    state: str
    waiting_for: str
    since: datetime
    next_attempt_at: datetime | None
    attempts: int
    execution_id: int | None
    result_id: int | None
    problem: str


@dataclass(frozen=True, slots=True)
class PolicyStatus:
    """The policy in force; while ``problem`` says something, everything is denied."""

    version: int | None
    digest: str
    rules: tuple[str, ...]
    problem: str


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """A site, its agent, its server, its jobs."""

    name: str
    site_id: int
    server: str
    folder: Path
    settings: Settings
    policy: PolicyStatus
    agent_runs: bool
    agent: Holder | None
    """Who is the agent, or was it last."""
    link: LinkState
    jobs: tuple[JobStatus, ...]
    counts: Mapping[str, int]
    free_bytes: int

    @property
    def n_waiting_for_person(self) -> int:
        """How many questions the inbox holds."""
        return self.counts.get("waiting_to_run", 0) + self.counts.get("waiting_to_release", 0)


def site_status(
    folder: SiteFolder,
    settings: Settings,
    store: Store,
    jobs: Jobs,
    link: Link,
    records: Records,
    datasets: Datasets,
    policy: SitePolicy,
) -> SiteStatus:
    """Gather it; asks nothing of the server."""
    runs = is_locked(folder.lock)
    names = {d.dataset_id: d.name for d in datasets.all() if d.dataset_id is not None}
    return SiteStatus(
        name=settings.name,
        site_id=settings.site_id,
        server=settings.server,
        folder=folder.root,
        settings=settings,
        policy=_policy_status(policy),
        agent_runs=runs,
        agent=holder_of(store),
        link=link.state(),
        jobs=tuple(_job_status(job, records, names, runs=runs) for job in jobs.in_states()),
        counts=jobs.counts(),
        free_bytes=shutil.disk_usage(folder.root).free,
    )


def _policy_status(policy: SitePolicy) -> PolicyStatus:
    current = policy.current()
    rules = tuple(rule.id for rule in current.policy.rules)
    return PolicyStatus(current.version, current.policy.digest, rules, current.problem)


def _job_status(job: Job, records: Records, names: Mapping[int, str], *, runs: bool) -> JobStatus:
    return JobStatus(
        number=job.number,
        benchmark=records.name("benchmark", job.benchmark_id),
        model=records.name("model", job.model_id),
        dataset=names.get(job.dataset_id, f"dataset {job.dataset_id}"),
        state=job.state,
        waiting_for=_waiting_for(job, runs=runs),
        since=job.changed_at,
        next_attempt_at=job.next_attempt_at,
        attempts=job.attempts,
        execution_id=job.execution_id,
        result_id=job.result_id,
        problem=_problem(job),
    )


def _waiting_for(job: Job, *, runs: bool) -> str:
    if job.is_final:
        return "the server, to hear of it" if job.failure_owed else ""
    if job.state in {"waiting_to_run", "waiting_to_release"}:
        return job.waiting_for
    if not runs:
        return "the agent, which is not running"
    if job.waiting_for:
        return job.waiting_for
    return {"queued": "the agent to look at it", "ready": "a grant", "granted": "a worker"}.get(
        job.state, ""
    )


def _problem(job: Job) -> str:
    if job.findings and job.state == "waiting_to_release":
        return f"notes for whoever decides: {len(job.findings)}"
    if job.findings and job.state != "reported":
        told = [f"{f.path or 'document'}: {f.message}" for f in job.findings[:_MOST_FINDINGS]]
        more = len(job.findings) - len(told)
        return "; ".join(told) + (f"; and {more} more" if more else "")
    return f"{job.failure.code}: {job.failure.detail}" if job.failure else ""
