"""The only door: everything that leaves this site about its data goes through this file.

Four things leave, and nothing else does: results, failures of executions, registrations of
datasets, and requests for associations (with the outcome of a compatibility test). For each

1. the exact document that would leave is built here, from checked parts (`policy.disclosure`);
2. people, or the site's policy, let it go: who, when, and which bytes;
3. the ledger gets a line with these bytes, on disk, before anything is sent;
4. the bytes are sent, again and again if need be, until the server has answered once.

Logs, file names, predictions and values per case have no way out. The evaluator's table of cases is
read once, by `case_table`: to compute the numbers of plans that say how they follow from it, and to
know which people each number is about.
"""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from medperf.client.api import ServerClient
from medperf.client.log_watch import LogWatch
from medperf.domain import errors
from medperf.domain.associations import Association, AssociationForm, AssociationKind
from medperf.domain.benchmarks import AnalysisPlan
from medperf.domain.case_table import CaseTable
from medperf.domain.clock import Clock
from medperf.domain.datasets import Dataset, DatasetForm
from medperf.domain.executions import Failure
from medperf.domain.results import (
    TYPED,
    FreeFormResult,
    Result,
    ResultDocument,
    ResultForm,
    TypedResult,
)
from medperf.policy.dataset_statistics import (
    DisclosedStatistics,
    EarlierStatistics,
    disclose_statistics,
)
from medperf.policy.disclosure import Finding, SmallCell, check_result, check_size, check_values
from medperf.provenance.canonical import canonical_bytes, digest_of, read_json
from medperf.provenance.envelope import Envelope, sign
from medperf.provenance.grant_check import CLOCK_TOLERANCE_S
from medperf.provenance.keys import Signer
from medperf.provenance.predicates import Approval, GrantPredicate, ResultPredicate, StepTimes
from medperf.provenance.statements import Statement, make_statement, read_statement
from medperf.site.case_statistics import CaseStatistics
from medperf.site.case_table import has_evidence, read_case_table
from medperf.site.plans import ExecutionPlan
from medperf.site.screening import Screening
from medperf.site.store.jobs import Decision, Job
from medperf.site.store.ledger import Ledger, LedgerLine
from medperf.site.store.outputs import Outputs, Predictions, StepRecord
from medperf.site.yaml_files import parse

RESULT, FAILURE, DATASET, ASSOCIATION = "result", "failure", "dataset", "association"
_STEPS = frozenset({"fetch", "infer", "evaluate", "check", "release", "run"})
_MIB = 1 << 20
_FACTS = frozenset({"exit_code", "duration_s", "peak_memory_bytes", "memory_bytes", "timeout_s"})
_REFUSALS = (
    errors.InvalidRequestError,
    errors.NotFoundError,
    errors.UnauthenticatedError,
    errors.ForbiddenError,
    errors.ConflictError,
)
"""How the server says that it took nothing; after any other error nobody knows."""
_READ_FACTOR = 8
"""A ``results.yaml`` this many times larger than its document may be is not even parsed."""


@dataclass(frozen=True, slots=True)
class EvaluatorFiles:
    """What an evaluator left, and of which dataset.

    Attributes:
        results: its ``results.yaml``.
        cases: its per-case table, which needs to be there only for plans with evidence.
        fingerprint: of the dataset.
        n_cases: how many cases the dataset has, if that is known.
    """

    results: Path
    cases: Path
    fingerprint: str
    n_cases: int | None = None


@dataclass(frozen=True, slots=True)
class Examined:
    """What the gate made of an evaluator's file: a document that may leave, or findings."""

    document: bytes | None
    findings: tuple[Finding, ...]
    suppressed: int = 0
    small: tuple[SmallCell, ...] = ()
    notes: tuple[Finding, ...] = ()
    """What people here should know of a document that may leave; it stays here."""
    cautions: tuple[Finding, ...] = ()
    """Those of the notes because of which a person has to be asked."""
    cases: CaseTable | None = None
    """The evaluator's table, which only `Gate.screen` ever looks at."""

    @property
    def error(self) -> errors.WithheldError | None:
        """Why it may not leave: the kind for everybody, nothing that was found."""
        if self.document is not None:
            return None
        declared = any(f.code.startswith("undeclared") for f in self.findings)
        kind = errors.UndeclaredValueError if declared else errors.WithheldError
        return kind(f"the gate kept a result, with {len(self.findings)} findings")


@dataclass(frozen=True, slots=True)
class Leaving:
    """What a person is shown before it leaves: the document and the statement around it."""

    document: dict[str, Any]
    digest: str
    statement: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sent:
    """A result that the server has, and its line in the ledger."""

    line: LedgerLine
    result: Result


class Gate:
    """See the module's text."""

    def __init__(
        self,
        client: ServerClient,
        signer: Signer,
        ledger: Ledger,
        outputs: Outputs,
        screening: Screening,
        *,
        site_id: int,
        clock: Clock,
        statistics: CaseStatistics,
        log_watch: LogWatch | None = None,
    ) -> None:
        self._client = client
        self._statistics = statistics
        self._screening = screening
        self._log_watch = log_watch
        self._signer = signer
        self._ledger = ledger
        self._outputs = outputs
        self._site_id = site_id
        self._clock = clock

    # --- results ---

    def examine(self, left: EvaluatorFiles, plan: AnalysisPlan) -> Examined:
        """Build the document that may leave from what an evaluator left."""
        return examine(left, self._screening.strict(plan), self._statistics)

    def screen(self, job: Job, plan: ExecutionPlan, examined: Examined) -> Examined:
        """Hold a document that may leave against its cases and against all that left before.

        Call it in the transaction that takes the job to its next state.
        """
        if examined.document is None:
            return examined
        document = _read_document(examined.document)
        screened = self._screening.screen(
            job.number, plan, document, examined.cases, small=examined.small
        )
        if screened.document is None:
            return Examined(None, screened.findings)
        content = _bytes(screened.document)
        too_large = check_size(content, plan.benchmark.analysis_plan)
        if too_large:
            return Examined(None, too_large)
        cautions = (*screened.cautions, *examined.cautions)
        return Examined(
            content,
            (),
            suppressed=_count_suppressed(screened.document),
            notes=(*screened.findings, *cautions),
            cautions=cautions,
        )

    def show(self, job: Job, plan: ExecutionPlan) -> Leaving:
        """Show exactly what would leave; only the approval itself is still missing.

        Raises:
            ConflictError: the job has no document to release.
        """
        document = _document(job)
        predicate = self._predicate(job, plan, _grant(job))
        return Leaving(read_json(document), digest_of(document), predicate.model_dump(mode="json"))

    def release(self, job: Job, plan: ExecutionPlan) -> Sent:
        """Send a released result, or find that the server has it already.

        The ledger hears of the server's answer in `answered`, together with the job.

        Raises:
            GrantError: the grant does not hold any more and the server has no result for it.
            UnavailableError: the server is away; releasing again later sends the same bytes.
            MedPerfError: the server refuses the result.
        """
        subject = f"execution:{job.execution_id}"
        line = self._ledger.find(RESULT, subject) or self._write_result(job, plan, subject)
        with self._noting_refusal(line):
            try:
                statement = read_json(line.content)
                result = self._client.results.submit(ResultForm(statement=statement))
                self._require_logged(result, statement)
            except errors.ConflictError:
                known = self.find_reported(job)
                if known is None:
                    raise
                result = known
        return Sent(line, result)

    def _require_logged(self, result: Result, statement: dict[str, Any]) -> None:
        # Whoever holds the inclusion sees it when the result is dropped from the log later.
        if self._log_watch is not None and result.inclusion is not None:
            digest = Envelope.from_value(statement).digest
            self._log_watch.accept_inclusion(self._client.transport, result.inclusion, digest)

    @contextmanager
    def answered(self, sent: Sent) -> Iterator[None]:
        """Write the server's answer into the ledger, in one transaction with what is inside."""
        with self._ledger.answering(sent.line, f"result:{sent.result.id}"):
            yield

    def find_reported(self, job: Job) -> Result | None:
        """The server's result of this job's execution, if it came from here.

        Raises:
            UntrustedError: the server has a result for this execution that this site did not send.
        """
        line = self._ledger.find(RESULT, f"execution:{job.execution_id}")
        found = next(iter(self._client.results.list(execution_id=job.execution_id, limit=1)), None)
        if found is None:
            return None
        if line is None or not _is_same(self._client.results.get(found.id), line):
            raise errors.UntrustedError(
                f"the server has result {found.id} for execution {job.execution_id},"
                " which this site did not send"
            )
        return found

    def has_left(self, job: Job) -> bool:
        """Whether the job's result is in the ledger, so that it may have been sent."""
        return self._ledger.find(RESULT, f"execution:{job.execution_id}") is not None

    # --- failures ---

    def report_failure(self, job: Job) -> None:
        """Tell the server that an execution ended without a result: a code and numbers, no text.

        Raises:
            UnavailableError: the server is away; report it again later.
        """
        if job.failure is None or job.execution_id is None:
            return
        failure = Failure(
            code=job.failure.code if job.failure.code in errors.by_code() else "error",
            step=job.failure.step if job.failure.step in _STEPS else "run",
            resources={
                name: _coarse(name, value)
                for name, value in job.failure.resources.items()
                if name in _FACTS and math.isfinite(value)
            },
        )
        line = self._ledger.write(
            FAILURE,
            f"execution:{job.execution_id}",
            canonical_bytes(failure.model_dump(mode="json")),
            released_by="agent",
            role="agent",
        )
        try:
            self._client.executions.fail(job.execution_id, failure)
        except (errors.ConflictError, errors.NotFoundError) as error:
            # Expired, revoked or reported before: the server knows that nothing will come.
            self._ledger.answered(line, error.code)
        else:
            self._ledger.answered(line, "taken")

    # --- datasets and associations ---

    def disclose_statistics(
        self, statistics: dict[str, Any], *, n_cases: int, preparator_id: int, fingerprint: str
    ) -> DisclosedStatistics:
        """What of a dataset's statistics may leave, held against what left of other datasets.

        Raises:
            WithheldError: the statistics hold something that may not leave in any form.
        """
        _require_plain("statistics", statistics)
        return disclose_statistics(
            statistics,
            smallest=self._screening.limits().smallest_cell,
            n_cases=n_cases,
            earlier=_registered(self._ledger.lines(DATASET), preparator_id, fingerprint),
        )

    def register_dataset(self, form: DatasetForm, *, released_by: str, role: str) -> Dataset:
        """Register a dataset: metadata and disclosed statistics, never data.

        Raises:
            WithheldError: the statistics hold something that may not leave.
        """
        disclosed = self.disclose_statistics(
            form.statistics,
            n_cases=form.n_cases,
            preparator_id=form.preparator_id,
            fingerprint=form.fingerprint,
        )
        if disclosed.values != form.statistics:
            raise errors.WithheldError(
                "the statistics hold numbers about too few people, or more digits than may leave",
                hint="Register with 'medperf dataset register', which leaves them out.",
            )
        content = canonical_bytes(form.model_dump(mode="json"))
        line = self._ledger.write(
            DATASET, form.fingerprint, content, released_by=released_by, role=role
        )
        with self._noting_refusal(line):
            try:
                dataset = self._client.datasets.register(form)
            except errors.DuplicateError:
                # Sent before by an attempt that was killed.
                known = self._known_dataset(form)
                if known is None:
                    raise
                dataset = known
        self._ledger.answered(line, f"dataset:{dataset.id}")
        return dataset

    def request_association(
        self, form: AssociationForm, *, released_by: str, role: str
    ) -> Association:
        """Ask that a dataset takes part in a benchmark, with its compatibility test's outcome.

        Raises:
            WithheldError: the outcome holds something that may not leave.
        """
        _require_plain("compatibility outcome", form.compatibility)
        subject = f"dataset:{form.dataset_id} benchmark:{form.benchmark_id}"
        content = canonical_bytes(form.model_dump(mode="json"))
        line = self._ledger.write(ASSOCIATION, subject, content, released_by=released_by, role=role)
        with self._noting_refusal(line):
            try:
                association = self._client.associations.register(form)
            except errors.DuplicateError:
                known = self._known_association(form)
                if known is None:
                    raise
                association = known
        self._ledger.answered(line, f"association:{association.id}")
        return association

    # --- below here nothing is sent ---

    @contextmanager
    def _noting_refusal(self, line: LedgerLine) -> Iterator[None]:
        try:
            yield
        except _REFUSALS as error:
            self._ledger.answered(line, error.code)
            raise

    def _known_dataset(self, form: DatasetForm) -> Dataset | None:
        found = self._client.datasets.list(fingerprint=form.fingerprint, site_id=self._site_id)
        return next(
            (d for d in found if d.state != "withdrawn" and d.preparator_id == form.preparator_id),
            None,
        )

    def _known_association(self, form: AssociationForm) -> Association | None:
        found = self._client.associations.list(
            kind=AssociationKind.DATASET.value,
            benchmark_id=form.benchmark_id,
            dataset_id=form.dataset_id,
        )
        return next((a for a in found if a.state in {"pending", "approved"}), None)

    def _write_result(self, job: Job, plan: ExecutionPlan, subject: str) -> LedgerLine:
        decision = job.release_decision
        if decision is None or decision.answer not in {"allow", "approved"}:
            raise errors.ConflictError(f"nobody released job {job.number}")
        predicate = self._predicate(job, plan, _grant(job))
        envelope = sign(make_statement(predicate.subjects(), predicate), self._signer)
        with self._screening.leaving(job.number):
            return self._ledger.write(
                RESULT,
                subject,
                envelope.to_bytes(),
                released_by=", ".join(one.name for one in (*decision.others, decision)),
                role=decision.role,
            )

    def _predicate(
        self, job: Job, plan: ExecutionPlan, grant: Statement[GrantPredicate]
    ) -> ResultPredicate:
        document = _document(job)
        predictions = self._outputs.predictions(plan.predictions_key)
        infer = self._outputs.step(job.number, "infer")
        evaluate = self._outputs.step(job.number, "evaluate")
        steps = [step for step in (infer, evaluate) if step is not None and step.is_complete]
        begin = grant.predicate.issued_at - timedelta(seconds=CLOCK_TOLERANCE_S)
        decisions = [d for d in (job.run_decision, job.release_decision) if d is not None]
        extra: Any = {
            # A reused prediction, or one that waited longer than a grant lasts, is of an earlier
            # grant's time; a result says so instead of claiming otherwise.
            "earlier_steps": [
                _times(s).model_dump(mode="json") for s in steps if not _is_after(s, begin)
            ],
            "predictions_reused": infer is None,
        }
        return ResultPredicate(
            **plan.inputs.model_dump(),
            grant_digest=grant.digest,
            grant_id=grant.predicate.grant_id,
            site_id=self._site_id,
            result_digest=digest_of(document),
            result=read_json(document),
            runner=predictions.runner if predictions else "",
            isolation={
                "infer": dict(predictions.isolation) if predictions else {},
                "evaluate": dict(evaluate.isolation) if evaluate else {},
            },
            steps=tuple(_times(step) for step in steps if _is_after(step, begin)),
            policy_decisions=tuple({"action": d.action, "answer": d.answer} for d in decisions),
            approvals=tuple(
                _approval(one)
                for decision in decisions
                if decision.answer == "approved"
                for one in (*decision.others, decision)
            ),
            output_digests={"predictions": _commitment(predictions)} if predictions else {},
            **extra,
        )


def examine(left: EvaluatorFiles, plan: AnalysisPlan, statistics: CaseStatistics) -> Examined:
    """Build the document that may leave from what an evaluator left; send nothing.

    Raises:
        NotSupportedError: the plan asks for numbers that this machine cannot compute.
    """
    size_bytes = left.results.stat().st_size
    if size_bytes > plan.max_size_bytes * _READ_FACTOR:
        message = f"the file has {size_bytes} bytes, the plan allows {plan.max_size_bytes}"
        return Examined(None, (Finding("too-large", "", message),))
    try:
        # Not by the YAML library alone: nested deep enough, a file would crash the agent.
        raw = parse(left.results.read_text("utf-8"), what="evaluator's file")
    except (errors.MalformedFileError, UnicodeDecodeError):
        message = "the evaluator's file is not YAML that may be read"
        return Examined(None, (Finding("wrong-form", "", message),))
    checked = check_result(raw, plan, n_cases=left.n_cases)
    small = checked.small
    cases, problem = _read_cases(left.cases, plan) if checked.document is not None else (None, "")
    if isinstance(checked.document, TypedResult) and has_evidence(plan):
        if cases is None:
            return Examined(None, (Finding("wrong-cases", "", problem),))
        recomputed = statistics.recompute(
            checked.document, cases, plan, fingerprint=left.fingerprint
        )
        if recomputed.raw is None:
            return Examined(None, recomputed.findings)
        checked = check_result(recomputed.raw, plan, n_cases=left.n_cases, by_site=True)
    if checked.document is None:
        return Examined(None, checked.findings)
    document = _bytes(checked.document)
    findings = check_size(document, plan)
    return Examined(
        None if findings else document,
        findings,
        _count_suppressed(checked.document),
        small=tuple(dict.fromkeys((*small, *checked.small))),
        # Without a table that can be read nobody knows which people the numbers are about.
        cautions=(Finding("no-cases", "", problem),) if problem else (),
        cases=cases,
    )


def _read_cases(path: Path, plan: AnalysisPlan) -> tuple[CaseTable | None, str]:
    """The evaluator's table, or what is wrong with it; a plan without evidence needs none."""
    if not (has_evidence(plan) or os.path.lexists(path)):
        return None, ""
    try:
        return read_case_table(path, plan), ""
    except errors.InvalidRequestError as error:
        return None, error.detail


def _count_suppressed(document: ResultDocument) -> int:
    missing = document.missing if isinstance(document, TypedResult) else ()
    return sum(each.reason == "suppressed" for each in missing)


def _bytes(document: ResultDocument) -> bytes:
    return canonical_bytes(document.model_dump(mode="json", exclude_none=True))


def _read_document(content: bytes) -> ResultDocument:
    values = read_json(content)
    kind = TypedResult if values["schema"] == TYPED else FreeFormResult
    return kind.model_validate(values)


def _document(job: Job) -> bytes:
    if job.document is None:
        raise errors.ConflictError(f"job {job.number} has no document to release")
    return job.document


def _grant(job: Job) -> Statement[GrantPredicate]:
    if job.grant_envelope is None:
        raise errors.ConflictError(f"job {job.number} has no grant")
    # Verified when it came; from then on the store is trusted to keep it.
    envelope = Envelope.from_bytes(job.grant_envelope.encode())
    return read_statement(envelope.content, GrantPredicate)


def _times(step: StepRecord) -> StepTimes:
    peak = step.peak_memory_bytes
    return StepTimes.model_validate(
        {
            "task": step.task,
            "started_at": step.started_at,
            "ended_at": step.ended_at,
            # To whole MiB: a model cannot spell anything fine with the memory it takes.
            "peak_memory_bytes": None if peak is None else -(-peak // _MIB) * _MIB,
        }
    )


def _coarse(name: str, value: float) -> float:
    """A resource fact as it may leave: a model cannot spell anything fine with it."""
    if name.endswith("_bytes"):
        return float(-(-value // _MIB) * _MIB)
    return float(math.ceil(value))


def _is_after(step: StepRecord, moment: datetime) -> bool:
    return step.started_at is not None and step.started_at >= moment


def _approval(decision: Decision) -> Approval:
    # The reason a person gave stays here.
    return Approval(name=decision.name, role=decision.role, at=decision.at)


def _commitment(predictions: Predictions) -> str:
    """Names the predictions for those who get to see the nonce, and to nobody else.

    The bare digest of a few predicted classes could be found by trying them all.
    """
    return digest_of([predictions.digest, predictions.nonce])


def _is_same(result: Result, line: LedgerLine) -> bool:
    if result.statement is None:
        return False
    return canonical_bytes(result.statement) == line.content


def _registered(
    lines: list[LedgerLine], preparator_id: int, fingerprint: str
) -> Iterator[EarlierStatistics]:
    for line in lines:
        form = read_json(line.content)
        if form["preparator_id"] == preparator_id and form["fingerprint"] != fingerprint:
            yield EarlierStatistics(form["name"], form["n_cases"], form["statistics"])


def _require_plain(what: str, values: dict[str, Any]) -> None:
    findings = check_values(values)
    if findings:
        places = ", ".join(f"{f.path}: {f.message}" for f in findings[:5])
        raise errors.WithheldError(
            f"the {what} may not leave: {places}",
            hint="Tell the preparator's owner; numbers and short names may leave, text may not.",
        )
