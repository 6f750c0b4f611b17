"""May this model run, may this result leave? The site's policy, asked with the site's own facts.

`Permission.decide` belongs into the transaction that takes the job to its next state: it reads the
uses there are, keeps the decision with its facts, and records the use where the answer is *go
ahead*. So agents and people that race for the last permitted use cannot both have it.
"""

from collections.abc import Callable
from dataclasses import replace

from medperf.domain.clock import Clock
from medperf.domain.container_records import Container
from medperf.domain.errors import NotSupportedError, PolicyDeniedError, SandboxUnavailableError
from medperf.policy.actions import Action, Answer
from medperf.policy.budget import Use, admit
from medperf.policy.decision import Decision
from medperf.policy.facts import (
    AgreementFacts,
    ApprovalFacts,
    BenchmarkFacts,
    DatasetFacts,
    DocumentFacts,
    Facts,
    IsolationFacts,
    ModelFacts,
)
from medperf.runners.selection import RunnerSet
from medperf.site.plans import ExecutionPlan
from medperf.site.policy_in_force import SitePolicy
from medperf.site.steps import config_of
from medperf.site.store import jobs as records
from medperf.site.store.agreements import Agreements
from medperf.site.store.connection import Store
from medperf.site.store.rulings import Rulings
from medperf.site.store.uses import Uses
from medperf.site.store.votes import same_person

POLICY_NAME, POLICY_ROLE = "policy", "site policy"

IsolationOf = Callable[[Container], IsolationFacts]


class Permission:
    """Asks one site's policy, and keeps what it said."""

    def __init__(
        self,
        store: Store,
        policy: SitePolicy,
        isolation: IsolationOf,
        *,
        organization_id: int,
        clock: Clock,
    ) -> None:
        self._store = store
        self._policy = policy
        self._isolation = isolation
        self._organization_id = organization_id
        self._clock = clock
        self._uses = Uses(store)
        self._agreements = Agreements(store)
        self.rulings = Rulings(store)

    def facts(
        self,
        plan: ExecutionPlan,
        *,
        document: DocumentFacts | None = None,
        approvals: ApprovalFacts | None = None,
    ) -> Facts:
        """Everything but the counts and agreements; asks the runner, so not in a transaction.

        Args:
            plan: what would run on what.
            document: what would leave, for a release.
            approvals: who has said yes so far; nobody, unless given.
        """
        return Facts(
            model=ModelFacts(
                id=plan.model.id,
                digest=plan.model_container.digest,
                owner_id=plan.model.organization_id,
            ),
            benchmark=BenchmarkFacts(
                id=plan.benchmark.id,
                digest=plan.benchmark.digest,
                clinical_task=plan.benchmark.clinical_task,
                owner_id=plan.benchmark.organization_id,
                preparator_digest=plan.preparator.digest,
                evaluator_digest=plan.evaluator.digest,
            ),
            dataset=DatasetFacts(
                id=plan.inputs.dataset_id,
                fingerprint=plan.inputs.dataset_fingerprint,
                n_cases=plan.dataset.n_cases or 0,
                owner_id=self._organization_id,
            ),
            isolation=self._isolation(plan.model_container),
            now=self._clock(),
            approvals=approvals or ApprovalFacts(),
            document=document,
        )

    def kept_facts(self, job: int, action: Action, approvals: ApprovalFacts) -> Facts:
        """The facts of the last decision about a job, with those who have said yes by now."""
        last = self.rulings.latest(job, action)
        if last is None:
            raise PolicyDeniedError(f"the policy was never asked about job {job}")
        return replace(last.facts, approvals=approvals, now=self._clock())

    def decide(self, job: int, action: Action, facts: Facts, *, must_ask: bool = False) -> Decision:
        """Decide on what the ledger says now; keep the decision, and record a use.

        Call it in the transaction that takes the job to its next state. With ``must_ask`` a person
        is asked where the policy would go ahead by itself.
        """
        with self._store.transaction(durable=action is Action.RELEASE):
            decision, found = self._asked(job, action, facts)
            if must_ask and decision.answer is Answer.GO_AHEAD:
                decision = replace(decision, answer=Answer.ASK)
            self.rulings.keep(job, decision, found)
            if decision.answer is Answer.GO_AHEAD:
                self._uses.record(Use.of(action, found, _name(job)))
            return decision

    def forecast(self, job: int, action: Action, facts: Facts) -> Decision:
        """What would be decided now; nothing is kept."""
        return self._asked(job, action, facts)[0]

    def denial_now(self, job: int, action: Action) -> tuple[Decision, Facts] | None:
        """What forbids by now what a decision about a job let go on; nothing is kept.

        An agreement or a date may have ended since, or the policy may be another one.
        """
        last = self.rulings.latest(job, action)
        if last is None or last.answer is Answer.DENY:
            return None
        decision, facts = self._asked(job, action, replace(last.facts, now=self._clock()))
        return (decision, facts) if decision.answer is Answer.DENY else None

    def demand(self, job: int, action: Action, facts: Facts) -> None:
        """Decide again, just before it happens: the policy or the time may have changed.

        Raises:
            PolicyDeniedError: the answer is not *go ahead* any more.
        """
        decision = self.decide(job, action, facts)
        if decision.answer is not Answer.GO_AHEAD:
            raise PolicyDeniedError(why(decision))

    def in_force(self) -> str:
        """Names what is in force now; it changes when the policy or an agreement does."""
        current = self._policy.current()
        return f"{current.problem or current.policy.digest} {self._agreements.version()}"

    def by_policy(self, action: Action) -> records.Decision:
        """The decision that a job remembers where no person was asked."""
        return records.Decision(action.value, "allow", POLICY_NAME, POLICY_ROLE, self._clock())

    def _asked(self, job: int, action: Action, facts: Facts) -> tuple[Decision, Facts]:
        current = self._policy.current()
        if current.problem:
            return Decision(action, Answer.DENY, errors=(current.problem,)), facts
        uses = self._uses.about(facts.dataset.fingerprint)
        facts = replace(facts, agreements=self._agreements_about(facts))
        return admit(current.policy, action, facts, uses, job=_name(job))

    def _agreements_about(self, facts: Facts) -> tuple[AgreementFacts, ...]:
        """What this organization signed with the model's or the benchmark's, in force or over."""
        others = {facts.model.owner_id, facts.benchmark.owner_id, facts.dataset.owner_id}
        others.discard(self._organization_id)
        return tuple(
            known.facts()
            for known in self._agreements.all()
            if self._organization_id in known.party_ids
            and known.party_ids & others
            and known.covers(
                benchmark_id=facts.benchmark.id,
                dataset_id=facts.dataset.id,
                model_id=facts.model.id,
            )
        )


class Isolation:
    """What this machine's runners offer to a container."""

    def __init__(self, runners: RunnerSet, runner_name: str | None) -> None:
        self._runners = runners
        self._runner_name = runner_name

    def __call__(self, container: Container) -> IsolationFacts:
        """What the runner that would run it claims; nothing, where none can run it."""
        try:
            kind = config_of(container).container_type
            runner = self._runners.choose(kind, self._runner_name)
        except (NotSupportedError, SandboxUnavailableError):
            return IsolationFacts(runner="none")
        return IsolationFacts.of_runner(runner.name, runner.available().isolation)


def approvals_of(
    decision: records.Decision | None, starter: records.Decision | None = None
) -> ApprovalFacts:
    """Who said yes, of a decision that a job remembers; ``starter`` is the one about the run."""
    return count_approvals(_people(decision), _people(starter))


def count_approvals(people: set[str], starters: set[str]) -> ApprovalFacts:
    """How many different people said yes, and whether one of them had the run started."""
    return ApprovalFacts(n=len(people), includes_starter=bool(people & starters))


def starters_of(job: records.Job) -> set[str]:
    """The people who had a job's run started."""
    return _people(job.run_decision)


def why(decision: Decision) -> str:
    """Why a decision is not *go ahead*, in one line for the site's own people."""
    if decision.errors:
        return f"the site's policy cannot decide: {'; '.join(decision.errors)}"
    named = [f"{f.policy_id}: {f.reason}" if f.reason else f.policy_id for f in decision.findings]
    if decision.answer is Answer.DENY:
        forbidding = "; ".join(dict.fromkeys(named))
        return f"the site's policy forbids it ({forbidding})" if named else "no rule permits it"
    return "the site's policy asks for a person first"


def _people(decision: records.Decision | None) -> set[str]:
    if decision is None or decision.answer != "approved":
        return set()
    return {same_person(one.name) for one in (decision, *decision.others)}


def _name(job: int) -> str:
    return f"job:{job}"
