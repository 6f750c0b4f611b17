"""Register a prepared dataset, make it operational, and ask that it takes part in a benchmark.

What leaves is built here and shown first: fingerprint, number of cases, statistics, and the site's
signed statement about them. It leaves through the gate. Each act can be repeated after a crash:
what the server has already is taken up instead of registered again.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Protocol

from medperf.client.api import ServerClient
from medperf.domain.associations import Association, AssociationForm, AssociationKind
from medperf.domain.benchmarks import Benchmark
from medperf.domain.container_records import Container
from medperf.domain.datasets import Dataset, DatasetForm
from medperf.domain.errors import ConflictError, DuplicateError, NotFoundError, TransitionError
from medperf.policy.dataset_statistics import DisclosedStatistics
from medperf.provenance.canonical import digest_of, read_json
from medperf.provenance.envelope import sign
from medperf.provenance.keys import Signer
from medperf.provenance.predicates import DatasetPredicate
from medperf.provenance.statements import make_statement
from medperf.site.compatibility import CompatibilityTest
from medperf.site.compatibility_report import CompatibilityReport, Workflow, WorkflowData
from medperf.site.fingerprint import verify_fingerprint
from medperf.site.fingerprint_cache import FingerprintCache
from medperf.site.preparation import only_one
from medperf.site.store.datasets import Datasets, LocalDataset


class Door(Protocol):
    """The ways out that are needed here; ``medperf.site.gate.Gate`` has them."""

    def disclose_statistics(
        self, statistics: dict[str, Any], *, n_cases: int, preparator_id: int, fingerprint: str
    ) -> DisclosedStatistics:
        """What of the statistics may leave."""
        ...

    def register_dataset(self, form: DatasetForm, *, released_by: str, role: str) -> Dataset:
        """Send a registration."""
        ...

    def request_association(
        self, form: AssociationForm, *, released_by: str, role: str
    ) -> Association:
        """Send a request."""
        ...


class KnownRecords(Protocol):
    """What the server registered; ``medperf.site.records.Records`` has it."""

    def benchmark(self, number: int) -> Benchmark:
        """A benchmark."""
        ...

    def container(self, number: int) -> Container:
        """A container."""
        ...

    def model_container(self, number: int) -> Container:
        """The container of a model."""
        ...


class Registration:
    """Takes the datasets of a site from prepared to taking part."""

    def __init__(
        self,
        datasets: Datasets,
        door: Door,
        client: ServerClient,
        records: KnownRecords,
        signer: Signer,
        *,
        site_id: int,
        cache: FingerprintCache,
    ) -> None:
        self._datasets = datasets
        self._door = door
        self._client = client
        self._records = records
        self._signer = signer
        self._site_id = site_id
        self._cache = cache

    def show(self, number: int, *, supersedes_id: int | None = None) -> DatasetForm:
        """Build exactly what would leave, for a person to see; the files are verified first.

        Raises:
            ConflictError: the dataset is not prepared.
            FingerprintMismatchError: its files are not the ones that were prepared.
        """
        dataset = self._datasets.get(number)
        if (
            dataset.fingerprint is None
            or dataset.statistics is None
            or dataset.n_cases is None
            or dataset.prepared_at is None
        ):
            raise ConflictError(
                f"{dataset.name!r} is {dataset.state}; only a prepared dataset can be registered",
                hint="Run 'medperf dataset prepare' until nothing is outstanding.",
            )
        verify_fingerprint(dataset.fingerprint, dataset.roots, cache=self._cache)
        statistics = self.disclosed(number).values
        predicate = DatasetPredicate(
            site_id=self._site_id,
            fingerprint=dataset.fingerprint,
            preparator_image_digest=dataset.preparator.image_digest,
            preparator_parameters_digest=dataset.preparator.parameters_digest,
            statistics_digest=digest_of(statistics),
            prepared_at=dataset.prepared_at,
        )
        envelope = sign(make_statement(predicate.subjects(), predicate), self._signer)
        return DatasetForm(
            name=dataset.name,
            description=dataset.description,
            preparator_id=dataset.preparator.id,
            fingerprint=dataset.fingerprint,
            n_cases=dataset.n_cases,
            statistics=statistics,
            statement=read_json(envelope.to_bytes()),
            supersedes_id=supersedes_id,
        )

    def disclosed(self, number: int) -> DisclosedStatistics:
        """What of a prepared dataset's statistics would leave, and why the rest would not.

        Raises:
            ConflictError: the dataset is not prepared.
            WithheldError: they hold something that may not leave in any form.
        """
        dataset = self._datasets.get(number)
        if dataset.statistics is None or dataset.fingerprint is None:
            raise ConflictError(f"{dataset.name!r} is {dataset.state} and has no statistics yet")
        return self._door.disclose_statistics(
            dataset.statistics,
            n_cases=dataset.n_cases or 0,
            preparator_id=dataset.preparator.id,
            fingerprint=dataset.fingerprint,
        )

    def register(
        self, number: int, *, released_by: str, role: str, supersedes_id: int | None = None
    ) -> LocalDataset:
        """Register a dataset; it starts in development. Registered already, it is left as it is.

        Raises:
            WithheldError: the statistics hold something that may not leave.
            DuplicateError: another dataset here has the same files and is registered.
            MedPerfError: as :meth:`show`, or as the server answers.
        """
        with only_one(self._datasets.get(number)):
            dataset = self._datasets.get(number)
            if dataset.dataset_id is not None:
                return dataset
            form = self.show(number, supersedes_id=supersedes_id)
            registered = self.at_server(dataset)
            if registered is None:
                self._require_new(dataset)
                registered = self._door.register_dataset(form, released_by=released_by, role=role)
            return self._datasets.act(
                number, "register", actor=released_by, dataset_id=registered.id
            )

    def at_server(self, dataset: LocalDataset) -> Dataset | None:
        """What the server has of a dataset and is not withdrawn there, if anything.

        Also what an attempt registered that was killed before it heard so, as long as it belongs to
        no other dataset here.
        """
        if dataset.dataset_id is not None:
            found = self._client.datasets.get(dataset.dataset_id)
            return None if found.state == "withdrawn" else found
        return next((one for one, holder in self._same_files(dataset) if holder is None), None)

    def _require_new(self, dataset: LocalDataset) -> None:
        for one, holder in self._same_files(dataset):
            if holder is not None:
                raise DuplicateError(
                    f"the files of {dataset.name!r} are registered already, as dataset {one.id}:"
                    f" here it is {holder.name!r}",
                    hint=f"Use that one; 'medperf dataset discard' deletes {dataset.name!r}.",
                )

    def _same_files(self, dataset: LocalDataset) -> Iterator[tuple[Dataset, LocalDataset | None]]:
        """What the site registered of these files and did not withdraw, and which it is here."""
        for found in self._client.datasets.list(
            fingerprint=dataset.fingerprint, site_id=self._site_id
        ):
            if found.state != "withdrawn" and found.preparator_id == dataset.preparator.id:
                holder = None
                with suppress(NotFoundError):
                    holder = self._datasets.of_server(found.id)
                yield found, holder

    def submit(self, number: int, *, reason: str = "") -> Dataset:
        """Make a registered dataset operational: from then on it does not change.

        Raises:
            ConflictError: it is not registered.
            FingerprintMismatchError: its files are not the registered ones.
            NotOperationalError: its preparator is not operational.
        """
        dataset = self._datasets.get(number)
        dataset_id = _registered(dataset)
        verify_fingerprint(str(dataset.fingerprint), dataset.roots, cache=self._cache)
        with suppress(TransitionError):
            return self._client.datasets.act(dataset_id, "submit", reason)
        found = self._client.datasets.get(dataset_id)
        if found.state != "operation":
            raise ConflictError(f"dataset {dataset_id} is {found.state} and cannot be submitted")
        return found

    def test(
        self,
        number: int,
        benchmark_id: int,
        test: CompatibilityTest,
        *,
        progress: Callable[[str], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> CompatibilityReport:
        """Run the benchmark's reference model on the prepared dataset; nothing is sent.

        Raises:
            ConflictError: the dataset was made by another preparator than the benchmark's.
            MedPerfError: as ``CompatibilityTest.run``.
        """
        dataset = self._datasets.get(number)
        benchmark = self._records.benchmark(benchmark_id)
        _require_same_preparator(dataset, benchmark)
        verify_fingerprint(
            str(dataset.fingerprint), dataset.roots, cache=self._cache, cancel=cancel
        )
        workflow = Workflow(
            model=self._records.model_container(benchmark.reference_model_id),
            evaluator=self._records.container(benchmark.evaluator_id),
            plan=benchmark.analysis_plan,
        )
        data = WorkflowData(dataset.data_path, dataset.labels_path, dataset.n_cases)
        return test.run(workflow, data, progress=progress, cancel=cancel)

    def associate(
        self,
        number: int,
        benchmark_id: int,
        report: CompatibilityReport,
        *,
        released_by: str,
        role: str,
        priority: int = 0,
    ) -> Association:
        """Ask that a dataset takes part, backed by a compatibility test that passed.

        Raises:
            MedPerfError: the test's own error when it failed; as the server answers.
            ConflictError: the dataset is not registered, or of another preparator.
        """
        dataset = self._datasets.get(number)
        dataset_id = _registered(dataset)
        benchmark = self._records.benchmark(benchmark_id)
        _require_same_preparator(dataset, benchmark)
        if report.error is not None:
            raise report.error
        form = AssociationForm(
            benchmark_id=benchmark_id,
            kind=AssociationKind.DATASET,
            dataset_id=dataset_id,
            compatibility={
                **report.outcome(),
                "benchmark": benchmark.digest,
                "dataset": dataset.fingerprint,
            },
            priority=priority,
        )
        return self._door.request_association(form, released_by=released_by, role=role)


def _registered(dataset: LocalDataset) -> int:
    if dataset.dataset_id is None:
        raise ConflictError(
            f"{dataset.name!r} is not registered",
            hint="Run 'medperf dataset register' first.",
        )
    return dataset.dataset_id


def _require_same_preparator(dataset: LocalDataset, benchmark: Benchmark) -> None:
    if dataset.preparator.id != benchmark.preparator_id:
        raise ConflictError(
            f"{dataset.name!r} was prepared with container {dataset.preparator.id},"
            f" benchmark {benchmark.name!r} wants container {benchmark.preparator_id}",
            hint="Prepare the raw data again, with the benchmark's preparator.",
        )
