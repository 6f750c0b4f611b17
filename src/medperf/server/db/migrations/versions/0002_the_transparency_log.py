"""The transparency log."""

import sqlalchemy as sa
from alembic import op

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema up."""
    op.create_table(
        "log_leaves",
        sa.Column("leaf", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("envelope", sa.Text(), nullable=False),
        sa.Column("envelope_digest", sa.String(length=71), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("leaf", name=op.f("pk_log_leaves")),
    )
    op.create_index(
        op.f("ix_log_leaves_envelope_digest"), "log_leaves", ["envelope_digest"], unique=False
    )
    op.create_index(op.f("ix_log_leaves_subject"), "log_leaves", ["subject"], unique=False)
    op.create_table(
        "log_nodes",
        sa.Column("node", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("hash", sa.String(length=44), nullable=False),
        sa.PrimaryKeyConstraint("node", name=op.f("pk_log_nodes")),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("log_nodes")
    op.drop_index(op.f("ix_log_leaves_subject"), table_name="log_leaves")
    op.drop_index(op.f("ix_log_leaves_envelope_digest"), table_name="log_leaves")
    op.drop_table("log_leaves")
