"""Does a benchmark's policy let somebody take part, and without asking a person?

The policy is asked when somebody asks to take part, and again when a person says yes: no yes
overrides a rule that forbids. The last decision is kept with its facts.
"""

from sqlalchemy import Connection

from medperf.domain.associations import AssociationForm, AssociationKind, PolicyDecision
from medperf.domain.errors import AssociationDeniedError
from medperf.policy.actions import Action, Answer, Scope
from medperf.policy.decision import Decision, Policy
from medperf.policy.explaining import explain
from medperf.policy.facts import ApprovalFacts, AssociationFacts, BenchmarkFacts
from medperf.policy.facts_json import dump_facts
from medperf.server.agreements.queries import facts_between
from medperf.server.call import Call, Wire
from medperf.server.db.queries import row, rows
from medperf.server.db.tables import associations, containers, models


def decide(
    call: Call, form: AssociationForm, benchmark: Wire, subject: Wire, *, n_approvals: int = 0
) -> tuple[Decision, Wire]:
    """Ask the benchmark's policy about a request of a dataset or a model.

    Returns:
        The decision, and what is kept of it.

    Raises:
        AssociationDeniedError: if it may not take part, whoever says yes.
    """
    facts = _facts(call, form, benchmark, subject, n_approvals)
    policy = Policy(benchmark["association_policy"], Scope.SERVER)
    decision = policy.decide(Action.ASSOCIATE, facts)
    if decision.answer is Answer.DENY:
        lines = explain(decision, facts)
        raise AssociationDeniedError(
            f"the policy of benchmark {benchmark['id']} says: {' '.join(lines)}"
        )
    kept = PolicyDecision(
        answer=decision.answer.value,
        rules=decision.policy_ids,
        policy_digest=decision.policy_digest,
        facts=dump_facts(facts),
    )
    return decision, kept.model_dump(mode="json")


def _facts(
    call: Call, form: AssociationForm, benchmark: Wire, subject: Wire, n_approvals: int
) -> AssociationFacts:
    connection = call.connection
    is_dataset = form.kind is AssociationKind.DATASET
    model = None if is_dataset else row(connection, models, models.c.id == form.model_id)
    taking_part = rows(
        connection,
        associations,
        associations.c.benchmark_id == benchmark["id"],
        associations.c.kind == form.kind.value,
        associations.c.state == "approved",
    )
    return AssociationFacts(
        kind=form.kind,
        organization_id=subject["organization_id"],
        benchmark=BenchmarkFacts(
            id=benchmark["id"],
            digest=benchmark["digest"],
            clinical_task=benchmark["clinical_task"],
            owner_id=benchmark["organization_id"],
            preparator_digest=_digest(connection, benchmark["preparator_id"]),
            evaluator_digest=_digest(connection, benchmark["evaluator_id"]),
        ),
        digest=_digest(connection, model["container_id"]) if model else subject["fingerprint"],
        now=call.now,
        n_cases=subject["n_cases"] if is_dataset else 0,
        n_associated=len(taking_part),
        has_compatibility_test=bool(form.compatibility),
        agreements=facts_between(
            connection,
            subject["organization_id"],
            benchmark["organization_id"],
            benchmark_id=benchmark["id"],
            subject=(form.kind.value, subject["id"]),
        ),
        approvals=ApprovalFacts(n=n_approvals),
    )


def _digest(connection: Connection, container_id: int) -> str:
    found = row(connection, containers, containers.c.id == container_id)
    return str(found["digest"]) if found else ""
