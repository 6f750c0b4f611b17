"""What waits for a person, and what the person says.

A person decides about exactly what they were shown: an item has a digest, and deciding about
something that changed meanwhile, or was decided already, is an error.

The site's policy may want several people. Each of them votes without seeing whether or how anybody
else did: the question stays in the inbox as it was until enough people have voted, and then one
*no* is enough to refuse.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from medperf.client.api import ServerClient
from medperf.domain.clock import Clock
from medperf.domain.errors import ConflictError, PolicyDeniedError, TransitionError
from medperf.policy.actions import Action, Answer
from medperf.policy.disclosure import Finding
from medperf.provenance.canonical import digest_of
from medperf.site.acting import Person
from medperf.site.gate import Gate
from medperf.site.permission import Permission, count_approvals, starters_of, why
from medperf.site.plans import Planner
from medperf.site.store.connection import Store
from medperf.site.store.jobs import RETRIED, Decision, Failure, Job, Jobs
from medperf.site.store.votes import Vote, Votes

RUN, RELEASE = "run", "release"
_AGAIN = frozenset({"failed", "withheld", "rejected"})
"""States from which a person can have a job start again."""
_QUESTIONS = {"waiting_to_run": RUN, "waiting_to_release": RELEASE}


@dataclass(frozen=True, slots=True)
class InboxItem:
    """One question to a person.

    Attributes:
        number: the job's.
        question: ``run`` (may this model run here?) or ``release`` (may this result leave?).
        digest: names what is shown; hand it back with the decision.
        document: for a release, the exact document that would leave.
        statement: for a release, everything that leaves around the document; for a run, what would
            run on what, by digest.
        notes: what was suppressed and why, and what to think of first; it stays here.
    """

    number: int
    question: str
    benchmark: str
    model: str
    dataset: str
    since: datetime
    digest: str
    document: dict[str, Any] | None
    statement: dict[str, Any]
    notes: tuple[Finding, ...] = ()


class Review:
    """The questions of one site and their answers."""

    def __init__(
        self,
        store: Store,
        jobs: Jobs,
        planner: Planner,
        gate: Gate,
        permission: Permission,
        client: ServerClient,
        clock: Clock,
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._planner = planner
        self._gate = gate
        self._permission = permission
        self._votes = Votes(store)
        self._client = client
        self._clock = clock

    def inbox(self) -> list[InboxItem]:
        """Everything that waits for a person, oldest first."""
        waiting = self._jobs.in_states(*_QUESTIONS)
        return [self._item(job) for job in sorted(waiting, key=lambda job: job.changed_at)]

    def item(self, number: int) -> InboxItem:
        """The question about one job.

        Raises:
            ConflictError: the job waits for nobody.
        """
        job = self._jobs.get(number)
        if job.state not in _QUESTIONS:
            again = f"To have it asked again: medperf site retry {number}"
            raise ConflictError(
                f"job {number} waits for nobody, it is {job.state}",
                hint=again
                if job.state in _AGAIN
                else "'medperf site inbox' lists what waits for a person.",
            )
        return self._item(job)

    def approve(
        self, number: int, person: Person, *, reason: str = "", digest: str | None = None
    ) -> str:
        """Say yes; answers the job's state, which is as before while others must decide, too.

        Args:
            number: the job's.
            person: who says so.
            reason: why; it stays at the site.
            digest: the digest of the item that the person was shown.

        Raises:
            ConflictError: the item is not waiting, is another one than was shown, or this person
                has decided about it.
            PolicyDeniedError: the site's policy forbids it whoever says yes; it goes on waiting.
        """
        return self._decide(number, "approve", person, reason, digest)

    def reject(
        self, number: int, person: Person, *, reason: str = "", digest: str | None = None
    ) -> str:
        """Say no; answers the job's state. The server hears only that nothing will come.

        Raises:
            ConflictError: as `approve`.
        """
        return self._decide(number, "reject", person, reason, digest)

    def retry(self, number: int, person: Person, *, reason: str = "") -> str:
        """Have a failed, withheld or rejected job start again; answers its new state.

        Raises:
            TransitionError: the job is in another state.
            UnavailableError: the server must hear of it and is away.
        """
        job = self._jobs.get(number)
        if job.state not in _AGAIN:
            raise TransitionError(f"job {number} is {job.state}; nothing failed")
        if job.execution_id is not None:
            if job.failure_owed:
                self._gate.report_failure(job)
            if self._client.executions.get(job.execution_id).state == "failed":
                self._client.executions.act(job.execution_id, "retry")
        return self._jobs.transition(
            number, "retry", actor=_actor(person), reason=reason, failure_owed=0, **RETRIED
        ).state

    def _item(self, job: Job) -> InboxItem:
        plan = self._planner.plan(*job.pair)
        question = _QUESTIONS[job.state]
        if question == RELEASE:
            leaving = self._gate.show(job, plan)
            document, digest, statement = leaving.document, leaving.digest, leaving.statement
        else:
            document = None
            statement = plan.inputs.model_dump(mode="json")
            digest = digest_of(statement)
        return InboxItem(
            number=job.number,
            question=question,
            benchmark=plan.benchmark.name,
            model=plan.model.name,
            dataset=plan.dataset.name,
            since=job.changed_at,
            digest=digest,
            document=document,
            statement=statement,
            notes=job.findings,
        )

    def _decide(
        self, number: int, action: str, person: Person, reason: str, digest: str | None
    ) -> str:
        shown = self.item(number)
        if digest is not None and digest != shown.digest:
            raise ConflictError(
                f"job {number} is not what was shown any more: that was {digest},"
                f" now it is {shown.digest}",
                hint="Look at it again with 'medperf site inbox' and decide then.",
            )
        vote = Vote(person.name, person.role, action == "approve", reason, self._clock())
        with self._store.transaction(durable=True):
            # Both tables of acts have 'approve' twice: make sure it is still the same question.
            job = self._jobs.get(number)
            if _QUESTIONS.get(job.state) != shown.question:
                raise ConflictError(f"somebody decided about job {number} in the meantime")
            earlier = self._votes.of(number, shown.digest)
            own = next((one for one in earlier if one.person == vote.person), None)
            if own is None:
                self._votes.give(number, shown.digest, vote)
                return self._conclude(job, Action(shown.question), [*earlier, vote]).state
            if own.is_yes is not vote.is_yes:
                # Else a no could be what counts an earlier yes, where the policy wants fewer now.
                raise ConflictError(
                    f"{person.name} has decided about job {number} already, and otherwise",
                    hint="A vote stands. Whoever has not voted may still say no.",
                )
            after = self._conclude(job, Action(shown.question), earlier)
            if after.state == job.state:
                raise ConflictError(
                    f"{person.name} has decided about job {number} already",
                    hint="The site's policy wants somebody else to decide, too.",
                )
            return after.state

    def _conclude(self, job: Job, action: Action, votes: list[Vote]) -> Job:
        """Act on the votes, if the policy wants no more of them than there are."""
        voters = {vote.person for vote in votes}
        starters = voters if action is Action.RUN else starters_of(job)
        # Asked as if everybody had said yes: when to stop asking must not depend on what was said.
        approvals = count_approvals(voters, starters)
        facts = self._permission.kept_facts(job.number, action, approvals)
        is_yes = all(vote.is_yes for vote in votes)
        ask = self._permission.decide if is_yes else self._permission.forecast
        decision = ask(job.number, action, facts)
        if decision.answer is Answer.ASK:
            return job
        if is_yes and decision.answer is Answer.DENY:
            raise PolicyDeniedError(why(decision))
        return self._act(job, action, votes)

    def _act(self, job: Job, action: Action, votes: list[Vote]) -> Job:
        noes = [vote for vote in votes if not vote.is_yes]
        remembered: dict[str, Any] = {f"{action}_decision": _decision(action, noes or votes)}
        if noes and action is Action.RELEASE:
            names = ", ".join(vote.name for vote in noes)
            remembered["failure"] = Failure("withheld", RELEASE, f"rejected by {names}", {})
            remembered["failure_owed"] = 1
        return self._jobs.transition(
            job.number,
            "reject" if noes else "approve",
            actor=", ".join(f"{vote.name} ({vote.role})" for vote in noes or votes),
            reason="; ".join(vote.reason for vote in noes or votes if vote.reason),
            **remembered,
        )


def _decision(action: Action, votes: list[Vote]) -> Decision:
    *others, last = [
        Decision(
            action.value,
            "approved" if vote.is_yes else "rejected",
            vote.name,
            vote.role,
            vote.at,
            vote.reason,
        )
        for vote in votes
    ]
    return replace(last, others=tuple(others))


def _actor(person: Person) -> str:
    return f"{person.name} ({person.role})"
