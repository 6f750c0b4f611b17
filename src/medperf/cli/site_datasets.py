"""The datasets of this machine's site: from raw to taking part, as one person asks for it."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medperf.cli.at_site import opened
from medperf.cli.connection import find_number
from medperf.cli.output import note
from medperf.cli.progress import waiting
from medperf.cli.site_views import plain
from medperf.domain.container_records import Container
from medperf.domain.errors import InvalidRequestError, MedPerfError, NotFoundError
from medperf.provenance.sealing import Passphrase
from medperf.runners.base import Limits
from medperf.site.agent import stop_on_signals
from medperf.site.app import Site
from medperf.site.compatibility import CompatibilityTest
from medperf.site.dataset_archive import DatasetArchive
from medperf.site.discarding import Discarding
from medperf.site.preparation import Preparation, require_raw
from medperf.site.registration import Registration
from medperf.site.resources import Capacity
from medperf.site.settings import Settings
from medperf.site.store.datasets import LocalDataset
from medperf.site.worklist import Report

Who = tuple[str | None, str | None]
"""A person's name and role, as far as they were given."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a new dataset is made from."""

    benchmark: str | None
    preparator: str | None
    data: Path | None
    labels: Path | None
    description: str


@contextmanager
def at(folder: str | None) -> Iterator["SiteDatasets"]:
    """The datasets of a site, while a command runs."""
    with opened(folder) as site:
        yield SiteDatasets(site)


class SiteDatasets:
    """What the commands do with the datasets of one site."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._registration = Registration(
            site.datasets,
            site.gate,
            site.client,
            site.records,
            site.signer,
            site_id=site.settings.site_id,
            cache=site.fingerprints,
        )

    def number_of(self, reference: str) -> int:
        """The local number of the dataset with this name, or with this number at the server."""
        try:
            return self._site.datasets.named(reference).number
        except NotFoundError:
            if not (reference.isascii() and reference.isdigit()):
                raise
        return self._site.datasets.of_server(int(reference)).number

    def record(self, number: int) -> dict[str, Any]:
        """Everything this machine knows of a dataset."""
        return _record(self._site.datasets.get(number))

    def prepare(self, name: str, begin: Beginning, who: Who) -> dict[str, Any]:
        """Begin a dataset if there is none of this name, and bring it as far as it goes.

        What is named for one that is not prepared yet takes the place of what was named before.
        """
        try:
            dataset = self._site.datasets.named(name)
        except NotFoundError:
            dataset = self._begin(name, begin)
        dataset = self._site.datasets.point_to(dataset.number, data=begin.data, labels=begin.labels)
        preparation = self._preparation()
        stop = threading.Event()
        with stop_on_signals(stop), waiting(f"Preparing {name}"):
            done = preparation.prepare(
                dataset.number, actor=self._actor(who), progress=_Said().tell, cancel=stop
            )
        return _record(done)

    def worklist(self, number: int) -> Report | None:
        """The preparator's report."""
        return self._preparation().worklist(number)

    def leaving(self, number: int) -> dict[str, Any]:
        """Exactly what a registration would send."""
        return self._registration.show(number).model_dump(mode="json")

    def _actor(self, who: Who) -> str:
        person = self._site.person(*who)
        return f"{person.name} ({person.role})"

    def kept_back(self, number: int) -> list[str]:
        """Which statistics would not leave, and why."""
        return [f"{f.path}: {f.message}" for f in self._registration.disclosed(number).findings]

    def register(self, number: int, who: Who, supersedes: str | None) -> dict[str, Any]:
        """Register a dataset; answers the server's record."""
        older = self._number_at_server("datasets", supersedes) if supersedes else None
        person = self._site.person(*who)
        done = self._registration.register(
            number, released_by=person.name, role=person.role, supersedes_id=older
        )
        registered = self._site.client.datasets.get(int(done.dataset_id or 0))
        return registered.model_dump(mode="json")

    def act(self, number: int, action: str, reason: str) -> dict[str, Any]:
        """Submit or withdraw a dataset; answers the server's record."""
        if action == "submit":
            return self._registration.submit(number, reason=reason).model_dump(mode="json")
        dataset = self._site.datasets.get(number)
        if dataset.dataset_id is None:
            raise InvalidRequestError(
                f"{dataset.name!r} is not registered", hint="There is nothing to withdraw."
            )
        done = self._site.client.datasets.act(dataset.dataset_id, action, reason)
        return done.model_dump(mode="json")

    def discard(self, number: int, reason: str, who: Who) -> dict[str, Any]:
        """Delete what was prepared; answers what this machine still knows."""
        site = self._site
        discarding = Discarding(
            site.store,
            site.datasets,
            site.jobs,
            site.ledger,
            site.steps,
            site.fingerprints,
            at_server=self._registration.at_server,
        )
        return _record(discarding.discard(number, actor=self._actor(who), reason=reason))

    def associate(self, number: int, benchmark: str, priority: int, who: Who) -> dict[str, Any]:
        """Test a dataset with a benchmark's reference model, and ask that it takes part."""
        benchmark_id = self._number_at_server("benchmarks", benchmark)
        test = CompatibilityTest(
            self._site.steps,
            self._site.folder.work / f"compatibility-{number}-{benchmark_id}",
            limits=self._limits,
        )
        stop = threading.Event()
        with stop_on_signals(stop), waiting("Testing with the reference model"):
            report = self._registration.test(number, benchmark_id, test, cancel=stop)
        person = self._site.person(*who)
        asked = self._registration.associate(
            number,
            benchmark_id,
            report,
            released_by=person.name,
            role=person.role,
            priority=priority,
        )
        return asked.model_dump(mode="json")

    def export_to(self, number: int, file: Path, passphrase: str) -> dict[str, Any]:
        """Write a dataset to an encrypted file."""
        with waiting(f"Writing {file}"):
            done = self._archive().export_dataset(number, file, Passphrase(passphrase))
        return _record(done)

    def import_from(self, file: Path, passphrase: str, name: str | None) -> dict[str, Any]:
        """Take in a dataset from an encrypted file."""
        with waiting(f"Reading {file}"):
            done = self._archive().import_dataset(file, Passphrase(passphrase), name=name)
        return _record(done)

    def _archive(self) -> DatasetArchive:
        site, settings = self._site, self._site.settings
        return DatasetArchive(
            site.datasets,
            site.folder.datasets,
            site=f"{site.log_watch.name}/{settings.site_id}",
            cache=site.fingerprints,
            reserve_bytes=settings.disk_reserve_bytes,
        )

    def _begin(self, name: str, begin: Beginning) -> LocalDataset:
        if begin.data is None or begin.labels is None:
            raise InvalidRequestError(
                f"there is no dataset {name!r} here yet, and no raw data were named",
                hint="Give --data and --labels, and --benchmark or --preparator.",
            )
        require_raw(name, begin.data, begin.labels)
        return self._site.datasets.add(
            name,
            self._preparator(begin),
            raw_data_path=begin.data,
            raw_labels_path=begin.labels,
            description=begin.description,
        )

    def _preparator(self, begin: Beginning) -> Container:
        client = self._site.client
        if begin.preparator:
            return client.containers.get(self._number_at_server("containers", begin.preparator))
        if not begin.benchmark:
            raise InvalidRequestError(
                "which preparator?", hint="Give --benchmark, or --preparator."
            )
        benchmark = client.benchmarks.get(self._number_at_server("benchmarks", begin.benchmark))
        return client.containers.get(benchmark.preparator_id)

    def _number_at_server(self, path: str, reference: str) -> int:
        return find_number(self._site.client.transport, path, reference)

    def _preparation(self) -> Preparation:
        site = self._site
        return Preparation(
            site.datasets,
            site.steps,
            limits=self._limits,
            cache=site.fingerprints,
            clock=site.clock,
        )

    def _limits(self, task: str) -> Limits:
        return limits_for(self._site.settings, task)


def limits_for(settings: Settings, task: str) -> Limits:
    """What a task that a person started may use: the site's whole share, and its time."""
    capacity = Capacity.of(settings)
    timeouts = {"infer": settings.infer_timeout_s, "evaluate": settings.evaluate_timeout_s}
    return Limits(
        memory_bytes=capacity.memory_bytes,
        cpus=capacity.cpus,
        timeout_s=timeouts.get(task, settings.prepare_timeout_s),
        output_bytes=settings.output_bytes,
        log_bytes=settings.log_bytes,
        gpus=",".join(capacity.gpus),
    )


def rows_here(folder: str) -> list[dict[str, Any]]:
    """Every dataset of a site, with its state at the server where that can be asked."""
    with opened(folder) as site:
        local = [_record(dataset) for dataset in site.datasets.all()]
        try:
            states = {one.id: one.state for one in site.client.datasets.list(mine=True)}
        except MedPerfError as error:
            note(f"The server's view is missing: {error}")
            states = {}
    return [{**record, "state": states.get(record["id"] or 0)} for record in local]


def record_here(folder: str, reference: str) -> dict[str, Any]:
    """Everything a site knows of one dataset."""
    with at(folder) as here:
        return here.record(here.number_of(reference))


def prepare(folder: str | None, name: str, begin: Beginning, who: Who) -> dict[str, Any]:
    """Prepare a dataset, or go on with it."""
    with at(folder) as here:
        return here.prepare(name, begin, who)


def worklist_of(folder: str | None, reference: str, *, is_all: bool) -> dict[str, Any]:
    """The cases of a dataset that wait for a person, or all of them."""
    with at(folder) as here:
        report = here.worklist(here.number_of(reference))
    if report is None:
        return {"counts": {}, "cases": []}
    cases = report.cases if is_all else report.outstanding
    return {
        "counts": dict(report.counts),
        "cases": [{**asdict(case), "needs_attention": case.needs_attention} for case in cases],
    }


def _record(dataset: LocalDataset) -> dict[str, Any]:
    record: dict[str, Any] = plain(
        {
            "id": dataset.dataset_id,
            "name": dataset.name,
            "description": dataset.description,
            "preparation": dataset.state,
            "preparator": {"id": dataset.preparator.id, "name": dataset.preparator.name},
            "fingerprint": dataset.fingerprint,
            "n_cases": dataset.n_cases,
            "statistics": dataset.statistics,
            "raw_data_path": dataset.raw_data_path,
            "raw_labels_path": dataset.raw_labels_path,
            "data_path": dataset.data_path,
            "labels_path": dataset.labels_path,
            "attempts": dataset.attempts,
            "prepared_at": dataset.prepared_at,
            "created_at": dataset.created_at,
        }
    )
    return record


class _Said:
    """Tells a person each task as it begins, and how the cases stand when that changes."""

    def __init__(self) -> None:
        self._last: tuple[str, Mapping[str, int]] | None = None

    def tell(self, task: str, report: Report | None) -> None:
        counts = dict(report.counts) if report else {}
        if (task, counts) != self._last:
            self._last = (task, counts)
            cases = ", ".join(f"{number} {name}" for name, number in counts.items())
            note(f"{task}: {cases}" if cases else task)
