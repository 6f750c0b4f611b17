"""The compatibility test: a whole benchmark workflow on one machine, before anything is registered.

Demo data are prepared, checked and described, the model predicts, the evaluator scores, and the
gate examines the document as it would before a release. Nothing is sent, and no server or site is
needed. The same test backs associations: a dataset's (reference model on the prepared dataset) and
a model's (that model on the demo dataset).
"""

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medperf.domain.case_table import FILE_NAME
from medperf.domain.container_records import Container, ContainerForm
from medperf.domain.errors import (
    CancelledError,
    InvalidDataError,
    MedPerfError,
    PreparationIncompleteError,
    UnavailableError,
)
from medperf.provenance.canonical import digest_of, read_json
from medperf.runners.base import Limits
from medperf.runners.outputs import delete
from medperf.site.bootstrap_secret import LENGTH
from medperf.site.case_statistics import CaseStatistics
from medperf.site.compatibility_report import (
    CompatibilityReport,
    PartReport,
    State,
    Workflow,
    WorkflowData,
)
from medperf.site.data_files import holds_files
from medperf.site.gate import EvaluatorFiles, examine
from medperf.site.records import container_digest
from medperf.site.statistics import count_cases, read_statistics
from medperf.site.steps import StepResult, Steps
from medperf.site.worklist import read_report

Progress = Callable[[str], None]
"""Told the name of each part of the test when it begins."""


class CompatibilityTest:
    """Runs workflows in a folder of its own."""

    def __init__(
        self,
        steps: Steps,
        folder: Path,
        *,
        limits: Callable[[str], Limits],
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep what a test leaves below ``folder``: ``logs`` to read, everything else for a look.

        ``limits`` answers what a task may use; ``stopwatch`` gives seconds.
        """
        self._steps = steps
        self._folder = folder
        self._limits = limits
        self._stopwatch = stopwatch

    def run(
        self,
        workflow: Workflow,
        data: WorkflowData,
        *,
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> CompatibilityReport:
        """Run a workflow; what fails is in the report, and what comes after it is skipped.

        Raises:
            CancelledError: ``cancel`` was set.
            UnavailableError: a download, the disk or the server stands in the way for the moment.
        """
        delete(self._folder)
        self._folder.mkdir(parents=True)
        return _Run(
            self._steps,
            self._folder,
            workflow,
            data,
            self._limits,
            self._stopwatch,
            progress or (lambda _: None),
            cancel,
        ).run()


def local_record(form: ContainerForm, number: int) -> Container:
    """Stand-in for a registered container, made from what would be registered."""
    record = Container(
        **{name: getattr(form, name) for name in ContainerForm.model_fields},
        id=number,
        version=1,
        parameters_digest=None if form.parameters is None else digest_of(form.parameters),
        digest=form.image_digest,
        organization_id=1,
        owner_id=1,
        state="development",
        created_at=datetime.fromtimestamp(0, UTC),
    )
    return record.model_copy(update={"digest": container_digest(record)})


@dataclass(slots=True)
class _Run:
    steps: Steps
    folder: Path
    workflow: Workflow
    data: WorkflowData
    limits: Callable[[str], Limits]
    stopwatch: Callable[[], float]
    progress: Progress
    cancel: threading.Event | None
    parts: list[PartReport] = field(default_factory=list)
    statistics: dict[str, Any] | None = None
    document: dict[str, Any] | None = None

    def run(self) -> CompatibilityReport:
        flow = self.workflow
        named = {"model": flow.model, "evaluator": flow.evaluator}
        ahead: list[tuple[str, Callable[[], str]]] = []
        if flow.preparator is not None:
            named["preparator"] = flow.preparator
            ahead += [
                ("prepare", self._prepare),
                ("sanity_check", self._sanity_check),
                ("statistics", self._statistics),
            ]
        ahead += [("infer", self._infer), ("evaluate", self._evaluate), ("examine", self._examine)]
        error = None
        for name, part in ahead:
            if error is not None:
                self.parts.append(PartReport(name, "skipped"))
                continue
            error = self._part(name, part)
        return CompatibilityReport(
            parts=tuple(self.parts),
            error=error,
            statistics=self.statistics,
            document=self.document,
            tested={role: container.digest for role, container in named.items()},
        )

    def _part(self, name: str, part: Callable[[], str]) -> MedPerfError | None:
        self.progress(name)
        began = self.stopwatch()
        state: State = "passed"
        found: MedPerfError | None = None
        try:
            message = part()
        except (CancelledError, UnavailableError):
            raise
        except MedPerfError as error:
            state, message, found = "failed", error.detail, error
        log = self.folder / "logs" / f"{name}.log"
        seconds = self.stopwatch() - began
        self.parts.append(PartReport(name, state, seconds, message, log if log.is_file() else None))
        return found

    def _prepare(self) -> str:
        result = self._task(
            self._preparator,
            "prepare",
            {"data_path": self.data.data_path, "labels_path": self.data.labels_path},
            {
                "output_path": self._made("data"),
                "output_labels_path": self._made("labels"),
                "metadata_path": self._made("metadata"),
                "report_file": self.folder / "report.yaml",
            },
        )
        report = read_report(self.folder / "report.yaml")
        if result.outcome.exit_code != 0:
            waiting = len(report.outstanding) if report else 0
            raise PreparationIncompleteError(
                f"preparation ended with exit code {result.outcome.exit_code} and"
                f" {waiting} outstanding cases; its log is {result.outcome.log_path}"
            )
        return f"{len(report.cases)} cases" if report else ""

    def _sanity_check(self) -> str:
        result = self._task(self._preparator, "sanity_check", self._prepared(), {})
        if result.outcome.exit_code != 0:
            raise InvalidDataError(
                f"the sanity check refused the prepared data; its log is {result.outcome.log_path}"
            )
        return ""

    def _statistics(self) -> str:
        path = self.folder / "statistics.yaml"
        result = self._task(self._preparator, "statistics", self._prepared(), {"output_path": path})
        self.statistics = read_statistics(path, log_path=result.outcome.log_path)
        return f"{self._n_cases()} cases"

    def _infer(self) -> str:
        self._task(
            self.workflow.model,
            "infer",
            {"data_path": self._prepared()["data_path"]},
            {"output_path": self._made("predictions")},
        )
        return ""

    def _evaluate(self) -> str:
        self._task(
            self.workflow.evaluator,
            "evaluate",
            {
                "predictions": self.folder / "predictions",
                "labels": self._prepared()["labels_path"],
            },
            {
                "output_path": self.folder / "results.yaml",
                "local_outputs_path": self._made("local_outputs"),
            },
        )
        return ""

    def _examine(self) -> str:
        plan = self.workflow.plan
        if plan is None:
            return "no analysis plan was given: what may leave was not examined"
        left = EvaluatorFiles(
            results=self.folder / "results.yaml",
            cases=self.folder / "local_outputs" / FILE_NAME,
            fingerprint="",
            n_cases=self._n_cases(),
        )
        # Nothing leaves, and nothing is to be paired with it: a secret of the moment will do.
        secret = secrets.token_bytes(LENGTH)
        found = examine(left, plan, CaseStatistics(lambda: secret))
        if found.document is None:
            kind = type(found.error) if found.error else MedPerfError
            places = "; ".join(f"{f.path or 'the file'}: {f.message}" for f in found.findings[:5])
            raise kind(f"the results may not leave a site: {places}")
        self.document = read_json(found.document)
        return f"{found.suppressed} numbers suppressed" if found.suppressed else ""

    @property
    def _preparator(self) -> Container:
        if self.workflow.preparator is None:
            raise AssertionError("only asked for where there is one")
        return self.workflow.preparator

    def _prepared(self) -> dict[str, Path]:
        if self.workflow.preparator is None:
            return {"data_path": self.data.data_path, "labels_path": self.data.labels_path}
        is_apart = self.workflow.preparator.has_separate_labels
        labels = self.folder / ("labels" if is_apart else "data")
        found = {"data_path": self.folder / "data", "labels_path": labels}
        if holds_files(self.folder / "metadata"):
            found["metadata_path"] = self.folder / "metadata"
        return found

    def _n_cases(self) -> int | None:
        if self.workflow.preparator is None:
            return self.data.n_cases
        report = read_report(self.folder / "report.yaml")
        return count_cases(self.statistics or {}, report, self.folder / "data")

    def _made(self, name: str) -> Path:
        (self.folder / name).mkdir(exist_ok=True)
        return self.folder / name

    def _task(
        self,
        container: Container,
        task: str,
        inputs: Mapping[str, Path],
        outputs: Mapping[str, Path],
    ) -> StepResult:
        return self.steps.run(
            container,
            task,
            step_id=f"compatibility-{task}-{secrets.token_hex(4)}",
            inputs=inputs,
            outputs=outputs,
            log_path=self.folder / "logs" / f"{task}.log",
            limits=self.limits(task),
            cancel=self.cancel,
        )
