"""From offers to work: ask the site's policy, request grants in batches, say what waits for what.

One `Queue` belongs to an agent; its methods are steps of the agent's loop and each may be killed
anywhere: what it decided is in the store before it is acted on.
"""

import random
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from medperf.client.api import ServerClient
from medperf.domain import errors
from medperf.domain.clock import Clock
from medperf.domain.executions import GrantAnswer, Pair, Work
from medperf.policy.actions import Action, Answer
from medperf.policy.decision import Decision
from medperf.provenance.envelope import Envelope
from medperf.site.backoff import backoff
from medperf.site.grants import GrantVerifier
from medperf.site.permission import Permission, why
from medperf.site.plans import ExecutionPlan, Planner
from medperf.site.store.connection import Store
from medperf.site.store.jobs import Failure, Job, Jobs

BATCH = 100
AGAIN_S = 10.0
"""After how long a denied job is asked about again while the policy is the same."""

Granted = dict[str, Any]
"""The columns of a job that a grant fills."""


class Queue:
    """What becomes of offered work before it runs."""

    def __init__(
        self,
        client: ServerClient,
        store: Store,
        jobs: Jobs,
        planner: Planner,
        verifier: GrantVerifier,
        permission: Permission,
        *,
        clock: Clock,
        rng: random.Random,
        log: Any,
    ) -> None:
        self._client = client
        self._store = store
        self._jobs = jobs
        self._planner = planner
        self._verifier = verifier
        self._permission = permission
        self._denied: dict[int, tuple[str, datetime]] = {}
        self._clock = clock
        self._rng = rng
        self._log = log
        self._offered: frozenset[tuple[int, int, int]] = frozenset()

    def decide(self) -> None:
        """Ask the policy whether queued jobs may run; those with records that are not here wait."""
        now, digest = self._clock(), self._permission.in_force()
        asked = []
        for job in self._jobs.in_states("queued"):
            plan = self._planner.known(*job.pair)
            if plan is not None and not self._was_denied(job, digest, now):
                asked.append((job, self._permission.facts(plan)))
        if not asked:
            return
        reasons: dict[int, str] = {}
        with self._store.transaction():
            for job, facts in asked:
                decision = self._permission.decide(job.number, Action.RUN, facts)
                if decision.answer is Answer.DENY:
                    self._denied[job.number] = (digest, now)
                    reasons[job.number] = why(decision)
                else:
                    self._go_on(job, decision)
            self._jobs.explain(reasons)

    def unknown(self, now: datetime) -> list[Job]:
        """Queued jobs whose records have to be asked for before anybody can decide."""
        return [
            job
            for job in self._jobs.in_states("queued")
            if self._planner.known(*job.pair) is None
            and (job.next_attempt_at is None or job.next_attempt_at <= now)
        ]

    def look_up(self) -> None:
        """Find the records behind queued jobs.

        Raises:
            UnavailableError: the server is away.
        """
        for job in self.unknown(self._clock()):
            found = self._plan(job)
            if isinstance(found, errors.MedPerfError):
                self._jobs.remember(
                    job.number,
                    attempts=job.attempts + 1,
                    next_attempt_at=self._clock() + backoff(job.attempts + 1, self._rng),
                    waiting_for=f"its records: {found.detail}",
                )

    def _was_denied(self, job: Job, digest: str, now: datetime) -> bool:
        known, at = self._denied.get(job.number, ("", now))
        return known == digest and now - at < timedelta(seconds=AGAIN_S)

    def _go_on(self, job: Job, decision: Decision) -> None:
        if decision.answer is Answer.ASK:
            waiting = "a person to approve the run"
            self._jobs.transition(job.number, "ask", waiting_for=waiting)
        else:
            by = self._permission.by_policy(Action.RUN)
            self._jobs.transition(job.number, "allow", run_decision=by)

    def apply(self, work: Work, asked_at: datetime) -> list[int]:
        """Take in what the server offers now; answers the jobs whose executions it revoked.

        Args:
            work: everything this site could do.
            asked_at: when the server was asked; what changed here since is newer than its answer.
        """
        self._offered = frozenset((i.benchmark_id, i.model_id, i.dataset_id) for i in work.items)
        count = self._jobs.offer(work.items, asked_at)
        if count:
            self._log.info("work_offered", count=count)
        for job in self._jobs.in_states("queued", "waiting_to_run"):
            if job.pair not in self._offered and job.changed_at < asked_at:
                self._cancel(job, "the server does not offer this any more")
        revoked = (self._jobs.of_execution(number) for number in work.revoked)
        return [job.number for job in revoked if job is not None and not job.is_final]

    def request_grants(self, room: int) -> int:
        """Turn up to ``room`` ready jobs into granted ones; answers how many were granted.

        Raises:
            UnavailableError: the server is away.
        """
        now = self._clock()
        ready = [
            job
            for job in self._jobs.in_states("ready")
            if job.next_attempt_at is None or job.next_attempt_at <= now
        ][: min(room, BATCH)]
        plans = [(job, self._plan(job)) for job in ready]
        asked = [(job, plan) for job, plan in plans if isinstance(plan, ExecutionPlan)]
        outcomes: list[tuple[Job, Granted | errors.MedPerfError]] = [
            (job, plan) for job, plan in plans if not isinstance(plan, ExecutionPlan)
        ]
        if asked:
            pairs = tuple(_pair(job) for job, _ in asked)
            answers = self._client.executions.request_grants(pairs)
            outcomes += [
                (job, self._accept(plan, answer))
                for (job, plan), answer in zip(asked, answers, strict=True)
            ]
        with self._store.transaction():
            return sum(self._settle(job, outcome) for job, outcome in outcomes)

    def renew(self, job: Job) -> None:
        """Get a new grant for a job whose grant ran out; its outputs and document stay.

        Raises:
            GrantError: the server gives none; the message says why.
            UntrustedError: the new grant is not for what was executed.
            UnavailableError: the server is away.
        """
        plan = self._planner.plan(*job.pair)
        answer = self._client.executions.request_grants((_pair(job),))[0]
        outcome = self._accept(plan, answer)
        if isinstance(outcome, errors.MedPerfError):
            raise outcome
        self._jobs.remember(job.number, **outcome)

    def is_offered(self, job: Job) -> bool:
        """Whether the server's last answer listed the job's pair."""
        return job.pair in self._offered

    def _plan(self, job: Job) -> ExecutionPlan | errors.MedPerfError:
        try:
            return self._planner.plan(*job.pair)
        except errors.NotCarriedError as error:
            return error  # of this pair alone; others may have been brought
        except errors.UnavailableError:
            raise
        except errors.MedPerfError as error:
            return error

    def _accept(self, plan: ExecutionPlan, answer: GrantAnswer) -> Granted | errors.MedPerfError:
        """What to remember of a grant that holds, or the error that keeps it from holding."""
        if answer.grant is None or answer.execution is None:
            problem = answer.problem
            kind = errors.by_code().get(problem.code if problem else "", errors.GrantError)
            return kind(problem.detail if problem else "the server gave neither grant nor reason")
        number = answer.execution.id
        try:
            envelope = Envelope.model_validate(answer.grant)
            grant = self._verifier.verify(envelope, plan.inputs)
            if grant.predicate.grant_id != number:
                return errors.SignatureError(
                    f"the grant is of execution {grant.predicate.grant_id}, not {number}",
                    execution_id=number,
                )
        except (errors.MedPerfError, ValidationError) as error:
            if isinstance(error, errors.ClockSkewError | errors.UnavailableError):
                return error
            if isinstance(error, errors.UntrustedError):
                error.context["execution_id"] = number
                return error
            return errors.SignatureError(f"the grant does not hold: {error}", execution_id=number)
        return {
            "execution_id": number,
            "grant_envelope": envelope.to_bytes().decode(),
            "grant_expires_at": grant.predicate.expires_at,
        }

    def _settle(self, job: Job, outcome: Granted | errors.MedPerfError) -> int:
        try:
            if isinstance(outcome, dict):
                self._jobs.transition(job.number, "grant", **outcome)
                return 1
            self._refused(job, outcome)
        except errors.TransitionError:
            self._log.info("job_changed_meanwhile", job=job.number)
        return 0

    def _refused(self, job: Job, error: errors.MedPerfError) -> None:
        if isinstance(error, errors.UntrustedError):
            number = error.context.get("execution_id")
            self._log.warning("grant_refused", job=job.number, code=error.code)
            self._jobs.transition(
                job.number,
                "fail",
                failure=Failure(error.code, "fetch", error.detail, {}),
                failure_owed=int(number is not None),
                execution_id=number,
            )
        elif not self.is_offered(job):
            self._cancel(job, error.detail)
        else:
            wait = backoff(job.attempts + 1, self._rng)
            self._jobs.remember(
                job.number,
                attempts=job.attempts + 1,
                next_attempt_at=self._clock() + wait,
                waiting_for=f"a grant: {error.detail}",
            )

    def _cancel(self, job: Job, reason: str) -> None:
        try:
            self._jobs.transition(job.number, "cancel", actor="server", reason=reason)
        except errors.TransitionError:
            self._log.info("job_changed_meanwhile", job=job.number)
        else:
            self._log.info("job_cancelled", job=job.number)


def _pair(job: Job) -> Pair:
    return Pair(benchmark_id=job.benchmark_id, model_id=job.model_id, dataset_id=job.dataset_id)
