"""Run a model on a dataset and score what it answered, each at most once.

A step writes into a folder that nothing reads. Once it is whole it gets its place by a rename and a
line in the store, in this order; a step without its line was interrupted and runs again from an
empty folder. Predictions whose place and line are there are used again, whichever job made them.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from medperf.domain.case_table import FILE_NAME
from medperf.domain.container_records import Container
from medperf.domain.errors import (
    CancelledError,
    ConflictError,
    InvalidRequestError,
    UntrustedError,
)
from medperf.runners.base import Limits
from medperf.runners.outputs import delete
from medperf.site.fingerprint import fingerprint, verify_fingerprint
from medperf.site.fingerprint_cache import FingerprintCache
from medperf.site.folder import SiteFolder
from medperf.site.plans import ExecutionPlan
from medperf.site.steps import StepResult
from medperf.site.store.outputs import Outputs, Predictions, StepRecord

_POLL_S = 0.2
_LOCAL_OUTPUTS = "local_outputs"


class TaskRunner(Protocol):
    """Runs one task of a registered container; `medperf.site.steps.Steps` is one."""

    def run(
        self,
        container: Container,
        task: str,
        *,
        step_id: str,
        inputs: Mapping[str, Path],
        outputs: Mapping[str, Path],
        log_path: Path,
        limits: Limits,
        cancel: threading.Event | None = None,
    ) -> StepResult:
        """Run one task to its end."""
        ...

    def cleanup(self, container: Container, step_id: str) -> None:
        """Remove what a step left behind whose agent was killed."""
        ...


class Evaluation:
    """The two steps of an execution."""

    def __init__(
        self, folder: SiteFolder, outputs: Outputs, tasks: TaskRunner, cache: FingerprintCache
    ) -> None:
        self._folder = folder
        self._outputs = outputs
        self._tasks = tasks
        self._cache = cache
        self._making: set[str] = set()
        self._made = threading.Condition()

    def infer(
        self, job: int, plan: ExecutionPlan, limits: Limits, cancel: threading.Event
    ) -> Predictions:
        """Answer with the model's predictions on the dataset, made now or before.

        Raises:
            FingerprintMismatchError: the dataset is not the registered one.
            StepFailedError: the model failed.
            MedPerfError: as `TaskRunner.run`.
        """
        verify_fingerprint(
            plan.inputs.dataset_fingerprint, plan.dataset.roots, cache=self._cache, cancel=cancel
        )
        with self._only_one(plan.predictions_key, cancel):
            kept = self._kept(plan.predictions_key)
            return kept or self._infer(job, plan, limits, cancel)

    def evaluate(
        self,
        job: int,
        plan: ExecutionPlan,
        limits: Limits,
        cancel: threading.Event,
        *,
        predictions: Predictions | None = None,
    ) -> Path:
        """Answer with the evaluator's ``results.yaml``, written now or before.

        ``predictions`` is what `infer` answered a moment ago; without it everything is verified
        again.

        Raises:
            StepFailedError: the evaluator failed.
            MedPerfError: as `infer`.
        """
        results = self.results(job)
        folder = results.parent
        done = self._outputs.step(job, "evaluate")
        if done is not None and done.is_complete and results.is_file():
            return results
        if predictions is None:
            self.infer(job, plan, limits, cancel)
        delete(folder)
        folder.mkdir(parents=True)
        record = self._run(
            job,
            plan.evaluator,
            "evaluate",
            inputs={
                "predictions": self._folder.predictions / plan.predictions_key,
                "labels": plan.dataset.labels_path,
            },
            outputs={"output_path": results, "local_outputs_path": folder / _LOCAL_OUTPUTS},
            limits=limits,
            cancel=cancel,
        )
        self._outputs.complete(record)
        return results

    def results(self, job: int) -> Path:
        """Where a job's ``results.yaml`` is once it was evaluated."""
        return self._folder.job(job) / "evaluate" / "results.yaml"

    def cases(self, job: int) -> Path:
        """Where a job's per-case table is, if the evaluator left one."""
        return self.results(job).parent / _LOCAL_OUTPUTS / FILE_NAME

    def recover(self, container_of: Mapping[tuple[int, str], Container | None]) -> None:
        """Remove what steps left that were killed with their agent; they will run again."""
        for record in self._outputs.interrupted():
            container = container_of.get((record.job, record.task))
            if container is not None:
                self._tasks.cleanup(container, record.step_id)
            self._outputs.forget(record.job, record.task)

    def _infer(
        self, job: int, plan: ExecutionPlan, limits: Limits, cancel: threading.Event
    ) -> Predictions:
        partial = self._folder.job(job) / "infer" / "predictions"
        delete(partial)
        partial.mkdir(parents=True)
        record = self._run(
            job,
            plan.model_container,
            "infer",
            inputs={"data_path": plan.dataset.data_path},
            outputs={"output_path": partial},
            limits=limits,
            cancel=cancel,
        )
        found = fingerprint({"predictions": partial}, cancel=cancel)
        place = self._folder.predictions / plan.predictions_key
        place.parent.mkdir(parents=True, exist_ok=True)
        delete(place)
        partial.rename(place)
        return self._outputs.keep_predictions(
            plan.predictions_key, record, digest=found.digest, size_bytes=found.size_bytes
        )

    def _run(
        self,
        job: int,
        container: Container,
        task: str,
        *,
        inputs: Mapping[str, Path],
        outputs: Mapping[str, Path],
        limits: Limits,
        cancel: threading.Event,
    ) -> StepRecord:
        record = self._outputs.begin(job, task)
        result = self._tasks.run(
            container,
            task,
            step_id=record.step_id,
            inputs=inputs,
            outputs=outputs,
            log_path=self._folder.job(job) / f"{task}.log",
            limits=limits,
            cancel=cancel,
        )
        return replace(
            record,
            started_at=result.outcome.started_at,
            ended_at=result.outcome.ended_at,
            runner=result.outcome.runner,
            isolation=dict(result.outcome.isolation),
            image_digest=result.image_digest,
            peak_memory_bytes=result.outcome.peak_memory_bytes,
        )

    def _kept(self, key: str) -> Predictions | None:
        kept = self._outputs.predictions(key)
        if kept is None:
            return None
        try:
            place = {"predictions": self._folder.predictions / key}
            verify_fingerprint(kept.digest, place, cache=self._cache)
        except (UntrustedError, InvalidRequestError, ConflictError):
            self._outputs.forget_predictions(key)
            return None
        return kept

    @contextmanager
    def _only_one(self, key: str, cancel: threading.Event) -> Iterator[None]:
        """Two jobs may want the same predictions at once: the second one waits for the first."""
        with self._made:
            while key in self._making:
                if cancel.is_set():
                    raise CancelledError("the job was stopped")
                self._made.wait(_POLL_S)
            self._making.add(key)
        try:
            yield
        finally:
            with self._made:
                self._making.discard(key)
                self._made.notify_all()
