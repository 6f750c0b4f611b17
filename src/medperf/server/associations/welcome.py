"""Does a benchmark's policy let somebody take part without asking a person?

The benchmark's settings are written as the policy that they mean, and that policy answers; so a
setting and a rule can never mean different things.
"""

from datetime import datetime

from sqlalchemy import Connection

from medperf.domain.associations import AssociationForm, AssociationKind
from medperf.domain.benchmarks import AutoApproval
from medperf.policy.actions import Action, Scope
from medperf.policy.associating import policy_of_settings
from medperf.policy.decision import Decision, Policy
from medperf.policy.facts import AssociationFacts, BenchmarkFacts
from medperf.server.call import Wire
from medperf.server.db.queries import row, rows
from medperf.server.db.tables import associations, containers, models


def decide(
    connection: Connection,
    form: AssociationForm,
    benchmark: Wire,
    subject: Wire,
    now: datetime,
) -> Decision:
    """Ask the benchmark's policy about a request of a dataset or a model."""
    text = policy_of_settings(
        AutoApproval.model_validate(benchmark["dataset_auto_approval"]),
        AutoApproval.model_validate(benchmark["model_auto_approval"]),
    )
    facts = _facts(connection, form, benchmark, subject, now)
    return Policy(text, Scope.SERVER).decide(Action.ASSOCIATE, facts)


def _facts(
    connection: Connection,
    form: AssociationForm,
    benchmark: Wire,
    subject: Wire,
    now: datetime,
) -> AssociationFacts:
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
        now=now,
        n_cases=subject["n_cases"] if is_dataset else 0,
        n_associated=len(taking_part),
        has_compatibility_test=bool(form.compatibility),
    )


def _digest(connection: Connection, container_id: int) -> str:
    found = row(connection, containers, containers.c.id == container_id)
    return str(found["digest"]) if found else ""
