"""Carry one job from its grant to its report: infer, evaluate, check, release.

What is next follows from the job's stored state alone, and the next state is stored before it is
acted on, so a job is carried on from wherever it was left. Errors are sorted here: what can be
tried again waits and says for what, what cannot ends the job, and a stop leaves it as it is.
"""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from medperf.domain import errors
from medperf.domain.clock import Clock
from medperf.domain.identifiers import format_time
from medperf.policy.actions import Action, Answer
from medperf.policy.disclosure import Finding
from medperf.policy.facts import DocumentFacts
from medperf.site.backoff import backoff
from medperf.site.evaluation import Evaluation
from medperf.site.gate import EvaluatorFiles, Examined, Gate
from medperf.site.permission import Permission, approvals_of, why
from medperf.site.plans import ExecutionPlan, Planner
from medperf.site.queue import Queue
from medperf.site.resources import Resources, Share, limits_of
from medperf.site.settings import Settings
from medperf.site.store.connection import Store
from medperf.site.store.jobs import Failure, Job, Jobs
from medperf.site.store.outputs import Outputs, Predictions

HEAVY = ("granted", "inferring", "evaluating")
"""States in which a job runs steps and needs a share of the machine."""

LIGHT = ("checking", "releasing")
"""States in which it needs the disk or the server for a moment."""

_TASK_OF = {
    "granted": "infer",
    "inferring": "infer",
    "evaluating": "evaluate",
    "checking": "check",
    "releasing": "release",
}
_MOST_ATTEMPTS: dict[type[errors.MedPerfError], int] = {
    errors.DownloadError: 10,
    errors.FileChangedError: 5,
}
"""What is tried again, but not for ever."""

_RETRIED = (
    errors.UnavailableError,
    errors.SandboxUnavailableError,
    errors.UnauthenticatedError,
    errors.FileChangedError,
)
"""Not the container's fault and not final: somebody or something will mend it."""

Moment = Callable[[str], None]
"""Told each point at which a kill must do no harm; tests kill there."""


@dataclass(slots=True)
class Held:
    """A job under way: how to stop it, and what it holds."""

    number: int
    cancel: threading.Event
    share: Share | None = None
    is_revoked: bool = False


class Execution:
    """Carries jobs on; one instance serves all of an agent's threads."""

    def __init__(
        self,
        store: Store,
        jobs: Jobs,
        outputs: Outputs,
        planner: Planner,
        queue: Queue,
        evaluation: Evaluation,
        gate: Gate,
        permission: Permission,
        resources: Resources,
        *,
        settings: Callable[[], Settings],
        clock: Clock,
        rng: random.Random,
        log: Any,
        at: Moment,
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._outputs = outputs
        self._planner = planner
        self._queue = queue
        self._evaluation = evaluation
        self._gate = gate
        self._permission = permission
        self._resources = resources
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._log = log
        self._at = at

    def carry(self, held: Held) -> None:
        """Carry a job on until it waits, ends, or is stopped."""
        job = self._jobs.get(held.number)
        try:
            self._carry(job, held)
        except _NoLongerWantedError as gone:
            self._jobs.transition(held.number, "cancel", actor="server", reason=str(gone))
        except Exception as error:  # noqa: BLE001  one job's bug must not stop the others
            self._settle(held, errors.as_ours(error))
        finally:
            self._give_back(held)

    def _carry(self, job: Job, held: Held) -> None:
        plan = self._planner.plan(*job.pair)
        predictions: Predictions | None = None
        while not held.cancel.is_set():
            if job.state == "granted":
                self._require_grant(job)
                job = self._start(job, plan)
            elif job.state == "inferring":
                predictions = self._infer(job, plan, held)
                job = self._jobs.transition(job.number, "evaluate")
            elif job.state == "evaluating":
                self._evaluate(job, plan, held, predictions)
                job = self._jobs.transition(job.number, "check")
            elif job.state == "checking":
                self._give_back(held)
                job = self._check(job, plan)
            elif job.state == "releasing":
                job = self._release(job, plan)
            else:
                return
            self._at(job.state)
        raise errors.CancelledError("the job was stopped")

    def _start(self, job: Job, plan: ExecutionPlan) -> Job:
        approvals = approvals_of(job.run_decision, job.run_decision)
        facts = self._permission.facts(plan, approvals=approvals)
        self._permission.demand(job.number, Action.RUN, facts)
        return self._jobs.transition(job.number, "infer")

    def _infer(self, job: Job, plan: ExecutionPlan, held: Held) -> Predictions:
        settings = self._settings()
        limits = limits_of(settings, _share(held), settings.infer_timeout_s)
        predictions = self._evaluation.infer(job.number, plan, limits, held.cancel)
        self._at("inferred")
        return predictions

    def _evaluate(
        self, job: Job, plan: ExecutionPlan, held: Held, predictions: Predictions | None
    ) -> None:
        settings = self._settings()
        limits = limits_of(settings, _share(held), settings.evaluate_timeout_s)
        self._evaluation.evaluate(job.number, plan, limits, held.cancel, predictions=predictions)
        self._at("evaluated")

    def _check(self, job: Job, plan: ExecutionPlan) -> Job:
        left = EvaluatorFiles(
            results=self._evaluation.results(job.number),
            cases=self._evaluation.cases(job.number),
            fingerprint=plan.inputs.dataset_fingerprint,
            n_cases=plan.dataset.n_cases,
        )
        examined = self._gate.examine(left, plan.benchmark.analysis_plan)
        if examined.error is not None:
            return self._withhold(job, examined.error, examined.findings)
        return self._ask_to_release(job, plan, examined)

    def _ask_to_release(self, job: Job, plan: ExecutionPlan, examined: Examined) -> Job:
        facts = self._permission.facts(plan)
        with self._store.transaction(durable=True):
            screened = self._gate.screen(job, plan, examined)
            document = screened.document
            if document is None or screened.error is not None:
                error = screened.error or errors.WithheldError("nothing is left to release")
                return self._withhold(job, error, screened.findings)
            about = DocumentFacts(size_bytes=len(document), n_suppressed=screened.suppressed)
            facts = replace(facts, document=about)
            decision = self._permission.decide(
                job.number, Action.RELEASE, facts, must_ask=bool(screened.cautions)
            )
            if decision.answer is Answer.DENY:
                error = errors.PolicyDeniedError(why(decision))
                finding = Finding(error.code, "release", error.detail)
                return self._withhold(job, error, (finding,))
            if decision.answer is Answer.ASK:
                waiting_for = "a person to release the result"
                return self._jobs.transition(
                    job.number,
                    "ask",
                    document=document,
                    findings=screened.notes,
                    waiting_for=waiting_for,
                )
            by = self._permission.by_policy(Action.RELEASE)
            return self._jobs.transition(
                job.number,
                "allow",
                document=document,
                findings=screened.notes,
                release_decision=by,
            )

    def _withhold(
        self, job: Job, error: errors.WithheldError, findings: tuple[Finding, ...]
    ) -> Job:
        if error.code != errors.PolicyDeniedError.code:
            self._outputs.forget(job.number, "evaluate")
        self._log.warning("result_withheld", job=job.number, code=error.code, count=len(findings))
        return self._jobs.transition(
            job.number,
            "withhold",
            findings=list(findings),
            failure=Failure(error.code, "check", error.detail, {}),
            failure_owed=1,
        )

    def _release(self, job: Job, plan: ExecutionPlan) -> Job:
        if not self._gate.has_left(job):
            approvals = approvals_of(job.release_decision, job.run_decision)
            facts = self._permission.kept_facts(job.number, Action.RELEASE, approvals)
            self._permission.demand(job.number, Action.RELEASE, facts)
        if job.grant_expires_at is not None and job.grant_expires_at <= self._clock():
            # Perhaps it was sent before the grant ran out, and only the answer was lost.
            known = self._gate.find_reported(job)
            if known is not None:
                return self._reported(job, known.id)
            job = self._renewed(job)
        try:
            return self._send(job, plan)
        except errors.NotOperationalError as error:
            reason = error.detail
            return self._jobs.transition(job.number, "cancel", actor="server", reason=reason)
        except errors.GrantError:
            return self._send(self._renewed(job), plan)

    def _send(self, job: Job, plan: ExecutionPlan) -> Job:
        sent = self._gate.release(job, plan)
        self._at("sent")
        with self._gate.answered(sent):
            return self._reported(job, sent.result.id)

    def _reported(self, job: Job, result_id: int) -> Job:
        self._log.info("result_reported", job=job.number, result_id=result_id)
        return self._jobs.transition(job.number, "report", result_id=result_id)

    def _require_grant(self, job: Job) -> None:
        if job.grant_expires_at is None or job.grant_expires_at <= self._clock():
            self._renewed(job)

    def _renewed(self, job: Job) -> Job:
        try:
            self._queue.renew(job)
        except (errors.GrantError, errors.NotOperationalError) as error:
            reason = f"the grant does not hold any more and there is no other: {error.detail}"
            raise _NoLongerWantedError(reason) from error
        return self._jobs.get(job.number)

    def _settle(self, held: Held, error: errors.MedPerfError) -> None:
        try:
            job = self._jobs.get(held.number)
            if isinstance(error, errors.CancelledError | errors.TransitionError):
                if held.is_revoked and not job.is_final:
                    reason = "the server revoked it"
                    self._jobs.transition(job.number, "cancel", actor="server", reason=reason)
            elif self._is_worth_another_attempt(job, error):
                self._postpone(job, error)
            else:
                self._fail(job, error)
        except errors.MedPerfError as second:
            # The store itself is in trouble, for instance full: the job stays as it was stored.
            self._log.warning("job_not_settled", job=held.number, code=second.code)

    def _is_worth_another_attempt(self, job: Job, error: errors.MedPerfError) -> bool:
        if not isinstance(error, _RETRIED):
            return False
        most = next((n for kind, n in _MOST_ATTEMPTS.items() if isinstance(error, kind)), None)
        return most is None or job.attempts + 1 < most

    def _postpone(self, job: Job, error: errors.MedPerfError) -> None:
        wait = backoff(job.attempts + 1, self._rng)
        again = self._clock() + wait
        self._jobs.remember(
            job.number,
            attempts=job.attempts + 1,
            next_attempt_at=again,
            waiting_for=f"another attempt at {format_time(again)[:19]}Z: {error.detail}",
        )
        self._log.info(
            "attempt_failed",
            job=job.number,
            code=error.code,
            attempts=job.attempts + 1,
            retry_s=round(wait.total_seconds(), 1),
        )

    def _fail(self, job: Job, error: errors.MedPerfError) -> None:
        step = _TASK_OF.get(job.state, "run")
        self._jobs.transition(
            job.number,
            "fail",
            failure=Failure(error.code, step, error.detail, _facts(error)),
            failure_owed=1,
        )
        self._log.warning("job_failed", job=job.number, code=error.code, task=step)

    def _give_back(self, held: Held) -> None:
        if held.share is not None:
            self._resources.give_back(held.share)
            held.share = None


class _NoLongerWantedError(Exception):
    """The server gives no grant any more for what was executed."""


def _share(held: Held) -> Share:
    if held.share is None:
        raise AssertionError(f"job {held.number} runs a step without a share of the machine")
    return held.share


def _facts(error: errors.MedPerfError) -> dict[str, float]:
    """Numbers that an error carries; the gate keeps those that may leave."""
    return {
        name: float(value)
        for name, value in error.context.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
