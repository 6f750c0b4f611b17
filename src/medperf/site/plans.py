"""What a job means: the records, containers and local dataset behind its three numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from medperf.domain.ai_models import Model
from medperf.domain.benchmarks import Benchmark
from medperf.domain.container_records import Container
from medperf.domain.errors import NotFoundError
from medperf.provenance.canonical import digest_of
from medperf.provenance.predicates import ExecutionInputs
from medperf.site.grants import execution_inputs
from medperf.site.records import Records


class LocalDataset(Protocol):
    """A prepared dataset on this machine."""

    @property
    def name(self) -> str:
        """What people here call it."""
        ...

    @property
    def fingerprint(self) -> str | None:
        """Its fingerprint when it was registered."""
        ...

    @property
    def n_cases(self) -> int | None:
        """How many cases it has, if that is known."""
        ...

    @property
    def data_path(self) -> Path:
        """What models see."""
        ...

    @property
    def labels_path(self) -> Path:
        """What evaluators compare with."""
        ...

    @property
    def roots(self) -> Mapping[str, Path]:
        """The folders that the fingerprint covers, by name."""
        ...


class LocalDatasets(Protocol):
    """The datasets of this site."""

    def of_server(self, dataset_id: int) -> LocalDataset:
        """The local dataset that is registered under this number.

        Raises:
            NotFoundError: none is.
        """
        ...


@dataclass(frozen=True, slots=True)
class ExecutionPlan:
    """Everything needed to execute one pair, all of it found by this site itself."""

    benchmark: Benchmark
    model: Model
    model_container: Container
    evaluator: Container
    dataset: LocalDataset
    inputs: ExecutionInputs
    preparator: Container

    @property
    def predictions_key(self) -> str:
        """Names what the model answers: who asks for it and who scores it do not matter."""
        made_of = [self.model_container.digest, self.inputs.dataset_fingerprint]
        return digest_of(made_of).partition(":")[2]


class Planner:
    """Finds what a job means."""

    def __init__(self, records: Records, datasets: LocalDatasets) -> None:
        self._records = records
        self._datasets = datasets
        self._known: dict[tuple[int, int, int], ExecutionPlan] = {}

    def plan(self, benchmark_id: int, model_id: int, dataset_id: int) -> ExecutionPlan:
        """Find everything behind a pair; what was found once cannot change any more.

        Raises:
            NotFoundError: the dataset is not on this machine, or something is not visible.
            UnavailableError: the server is needed and away.
            DigestMismatchError: a record is not what its digest promises.
        """
        pair = (benchmark_id, model_id, dataset_id)
        if pair not in self._known:
            self._known[pair] = self._find(*pair)
        return self._known[pair]

    def known(self, benchmark_id: int, model_id: int, dataset_id: int) -> ExecutionPlan | None:
        """What `plan` found before; asks nobody."""
        return self._known.get((benchmark_id, model_id, dataset_id))

    def _find(self, benchmark_id: int, model_id: int, dataset_id: int) -> ExecutionPlan:
        benchmark = self._records.benchmark(benchmark_id)
        container = self._records.model_container(model_id)
        evaluator = self._records.container(benchmark.evaluator_id)
        dataset = self._datasets.of_server(dataset_id)
        if dataset.fingerprint is None:
            raise NotFoundError(f"dataset {dataset_id} has no fingerprint at this site")
        return ExecutionPlan(
            benchmark=benchmark,
            model=self._records.model(model_id),
            model_container=container,
            evaluator=evaluator,
            dataset=dataset,
            preparator=self._records.container(benchmark.preparator_id),
            inputs=execution_inputs(
                benchmark,
                dataset_id=dataset_id,
                fingerprint=dataset.fingerprint,
                model_id=model_id,
                model=container,
                evaluator=evaluator,
            ),
        )
