"""Prepare a dataset: prepare, check, describe, fingerprint; stopped anywhere, it goes on there.

The preparator's ``prepare`` may end with a non-zero exit: not finished. A person then works through
the report's worklist, and the next attempt gets the same output folders again. When it is finished,
``sanity_check`` and ``statistics`` run, and the prepared files are fingerprinted. Each state is in
the store before it is acted on, so after ``kill -9`` the same call resumes; while one process
prepares a dataset, another one is refused.
"""

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medperf.domain.clock import Clock
from medperf.domain.errors import (
    CancelledError,
    ConflictError,
    EmptyInputError,
    InvalidDataError,
    MedPerfError,
    PreparationIncompleteError,
)
from medperf.runners.base import Limits
from medperf.site.data_files import holds_files
from medperf.site.file_lock import drop_lock, take_lock
from medperf.site.fingerprint import fingerprint
from medperf.site.fingerprint_cache import FingerprintCache
from medperf.site.report_watch import Progress, ReportWatch
from medperf.site.statistics import count_cases, read_statistics
from medperf.site.steps import ReadyContainer, StepResult, Steps
from medperf.site.store.datasets import Datasets, LocalDataset
from medperf.site.worklist import Report, read_report

KEPT_LOGS = 30
POLL_S = 1.0


def _random_id() -> str:
    return secrets.token_hex(4)


class Preparation:
    """Takes the datasets of a site from raw to prepared."""

    def __init__(
        self,
        datasets: Datasets,
        steps: Steps,
        *,
        limits: Callable[[str], Limits],
        cache: FingerprintCache,
        clock: Clock,
        new_id: Callable[[], str] = _random_id,
        poll_s: float = POLL_S,
    ) -> None:
        """Collaborators; ``limits`` answers what a task may use."""
        self._datasets = datasets
        self._steps = steps
        self._limits = limits
        self._cache = cache
        self._clock = clock
        self._new_id = new_id
        self._poll_s = poll_s

    def prepare(
        self,
        number: int,
        *,
        actor: str,
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> LocalDataset:
        """Bring a dataset as far as it goes without a person.

        Args:
            number: the local number.
            actor: who asks, for the history.
            progress: called when a task begins and whenever the report changes.
            cancel: set it to stop; what is done is kept.

        Raises:
            PreparationIncompleteError: cases wait for a person; see :meth:`worklist`.
            InvalidDataError: the sanity check refused the prepared data.
            EmptyInputError: the raw data or labels are missing or empty.
            MalformedFileError: the preparator's report is not one.
            StepFailedError: or a class below it: the preparator failed.
            ConflictError: another process prepares it now, or it was imported without raw data.
            TransitionError: it is prepared already.
            CancelledError: ``cancel`` was set.
            MedPerfError: as ``Steps.run`` and ``fingerprint``.
        """
        dataset = self._datasets.get(number)
        _require_raw(dataset)
        with only_one(dataset):
            dataset = self._begin(number, actor)
            watch = ReportWatch(dataset.folder.report_path, progress, self._poll_s)
            try:
                ready = self._steps.ready(dataset.preparator, cancel=cancel)
                if dataset.state == "preparing":
                    self._prepare(dataset, ready, watch, cancel)
                    self._datasets.act(number, "finish", actor=actor)
                self._check(dataset, ready, watch, cancel)
                found = self._describe(dataset, ready, watch, cancel)
            except InvalidDataError as error:
                self._datasets.act(number, "refuse", actor=actor, reason=error.code, step_id=None)
                raise
            except BaseException as error:
                self._datasets.act(number, "stop", actor=actor, reason=_code(error), step_id=None)
                raise
            return self._datasets.act(number, "pass", actor=actor, step_id=None, **found)

    def worklist(self, number: int) -> Report | None:
        """The preparator's report, also while it runs; None when there is none.

        Raises:
            MalformedFileError: it is not a report.
        """
        return read_report(self._datasets.get(number).folder.report_path)

    def _begin(self, number: int, actor: str) -> LocalDataset:
        """Take up the dataset; what a killed attempt left running is removed."""
        dataset = self._datasets.get(number)
        if dataset.state not in {"preparing", "checking"}:
            return self._datasets.act(number, "prepare", actor=actor)
        if dataset.step_id is not None:
            self._steps.cleanup(dataset.preparator, dataset.step_id)
        return dataset

    def _prepare(
        self,
        dataset: LocalDataset,
        ready: ReadyContainer,
        watch: ReportWatch,
        cancel: threading.Event | None,
    ) -> None:
        folder = dataset.folder
        raw = {"data_path": dataset.raw_data_path, "labels_path": dataset.raw_labels_path}
        outputs = {
            "output_path": folder.data_path,
            "output_labels_path": folder.labels_path,
            "metadata_path": folder.metadata_path,
        }
        for output in outputs.values():
            output.mkdir(parents=True, exist_ok=True)
        with watch.during("prepare"):
            result = self._run(
                dataset,
                ready,
                "prepare",
                {key: path for key, path in raw.items() if path is not None},
                {**outputs, "report_file": folder.report_path},
                cancel,
            )
        report = read_report(folder.report_path)
        if result.outcome.exit_code != 0:
            raise _incomplete("preparation is not finished", report, result)

    def _check(
        self,
        dataset: LocalDataset,
        ready: ReadyContainer,
        watch: ReportWatch,
        cancel: threading.Event | None,
    ) -> None:
        watch.tell("sanity_check")
        result = self._run(dataset, ready, "sanity_check", _prepared(dataset), {}, cancel)
        if result.outcome.exit_code == 0:
            return
        report = read_report(dataset.folder.report_path)
        if report is not None:
            raise _incomplete("the sanity check found something", report, result)
        raise InvalidDataError(
            f"the sanity check of {dataset.name!r} refused the prepared data;"
            f" its log is {result.outcome.log_path}",
            exit_code=result.outcome.exit_code,
        )

    def _describe(
        self,
        dataset: LocalDataset,
        ready: ReadyContainer,
        watch: ReportWatch,
        cancel: threading.Event | None,
    ) -> dict[str, Any]:
        watch.tell("statistics")
        path = dataset.folder.statistics_path
        path.unlink(missing_ok=True)  # what an earlier attempt wrote describes other files
        result = self._run(
            dataset, ready, "statistics", _prepared(dataset), {"output_path": path}, cancel
        )
        statistics = read_statistics(path, log_path=result.outcome.log_path)
        watch.tell("fingerprint")
        found = fingerprint(dataset.roots, cache=self._cache, cancel=cancel)
        report = read_report(dataset.folder.report_path)
        return {
            "fingerprint": found.digest,
            "statistics": statistics,
            "n_cases": count_cases(statistics, report, dataset.data_path),
            "prepared_at": self._clock(),
        }

    def _run(
        self,
        dataset: LocalDataset,
        ready: ReadyContainer,
        task: str,
        inputs: Mapping[str, Path],
        outputs: Mapping[str, Path],
        cancel: threading.Event | None,
    ) -> StepResult:
        attempt = self._datasets.get(dataset.number).attempts + 1
        step_id = f"dataset{dataset.number}-{task}-{self._new_id()}"
        self._datasets.remember(dataset.number, step_id=step_id, attempts=attempt)
        _remove_old_logs(dataset.folder.logs)
        return self._steps.run(
            ready,
            task,
            step_id=step_id,
            inputs=inputs,
            outputs=outputs,
            log_path=dataset.folder.logs / f"{attempt:04}-{task}.log",
            limits=self._limits(task),
            cancel=cancel,
        )


def _code(error: BaseException) -> str:
    if isinstance(error, MedPerfError):
        return error.code
    return MedPerfError.code if isinstance(error, Exception) else CancelledError.code


def _prepared(dataset: LocalDataset) -> Mapping[str, Path]:
    found = {"data_path": dataset.data_path, "labels_path": dataset.labels_path}
    if holds_files(dataset.folder.metadata_path):
        found["metadata_path"] = dataset.folder.metadata_path
    return found


def require_raw(name: str, data: Path, labels: Path) -> None:
    """Refuse raw data or labels that are not there.

    Raises:
        EmptyInputError: there is no such path, or no file in it.
    """
    for what, path in (("raw data", data), ("raw labels", labels)):
        if not path.exists():
            raise EmptyInputError(f"the {what} of {name!r} do not exist: {path}")
        if not holds_files(path):
            raise EmptyInputError(f"the {what} of {name!r} hold no file: {path}")


def _require_raw(dataset: LocalDataset) -> None:
    data, labels = dataset.raw_data_path, dataset.raw_labels_path
    if data is None or labels is None:
        raise ConflictError(
            f"{dataset.name!r} was imported; its raw data are on the machine it came from"
        )
    require_raw(dataset.name, data, labels)


def _incomplete(what: str, report: Report | None, result: StepResult) -> PreparationIncompleteError:
    waiting = len(report.outstanding) if report else 0
    cases = f"{waiting} of {len(report.cases)} cases need a person" if report else "no report"
    return PreparationIncompleteError(
        f"{what}: {cases} (exit code {result.outcome.exit_code});"
        f" the log is {result.outcome.log_path}",
        # Without a report there is no case to correct: it is the data as a whole, or their paths.
        hint=None
        if report
        else "Read the log, correct the raw data or their paths (--data,"
        " --labels), and prepare again.",
        n_outstanding=waiting,
        exit_code=result.outcome.exit_code,
        log=str(result.outcome.log_path),
    )


def _remove_old_logs(folder: Path) -> None:
    if folder.is_dir():
        for log in sorted(folder.iterdir())[:-KEPT_LOGS]:
            log.unlink(missing_ok=True)


@contextmanager
def only_one(dataset: LocalDataset) -> Iterator[None]:
    """Hold the dataset's lock; the system lets go of it when the process dies."""
    held = take_lock(dataset.folder.lock)
    if held is None:
        raise ConflictError(
            f"{dataset.name!r} is being prepared, registered or discarded by another process",
            hint="Wait until it is done: see it with 'medperf dataset show', or stop it.",
        )
    try:
        yield
    finally:
        drop_lock(held)
