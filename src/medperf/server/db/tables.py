"""The declared schema: every table with its check constraints, uniques, indexes and foreign keys.

States come from the lifecycle tables. Nothing is ever deleted from a table of registered things.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from medperf.domain import lifecycle
from medperf.domain.agreements import AgreementKind
from medperf.domain.associations import AssociationKind
from medperf.domain.benchmarks import Audience, Detail, Moment
from medperf.domain.containers import Role
from medperf.domain.people import InvitationKind
from medperf.server.db.types import BigId, JsonText, TimeText

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


def _state(table: lifecycle.Lifecycle) -> CheckConstraint:
    return _one_of("state", table.states)


def _id() -> Column[Any]:
    return Column("id", BigId, primary_key=True)


def _to(name: str, *, null: bool = False, index: bool = False) -> Column[Any]:
    target = {
        "owner_id": "users",
        "preparator_id": "containers",
        "evaluator_id": "containers",
        "reference_model_id": "models",
        "requested_by_organization_id": "organizations",
        "actor_organization_id": "organizations",
    }.get(name, name.removesuffix("_id") + "s")
    return Column(name, BigId, ForeignKey(f"{target}.id"), nullable=null, index=index)


def _at(name: str, *, null: bool = False) -> Column[Any]:
    return Column(name, TimeText, nullable=null)


def _registered(noun: str) -> list[Any]:
    """What every registered, versioned thing has."""
    return [
        _id(),
        Column("name", String(120), nullable=False),
        Column("version", Integer, nullable=False),
        _to("organization_id", index=True),
        Column("state", String(16), nullable=False),
        Column("supersedes_id", BigId, ForeignKey(f"{noun}.id"), unique=True),
        _at("created_at"),
        UniqueConstraint("organization_id", "name", "version"),
        CheckConstraint("version >= 1", name="version_counts_from_one"),
    ]


organizations = Table(
    "organizations",
    metadata,
    _id(),
    Column("name", String(120), nullable=False, unique=True),
    _at("created_at"),
)

users = Table(
    "users",
    metadata,
    _id(),
    Column("name", String(120), nullable=False),
    Column("email", String(320), nullable=False, unique=True),
    _to("organization_id", index=True),
    Column("is_admin", Boolean, nullable=False),
    _at("created_at"),
)

sites = Table(
    "sites",
    metadata,
    _id(),
    Column("name", String(120), nullable=False),
    _to("organization_id"),
    # Grows, over all sites, whenever the work of this one may have changed.
    Column("work_version", BigId, nullable=False, server_default="0", index=True),
    _at("created_at"),
    _at("last_seen_at", null=True),
    UniqueConstraint("organization_id", "name"),
)

site_keys = Table(
    "site_keys",
    metadata,
    Column("key_id", String(71), primary_key=True),
    _to("site_id", index=True),
    Column("public_key", String(60), nullable=False),
    _at("created_at"),
    _at("revoked_at", null=True),
)

user_keys = Table(
    "user_keys",
    metadata,
    Column("key_id", String(71), primary_key=True),
    _to("user_id", index=True),
    Column("public_key", String(60), nullable=False),
    _at("created_at"),
    _at("revoked_at", null=True),
)
Index(
    "uq_user_keys_active",
    user_keys.c.user_id,
    unique=True,
    sqlite_where=user_keys.c.revoked_at.is_(None),
    postgresql_where=user_keys.c.revoked_at.is_(None),
)

access_tokens = Table(
    "access_tokens",
    metadata,
    _id(),
    _to("user_id", index=True),
    Column("secret_sha256", String(64), nullable=False, unique=True),
    Column("label", String(120), nullable=False),
    _at("created_at"),
    _at("expires_at"),
    _at("revoked_at", null=True),
)

invitations = Table(
    "invitations",
    metadata,
    _id(),
    Column("kind", String(8), nullable=False),
    _to("organization_id", index=True),
    Column("name", String(120), nullable=False),
    Column("email", String(320)),
    Column("is_admin", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Column("token_sha256", String(64), nullable=False, unique=True),
    _at("created_at"),
    _at("expires_at"),
    _one_of("kind", InvitationKind),
    _state(lifecycle.INVITATION),
    CheckConstraint("kind <> 'user' OR email IS NOT NULL", name="user_has_email"),
)

containers = Table(
    "containers",
    metadata,
    *_registered("containers"),
    _to("owner_id"),
    Column("role", String(16), nullable=False),
    Column("config", JsonText, nullable=False),
    Column("image_digest", String(71), nullable=False),
    Column("parameters", JsonText),
    Column("parameters_digest", String(71)),
    Column("additional_files", JsonText),
    Column("digest", String(71), nullable=False),
    _one_of("role", Role),
    _state(lifecycle.CONTAINER),
)

models = Table(
    "models",
    metadata,
    *_registered("models"),
    Column("description", Text, nullable=False),
    _to("owner_id"),
    _to("container_id", index=True),
    _state(lifecycle.MODEL),
)

benchmarks = Table(
    "benchmarks",
    metadata,
    *_registered("benchmarks"),
    Column("description", Text, nullable=False),
    _to("owner_id"),
    Column("clinical_task", String(400), nullable=False),
    _to("preparator_id"),
    _to("evaluator_id", index=True),
    _to("reference_model_id", index=True),
    Column("demo_dataset", JsonText, nullable=False),
    Column("analysis_plan", JsonText, nullable=False),
    Column("analysis_plan_digest", String(71), nullable=False),
    Column("release_policy", JsonText, nullable=False),
    # The same in columns, because queries decide by it.
    Column("release_audience", String(16), nullable=False),
    Column("release_detail", String(16), nullable=False),
    Column("release_moment", String(16), nullable=False),
    Column("has_pseudonymous_sites", Boolean, nullable=False),
    # Every approved model has an approved result on every approved dataset.
    Column("is_complete", Boolean, nullable=False, server_default=text("false")),
    # The policy in force; `association_policies` has all that were, with their statements.
    Column("association_policy", Text, nullable=False, server_default=""),
    Column("association_policy_version", Integer, nullable=False, server_default="0"),
    Column("result_auto_approval", Boolean, nullable=False),
    Column("digest", String(71), nullable=False),
    _one_of("release_audience", Audience),
    _one_of("release_detail", Detail),
    _one_of("release_moment", Moment),
    _state(lifecycle.BENCHMARK),
)

association_policies = Table(
    "association_policies",
    metadata,
    Column("benchmark_id", BigId, ForeignKey("benchmarks.id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),
    Column("digest", String(71), nullable=False),
    Column("statement", JsonText, nullable=False),
    Column("put_in_force_by", String(32), nullable=False),
    _at("in_force_at"),
    CheckConstraint("version >= 1", name="version_counts_from_one"),
)

datasets = Table(
    "datasets",
    metadata,
    *_registered("datasets"),
    Column("description", Text, nullable=False),
    _to("site_id", index=True),
    _to("preparator_id"),
    Column("fingerprint", String(71), nullable=False),
    Column("n_cases", Integer, nullable=False),
    Column("statistics", JsonText, nullable=False),
    Column("statement", JsonText, nullable=False),
    CheckConstraint("n_cases >= 0", name="n_cases_counts"),
    _state(lifecycle.DATASET),
)
Index(
    "uq_datasets_live_fingerprint",
    datasets.c.site_id,
    datasets.c.fingerprint,
    datasets.c.preparator_id,
    unique=True,
    sqlite_where=datasets.c.state != "withdrawn",
    postgresql_where=datasets.c.state != "withdrawn",
)

associations = Table(
    "associations",
    metadata,
    _id(),
    _to("benchmark_id"),
    Column("kind", String(8), nullable=False),
    _to("dataset_id", null=True, index=True),
    _to("model_id", null=True, index=True),
    Column("state", String(16), nullable=False),
    Column("requested_by", String(32), nullable=False),
    _to("requested_by_organization_id"),
    Column("requested_side", String(16), nullable=False),
    Column("decided_by", String(32)),
    Column("reason", Text, nullable=False, server_default=""),
    Column("compatibility", JsonText),
    Column("policy_decision", JsonText),
    Column("priority", Integer, nullable=False, server_default="0"),
    _at("created_at"),
    _at("decided_at", null=True),
    _one_of("kind", AssociationKind),
    _one_of("requested_side", ("benchmark", "subject")),
    _state(lifecycle.ASSOCIATION),
    CheckConstraint(
        "(kind = 'dataset' AND dataset_id IS NOT NULL AND model_id IS NULL)"
        " OR (kind = 'model' AND model_id IS NOT NULL AND dataset_id IS NULL)",
        name="one_subject",
    ),
    Index("ix_associations_benchmark_id_kind_state", "benchmark_id", "kind", "state"),
)
for _subject in ("dataset_id", "model_id"):
    _live = associations.c.state.in_(("pending", "approved"))
    Index(
        f"uq_associations_live_{_subject}",
        associations.c.benchmark_id,
        associations.c[_subject],
        unique=True,
        sqlite_where=_live,
        postgresql_where=_live,
    )

executions = Table(
    "executions",
    metadata,
    _id(),
    _to("benchmark_id"),
    _to("model_id", index=True),
    _to("dataset_id", index=True),
    _to("site_id"),
    Column("state", String(16), nullable=False),
    Column("granted", JsonText),  # the envelope; empty only between insert and signature
    Column("grant_digest", String(71), unique=True),
    Column("failure_code", String(64)),
    Column("failure_step", String(32)),
    Column("resources", JsonText),
    _at("created_at"),
    _at("expires_at"),
    _at("started_at", null=True),
    _at("ended_at", null=True),
    _state(lifecycle.EXECUTION),
    Index("ix_executions_site_id_state", "site_id", "state"),
    Index("ix_executions_state_expires_at", "state", "expires_at"),
    Index(
        "ix_executions_benchmark_id_model_id_dataset_id", "benchmark_id", "model_id", "dataset_id"
    ),
)
_running = executions.c.state.in_(("granted", "running"))
Index(
    "uq_executions_live_pair",
    executions.c.benchmark_id,
    executions.c.model_id,
    executions.c.dataset_id,
    unique=True,
    sqlite_where=_running,
    postgresql_where=_running,
)

results = Table(
    "results",
    metadata,
    _id(),
    Column("execution_id", BigId, ForeignKey("executions.id"), nullable=False, unique=True),
    _to("benchmark_id", index=True),
    _to("model_id", index=True),
    _to("dataset_id", index=True),
    _to("site_id", index=True),
    Column("state", String(16), nullable=False),
    Column("document", JsonText, nullable=False),
    Column("statement", JsonText, nullable=False),
    Column("statement_digest", String(71), nullable=False, unique=True),
    Column("reason", Text, nullable=False, server_default=""),
    Column("decided_by", String(32)),
    _at("created_at"),
    _at("decided_at", null=True),
    _state(lifecycle.RESULT),
)

agreements = Table(
    "agreements",
    metadata,
    _id(),
    Column("kind", String(16), nullable=False),
    Column("title", String(200), nullable=False),
    Column("document_digest", String(71), nullable=False, index=True),
    Column("document_size_bytes", BigId, nullable=False),
    _to("benchmark_id", null=True),
    _to("dataset_id", null=True),
    _to("model_id", null=True),
    _at("starts_at"),
    _at("ends_at"),
    Column("state", String(16), nullable=False),
    _to("organization_id"),
    _to("owner_id"),
    # The work version at which the parties' sites should look at it again.
    Column("announced", BigId, nullable=False, server_default="0"),
    Column("reason", Text, nullable=False, server_default=""),
    _at("created_at"),
    _at("concluded_at", null=True),
    _at("terminated_at", null=True),
    _one_of("kind", AgreementKind),
    _state(lifecycle.AGREEMENT),
    CheckConstraint("starts_at < ends_at", name="term_has_length"),
    Index("ix_agreements_state_ends_at", "state", "ends_at"),
)

agreement_parties = Table(
    "agreement_parties",
    metadata,
    Column("agreement_id", BigId, ForeignKey("agreements.id"), primary_key=True),
    Column("organization_id", BigId, ForeignKey("organizations.id"), primary_key=True),
    Column("signed_by", String(32)),
    Column("key_id", String(71)),
    Column("statement", JsonText),
    _at("signed_at", null=True),
    Index("ix_agreement_parties_organization_id", "organization_id"),
)

audit_events = Table(
    "audit_events",
    metadata,
    _id(),
    _at("at"),
    Column("actor", String(32), nullable=False, index=True),
    _to("actor_organization_id", null=True, index=True),
    Column("action", String(64), nullable=False, index=True),
    Column("subject", String(64), nullable=False, index=True),
    Column("details", JsonText, nullable=False),
)

log_leaves = Table(
    "log_leaves",
    metadata,
    Column("leaf", BigId, primary_key=True, autoincrement=False),  # counted from 0
    Column("entry", Text, nullable=False),  # what the tree hashes, and anybody may read
    Column("envelope", JsonText, nullable=False),  # what the entry names, and not everybody may
    Column("envelope_digest", String(71), nullable=False, index=True),
    # What it is about here, such as result:7; all that supports a result is found by these.
    Column("subject", String(64), nullable=False, index=True),
)

log_nodes = Table(
    "log_nodes",
    metadata,
    # The level in the high bits and the place in the low ones: a tile is one range.
    Column("node", BigId, primary_key=True, autoincrement=False),
    Column("hash", String(44), nullable=False),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("principal", String(32), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("request_sha256", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("answer", Text),  # empty where the answer held a secret
    Column("created_at", TimeText, nullable=False, index=True),
)
