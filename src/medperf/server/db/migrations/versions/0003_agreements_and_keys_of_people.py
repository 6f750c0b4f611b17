"""Agreements and keys of people."""

import sqlalchemy as sa
from alembic import op

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema up."""
    op.create_table(
        "user_keys",
        sa.Column("key_id", sa.String(length=71), nullable=False),
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("public_key", sa.String(length=60), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("revoked_at", sa.String(27), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_user_keys_user_id")),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_user_keys")),
    )
    op.create_index(op.f("ix_user_keys_user_id"), "user_keys", ["user_id"], unique=False)
    op.create_index(
        "uq_user_keys_active",
        "user_keys",
        ["user_id"],
        unique=True,
        sqlite_where=sa.text("revoked_at IS NULL"),
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
    op.create_table(
        "agreements",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("document_digest", sa.String(length=71), nullable=False),
        sa.Column("document_size_bytes", BIG_ID, nullable=False),
        sa.Column("benchmark_id", BIG_ID, nullable=True),
        sa.Column("dataset_id", BIG_ID, nullable=True),
        sa.Column("model_id", BIG_ID, nullable=True),
        sa.Column("starts_at", sa.String(27), nullable=False),
        sa.Column("ends_at", sa.String(27), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("organization_id", BIG_ID, nullable=False),
        sa.Column("owner_id", BIG_ID, nullable=False),
        sa.Column("announced", BIG_ID, server_default="0", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("concluded_at", sa.String(27), nullable=True),
        sa.Column("terminated_at", sa.String(27), nullable=True),
        sa.CheckConstraint(
            "kind IN ('membership', 'data_use')", name=op.f("ck_agreements_kind_known")
        ),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_agreements_term_has_length")),
        sa.CheckConstraint(
            "state IN ('proposed', 'in_force', 'terminated', 'expired')",
            name=op.f("ck_agreements_state_known"),
        ),
        sa.ForeignKeyConstraint(
            ["benchmark_id"], ["benchmarks.id"], name=op.f("fk_agreements_benchmark_id")
        ),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_agreements_dataset_id")
        ),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_agreements_model_id")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_agreements_organization_id")
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_agreements_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agreements")),
    )
    op.create_index(
        op.f("ix_agreements_document_digest"), "agreements", ["document_digest"], unique=False
    )
    op.create_index("ix_agreements_state_ends_at", "agreements", ["state", "ends_at"], unique=False)
    op.create_table(
        "agreement_parties",
        sa.Column("agreement_id", BIG_ID, nullable=False),
        sa.Column("organization_id", BIG_ID, nullable=False),
        sa.Column("signed_by", sa.String(length=32), nullable=True),
        sa.Column("key_id", sa.String(length=71), nullable=True),
        sa.Column("statement", sa.Text(), nullable=True),
        sa.Column("signed_at", sa.String(27), nullable=True),
        sa.ForeignKeyConstraint(
            ["agreement_id"], ["agreements.id"], name=op.f("fk_agreement_parties_agreement_id")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_agreement_parties_organization_id"),
        ),
        sa.PrimaryKeyConstraint(
            "agreement_id", "organization_id", name=op.f("pk_agreement_parties")
        ),
    )
    op.create_index(
        "ix_agreement_parties_organization_id",
        "agreement_parties",
        ["organization_id"],
        unique=False,
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_index("ix_agreement_parties_organization_id", table_name="agreement_parties")
    op.drop_table("agreement_parties")
    op.drop_index("ix_agreements_state_ends_at", table_name="agreements")
    op.drop_index(op.f("ix_agreements_document_digest"), table_name="agreements")
    op.drop_table("agreements")
    op.drop_index("uq_user_keys_active", table_name="user_keys")
    op.drop_index(op.f("ix_user_keys_user_id"), table_name="user_keys")
    op.drop_table("user_keys")
