"""The first schema."""

import sqlalchemy as sa
from alembic import op

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema up."""
    op.create_table(
        "idempotency_keys",
        sa.Column("principal", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("request_sha256", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("principal", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(
        op.f("ix_idempotency_keys_created_at"), "idempotency_keys", ["created_at"], unique=False
    )
    op.create_table(
        "organizations",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organizations")),
        sa.UniqueConstraint("name", name=op.f("uq_organizations_name")),
    )
    op.create_table(
        "audit_events",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("actor", sa.String(length=32), nullable=False),
        sa.Column("actor_organization_id", BIG_ID, nullable=True),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["actor_organization_id"],
            ["organizations.id"],
            name=op.f("fk_audit_events_actor_organization_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
    )
    op.create_index(op.f("ix_audit_events_action"), "audit_events", ["action"], unique=False)
    op.create_index(op.f("ix_audit_events_actor"), "audit_events", ["actor"], unique=False)
    op.create_index(
        op.f("ix_audit_events_actor_organization_id"),
        "audit_events",
        ["actor_organization_id"],
        unique=False,
    )
    op.create_index(op.f("ix_audit_events_subject"), "audit_events", ["subject"], unique=False)
    op.create_table(
        "invitations",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("organization_id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("is_admin", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("expires_at", sa.String(27), nullable=False),
        sa.CheckConstraint(
            "kind <> 'user' OR email IS NOT NULL", name=op.f("ck_invitations_user_has_email")
        ),
        sa.CheckConstraint("kind IN ('user', 'site')", name=op.f("ck_invitations_kind_known")),
        sa.CheckConstraint(
            "state IN ('open', 'redeemed', 'revoked')", name=op.f("ck_invitations_state_known")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_invitations_organization_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_invitations_token_sha256")),
    )
    op.create_index(
        op.f("ix_invitations_organization_id"), "invitations", ["organization_id"], unique=False
    )
    op.create_table(
        "sites",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("organization_id", BIG_ID, nullable=False),
        sa.Column("work_version", BIG_ID, server_default="0", nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("last_seen_at", sa.String(27), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_sites_organization_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sites")),
        sa.UniqueConstraint("organization_id", "name", name=op.f("uq_sites_organization_id_name")),
    )
    op.create_index(op.f("ix_sites_work_version"), "sites", ["work_version"], unique=False)
    op.create_table(
        "users",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("organization_id", BIG_ID, nullable=False),
        sa.Column("is_admin", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_users_organization_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )
    op.create_index(op.f("ix_users_organization_id"), "users", ["organization_id"], unique=False)
    op.create_table(
        "access_tokens",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=120), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("expires_at", sa.String(27), nullable=False),
        sa.Column("revoked_at", sa.String(27), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_access_tokens_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_tokens")),
        sa.UniqueConstraint("secret_sha256", name=op.f("uq_access_tokens_secret_sha256")),
    )
    op.create_index(op.f("ix_access_tokens_user_id"), "access_tokens", ["user_id"], unique=False)
    op.create_table(
        "containers",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("organization_id", BIG_ID, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("supersedes_id", BIG_ID, nullable=True),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("owner_id", BIG_ID, nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("image_digest", sa.String(length=71), nullable=False),
        sa.Column("parameters", sa.Text(), nullable=True),
        sa.Column("parameters_digest", sa.String(length=71), nullable=True),
        sa.Column("additional_files", sa.Text(), nullable=True),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.CheckConstraint(
            "role IN ('preparator', 'model', 'evaluator', 'trainer')",
            name=op.f("ck_containers_role_known"),
        ),
        sa.CheckConstraint(
            "state IN ('development', 'operation', 'withdrawn')",
            name=op.f("ck_containers_state_known"),
        ),
        sa.CheckConstraint("version >= 1", name=op.f("ck_containers_version_counts_from_one")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_containers_organization_id")
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_containers_owner_id")),
        sa.ForeignKeyConstraint(
            ["supersedes_id"], ["containers.id"], name=op.f("fk_containers_supersedes_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_containers")),
        sa.UniqueConstraint(
            "organization_id",
            "name",
            "version",
            name=op.f("uq_containers_organization_id_name_version"),
        ),
        sa.UniqueConstraint("supersedes_id", name=op.f("uq_containers_supersedes_id")),
    )
    op.create_index(
        op.f("ix_containers_organization_id"), "containers", ["organization_id"], unique=False
    )
    op.create_table(
        "site_keys",
        sa.Column("key_id", sa.String(length=71), nullable=False),
        sa.Column("site_id", BIG_ID, nullable=False),
        sa.Column("public_key", sa.String(length=60), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("revoked_at", sa.String(27), nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name=op.f("fk_site_keys_site_id")),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_site_keys")),
    )
    op.create_index(op.f("ix_site_keys_site_id"), "site_keys", ["site_id"], unique=False)
    op.create_table(
        "datasets",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("organization_id", BIG_ID, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("supersedes_id", BIG_ID, nullable=True),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("site_id", BIG_ID, nullable=False),
        sa.Column("preparator_id", BIG_ID, nullable=False),
        sa.Column("fingerprint", sa.String(length=71), nullable=False),
        sa.Column("n_cases", sa.Integer(), nullable=False),
        sa.Column("statistics", sa.Text(), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('development', 'operation', 'withdrawn')",
            name=op.f("ck_datasets_state_known"),
        ),
        sa.CheckConstraint("n_cases >= 0", name=op.f("ck_datasets_n_cases_counts")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_datasets_version_counts_from_one")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_datasets_organization_id")
        ),
        sa.ForeignKeyConstraint(
            ["preparator_id"], ["containers.id"], name=op.f("fk_datasets_preparator_id")
        ),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name=op.f("fk_datasets_site_id")),
        sa.ForeignKeyConstraint(
            ["supersedes_id"], ["datasets.id"], name=op.f("fk_datasets_supersedes_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datasets")),
        sa.UniqueConstraint(
            "organization_id",
            "name",
            "version",
            name=op.f("uq_datasets_organization_id_name_version"),
        ),
        sa.UniqueConstraint("supersedes_id", name=op.f("uq_datasets_supersedes_id")),
    )
    op.create_index(
        op.f("ix_datasets_organization_id"), "datasets", ["organization_id"], unique=False
    )
    op.create_index(op.f("ix_datasets_site_id"), "datasets", ["site_id"], unique=False)
    op.create_index(
        "uq_datasets_live_fingerprint",
        "datasets",
        ["site_id", "fingerprint", "preparator_id"],
        unique=True,
        sqlite_where=sa.text("state != 'withdrawn'"),
        postgresql_where=sa.text("state != 'withdrawn'"),
    )
    op.create_table(
        "models",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("organization_id", BIG_ID, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("supersedes_id", BIG_ID, nullable=True),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("owner_id", BIG_ID, nullable=False),
        sa.Column("container_id", BIG_ID, nullable=False),
        sa.CheckConstraint(
            "state IN ('development', 'operation', 'withdrawn')", name=op.f("ck_models_state_known")
        ),
        sa.CheckConstraint("version >= 1", name=op.f("ck_models_version_counts_from_one")),
        sa.ForeignKeyConstraint(
            ["container_id"], ["containers.id"], name=op.f("fk_models_container_id")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_models_organization_id")
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_models_owner_id")),
        sa.ForeignKeyConstraint(
            ["supersedes_id"], ["models.id"], name=op.f("fk_models_supersedes_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models")),
        sa.UniqueConstraint(
            "organization_id",
            "name",
            "version",
            name=op.f("uq_models_organization_id_name_version"),
        ),
        sa.UniqueConstraint("supersedes_id", name=op.f("uq_models_supersedes_id")),
    )
    op.create_index(op.f("ix_models_container_id"), "models", ["container_id"], unique=False)
    op.create_index(op.f("ix_models_organization_id"), "models", ["organization_id"], unique=False)
    op.create_table(
        "benchmarks",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("organization_id", BIG_ID, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("supersedes_id", BIG_ID, nullable=True),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("owner_id", BIG_ID, nullable=False),
        sa.Column("clinical_task", sa.String(length=400), nullable=False),
        sa.Column("preparator_id", BIG_ID, nullable=False),
        sa.Column("evaluator_id", BIG_ID, nullable=False),
        sa.Column("reference_model_id", BIG_ID, nullable=False),
        sa.Column("demo_dataset", sa.Text(), nullable=False),
        sa.Column("analysis_plan", sa.Text(), nullable=False),
        sa.Column("analysis_plan_digest", sa.String(length=71), nullable=False),
        sa.Column("release_policy", sa.Text(), nullable=False),
        sa.Column("release_audience", sa.String(length=16), nullable=False),
        sa.Column("release_detail", sa.String(length=16), nullable=False),
        sa.Column("release_moment", sa.String(length=16), nullable=False),
        sa.Column("has_pseudonymous_sites", sa.Boolean(), nullable=False),
        sa.Column("is_complete", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("dataset_auto_approval", sa.Text(), nullable=False),
        sa.Column("model_auto_approval", sa.Text(), nullable=False),
        sa.Column("result_auto_approval", sa.Boolean(), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.CheckConstraint(
            "release_audience IN ('owners', 'participants', 'public')",
            name=op.f("ck_benchmarks_release_audience_known"),
        ),
        sa.CheckConstraint(
            "release_detail IN ('pooled', 'per_site')",
            name=op.f("ck_benchmarks_release_detail_known"),
        ),
        sa.CheckConstraint(
            "release_moment IN ('submitted', 'approved', 'complete')",
            name=op.f("ck_benchmarks_release_moment_known"),
        ),
        sa.CheckConstraint(
            "state IN ('development', 'pending', 'approved', 'rejected', 'inactive', 'withdrawn')",
            name=op.f("ck_benchmarks_state_known"),
        ),
        sa.CheckConstraint("version >= 1", name=op.f("ck_benchmarks_version_counts_from_one")),
        sa.ForeignKeyConstraint(
            ["evaluator_id"], ["containers.id"], name=op.f("fk_benchmarks_evaluator_id")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_benchmarks_organization_id")
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_benchmarks_owner_id")),
        sa.ForeignKeyConstraint(
            ["preparator_id"], ["containers.id"], name=op.f("fk_benchmarks_preparator_id")
        ),
        sa.ForeignKeyConstraint(
            ["reference_model_id"], ["models.id"], name=op.f("fk_benchmarks_reference_model_id")
        ),
        sa.ForeignKeyConstraint(
            ["supersedes_id"], ["benchmarks.id"], name=op.f("fk_benchmarks_supersedes_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_benchmarks")),
        sa.UniqueConstraint(
            "organization_id",
            "name",
            "version",
            name=op.f("uq_benchmarks_organization_id_name_version"),
        ),
        sa.UniqueConstraint("supersedes_id", name=op.f("uq_benchmarks_supersedes_id")),
    )
    op.create_index(
        op.f("ix_benchmarks_evaluator_id"), "benchmarks", ["evaluator_id"], unique=False
    )
    op.create_index(
        op.f("ix_benchmarks_organization_id"), "benchmarks", ["organization_id"], unique=False
    )
    op.create_index(
        op.f("ix_benchmarks_reference_model_id"), "benchmarks", ["reference_model_id"], unique=False
    )
    op.create_table(
        "associations",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("benchmark_id", BIG_ID, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("dataset_id", BIG_ID, nullable=True),
        sa.Column("model_id", BIG_ID, nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("requested_by", sa.String(length=32), nullable=False),
        sa.Column("requested_by_organization_id", BIG_ID, nullable=False),
        sa.Column("requested_side", sa.String(length=16), nullable=False),
        sa.Column("decided_by", sa.String(length=32), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("compatibility", sa.Text(), nullable=True),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("decided_at", sa.String(27), nullable=True),
        sa.CheckConstraint(
            "(kind = 'dataset' AND dataset_id IS NOT NULL AND model_id IS NULL) OR (kind = 'model' AND model_id IS NOT NULL AND dataset_id IS NULL)",  # noqa: E501
            name=op.f("ck_associations_one_subject"),
        ),
        sa.CheckConstraint("kind IN ('dataset', 'model')", name=op.f("ck_associations_kind_known")),
        sa.CheckConstraint(
            "requested_side IN ('benchmark', 'subject')",
            name=op.f("ck_associations_requested_side_known"),
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'approved', 'rejected', 'withdrawn')",
            name=op.f("ck_associations_state_known"),
        ),
        sa.ForeignKeyConstraint(
            ["benchmark_id"], ["benchmarks.id"], name=op.f("fk_associations_benchmark_id")
        ),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_associations_dataset_id")
        ),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_associations_model_id")),
        sa.ForeignKeyConstraint(
            ["requested_by_organization_id"],
            ["organizations.id"],
            name=op.f("fk_associations_requested_by_organization_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_associations")),
    )
    op.create_index(
        "ix_associations_benchmark_id_kind_state",
        "associations",
        ["benchmark_id", "kind", "state"],
        unique=False,
    )
    op.create_index(
        op.f("ix_associations_dataset_id"), "associations", ["dataset_id"], unique=False
    )
    op.create_index(op.f("ix_associations_model_id"), "associations", ["model_id"], unique=False)
    op.create_index(
        "uq_associations_live_dataset_id",
        "associations",
        ["benchmark_id", "dataset_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('pending', 'approved')"),
        postgresql_where=sa.text("state IN ('pending', 'approved')"),
    )
    op.create_index(
        "uq_associations_live_model_id",
        "associations",
        ["benchmark_id", "model_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('pending', 'approved')"),
        postgresql_where=sa.text("state IN ('pending', 'approved')"),
    )
    op.create_table(
        "executions",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("benchmark_id", BIG_ID, nullable=False),
        sa.Column("model_id", BIG_ID, nullable=False),
        sa.Column("dataset_id", BIG_ID, nullable=False),
        sa.Column("site_id", BIG_ID, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("granted", sa.Text(), nullable=True),
        sa.Column("grant_digest", sa.String(length=71), nullable=True),
        sa.Column("failure_code", sa.String(length=64), nullable=True),
        sa.Column("failure_step", sa.String(length=32), nullable=True),
        sa.Column("resources", sa.Text(), nullable=True),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("expires_at", sa.String(27), nullable=False),
        sa.Column("started_at", sa.String(27), nullable=True),
        sa.Column("ended_at", sa.String(27), nullable=True),
        sa.CheckConstraint(
            "state IN ('granted', 'running', 'completed', 'failed', 'expired', 'revoked', 'retried')",  # noqa: E501
            name=op.f("ck_executions_state_known"),
        ),
        sa.ForeignKeyConstraint(
            ["benchmark_id"], ["benchmarks.id"], name=op.f("fk_executions_benchmark_id")
        ),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_executions_dataset_id")
        ),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_executions_model_id")),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name=op.f("fk_executions_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_executions")),
        sa.UniqueConstraint("grant_digest", name=op.f("uq_executions_grant_digest")),
    )
    op.create_index(
        "ix_executions_benchmark_id_model_id_dataset_id",
        "executions",
        ["benchmark_id", "model_id", "dataset_id"],
        unique=False,
    )
    op.create_index(op.f("ix_executions_dataset_id"), "executions", ["dataset_id"], unique=False)
    op.create_index(op.f("ix_executions_model_id"), "executions", ["model_id"], unique=False)
    op.create_index("ix_executions_site_id_state", "executions", ["site_id", "state"], unique=False)
    op.create_index(
        "ix_executions_state_expires_at", "executions", ["state", "expires_at"], unique=False
    )
    op.create_index(
        "uq_executions_live_pair",
        "executions",
        ["benchmark_id", "model_id", "dataset_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('granted', 'running')"),
        postgresql_where=sa.text("state IN ('granted', 'running')"),
    )
    op.create_table(
        "results",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("execution_id", BIG_ID, nullable=False),
        sa.Column("benchmark_id", BIG_ID, nullable=False),
        sa.Column("model_id", BIG_ID, nullable=False),
        sa.Column("dataset_id", BIG_ID, nullable=False),
        sa.Column("site_id", BIG_ID, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column("statement_digest", sa.String(length=71), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("decided_by", sa.String(length=32), nullable=True),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("decided_at", sa.String(27), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'approved', 'rejected', 'withdrawn')",
            name=op.f("ck_results_state_known"),
        ),
        sa.ForeignKeyConstraint(
            ["benchmark_id"], ["benchmarks.id"], name=op.f("fk_results_benchmark_id")
        ),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_results_dataset_id")
        ),
        sa.ForeignKeyConstraint(
            ["execution_id"], ["executions.id"], name=op.f("fk_results_execution_id")
        ),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_results_model_id")),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name=op.f("fk_results_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_results")),
        sa.UniqueConstraint("execution_id", name=op.f("uq_results_execution_id")),
        sa.UniqueConstraint("statement_digest", name=op.f("uq_results_statement_digest")),
    )
    op.create_index(op.f("ix_results_benchmark_id"), "results", ["benchmark_id"], unique=False)
    op.create_index(op.f("ix_results_dataset_id"), "results", ["dataset_id"], unique=False)
    op.create_index(op.f("ix_results_model_id"), "results", ["model_id"], unique=False)
    op.create_index(op.f("ix_results_site_id"), "results", ["site_id"], unique=False)


def downgrade() -> None:
    """Take it back."""
    op.drop_index(op.f("ix_results_site_id"), table_name="results")
    op.drop_index(op.f("ix_results_model_id"), table_name="results")
    op.drop_index(op.f("ix_results_dataset_id"), table_name="results")
    op.drop_index(op.f("ix_results_benchmark_id"), table_name="results")
    op.drop_table("results")
    op.drop_index(
        "uq_executions_live_pair",
        table_name="executions",
        sqlite_where=sa.text("state IN ('granted', 'running')"),
        postgresql_where=sa.text("state IN ('granted', 'running')"),
    )
    op.drop_index("ix_executions_state_expires_at", table_name="executions")
    op.drop_index("ix_executions_site_id_state", table_name="executions")
    op.drop_index(op.f("ix_executions_model_id"), table_name="executions")
    op.drop_index(op.f("ix_executions_dataset_id"), table_name="executions")
    op.drop_index("ix_executions_benchmark_id_model_id_dataset_id", table_name="executions")
    op.drop_table("executions")
    op.drop_index(
        "uq_associations_live_model_id",
        table_name="associations",
        sqlite_where=sa.text("state IN ('pending', 'approved')"),
        postgresql_where=sa.text("state IN ('pending', 'approved')"),
    )
    op.drop_index(
        "uq_associations_live_dataset_id",
        table_name="associations",
        sqlite_where=sa.text("state IN ('pending', 'approved')"),
        postgresql_where=sa.text("state IN ('pending', 'approved')"),
    )
    op.drop_index(op.f("ix_associations_model_id"), table_name="associations")
    op.drop_index(op.f("ix_associations_dataset_id"), table_name="associations")
    op.drop_index("ix_associations_benchmark_id_kind_state", table_name="associations")
    op.drop_table("associations")
    op.drop_index(op.f("ix_benchmarks_reference_model_id"), table_name="benchmarks")
    op.drop_index(op.f("ix_benchmarks_organization_id"), table_name="benchmarks")
    op.drop_index(op.f("ix_benchmarks_evaluator_id"), table_name="benchmarks")
    op.drop_table("benchmarks")
    op.drop_index(op.f("ix_models_organization_id"), table_name="models")
    op.drop_index(op.f("ix_models_container_id"), table_name="models")
    op.drop_table("models")
    op.drop_index(
        "uq_datasets_live_fingerprint",
        table_name="datasets",
        sqlite_where=sa.text("state != 'withdrawn'"),
        postgresql_where=sa.text("state != 'withdrawn'"),
    )
    op.drop_index(op.f("ix_datasets_site_id"), table_name="datasets")
    op.drop_index(op.f("ix_datasets_organization_id"), table_name="datasets")
    op.drop_table("datasets")
    op.drop_index(op.f("ix_site_keys_site_id"), table_name="site_keys")
    op.drop_table("site_keys")
    op.drop_index(op.f("ix_containers_organization_id"), table_name="containers")
    op.drop_table("containers")
    op.drop_index(op.f("ix_access_tokens_user_id"), table_name="access_tokens")
    op.drop_table("access_tokens")
    op.drop_index(op.f("ix_users_organization_id"), table_name="users")
    op.drop_table("users")
    op.drop_index(op.f("ix_sites_work_version"), table_name="sites")
    op.drop_table("sites")
    op.drop_index(op.f("ix_invitations_organization_id"), table_name="invitations")
    op.drop_table("invitations")
    op.drop_index(op.f("ix_audit_events_subject"), table_name="audit_events")
    op.drop_index(op.f("ix_audit_events_actor_organization_id"), table_name="audit_events")
    op.drop_index(op.f("ix_audit_events_actor"), table_name="audit_events")
    op.drop_index(op.f("ix_audit_events_action"), table_name="audit_events")
    op.drop_table("audit_events")
    op.drop_table("organizations")
    op.drop_index(op.f("ix_idempotency_keys_created_at"), table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
