"""One pass of the agent in the foreground, for the executions that a person names."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from medperf.cli.connection import find_number
from medperf.cli.progress import waiting
from medperf.cli.site_datasets import SiteDatasets, Who
from medperf.cli.site_views import status_record
from medperf.domain.errors import TransitionError
from medperf.site.acting import Person
from medperf.site.app import Site
from medperf.site.store.jobs import Job


@dataclass(frozen=True, slots=True)
class Choice:
    """Which executions are meant; None means all."""

    benchmark: str | None
    dataset: str | None
    model: str | None


def run(site: Site, choice: Choice, who: Who) -> list[dict[str, Any]]:
    """Say yes to the chosen jobs, do everything that can be done, and answer how they stand.

    Raises:
        StoreLockedError: an agent runs already; it does the same.
        UnavailableError: the server is away.
    """
    wanted = _numbers(site, choice)
    agent = site.agent()
    with waiting("Fetching work"):
        agent.settle()
    person = site.person(*who)
    for job in list(_chosen(site, wanted)):
        if job.state == "waiting_to_run":
            site.review.approve(job.number, person, reason="medperf run")
        elif job.state == "failed":
            _retry(site, job, person)
    with waiting("Running"):
        agent.settle()
    chosen = {job.number for job in _chosen(site, wanted)}
    return [job for job in status_record(site)["jobs"] if job["job_id"] in chosen]


def _retry(site: Site, job: Job, person: Person) -> None:
    try:
        site.review.retry(job.number, person, reason="medperf run")
    except TransitionError:
        return  # somebody was quicker
    site.agent().settle()
    if site.jobs.get(job.number).state == "waiting_to_run":
        site.review.approve(job.number, person, reason="medperf run")


def _numbers(site: Site, choice: Choice) -> dict[str, int]:
    transport, found = site.client.transport, {}
    if choice.benchmark:
        found["benchmark_id"] = find_number(transport, "benchmarks", choice.benchmark)
    if choice.model:
        found["model_id"] = find_number(transport, "models", choice.model)
    if choice.dataset:
        here = SiteDatasets(site).number_of(choice.dataset)
        found["dataset_id"] = int(site.datasets.get(here).dataset_id or 0)
    return found


def _chosen(site: Site, wanted: dict[str, int]) -> Iterator[Job]:
    for job in site.jobs.in_states():
        if all(getattr(job, key) == number for key, number in wanted.items()):
            yield job
