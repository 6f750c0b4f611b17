"""Policies about taking part: a benchmark's two settings become the Cedar text that they meant."""

import json

import sqlalchemy as sa
from alembic import op

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# As the templates wrote them at this revision; what a migration does must not change with them.
_ASK = """\
@id("ask")
@reason("Every request to take part needs the yes of a person of the other side.")
@template("ask")
@parameters("{}")
permit (principal, action == Action::"associate", resource);
"""
_ACCEPT_ALL = """\
@id("accept-all%(suffix)s")
@reason("Every %(kind)s may take part without asking.")
@template("accept-all")
@parameters("{\\"what\\": \\"%(kind)s\\"}")
permit (principal, action == Action::"associateUnattended", resource)
when { context.kind == "%(kind)s" };
"""
_ACCEPT_ORGANIZATIONS = """\
@id("accept-organizations%(suffix)s")
@reason("Each %(kind)s of the organizations %(words)s may take part without asking.")
@template("accept-organizations")
@parameters("{\\"organizations\\": [%(words)s], \\"what\\": \\"%(kind)s\\"}")
permit (principal, action == Action::"associateUnattended", resource)
when { context.kind == "%(kind)s" && [%(entities)s].contains(principal) };
"""
_NEVER = json.dumps({"mode": "never", "organization_ids": []})


def upgrade() -> None:
    """Bring the schema up, and write each benchmark's settings as a policy."""
    op.create_table(
        "association_policies",
        sa.Column("benchmark_id", BIG_ID, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column("put_in_force_by", sa.String(length=32), nullable=False),
        sa.Column("in_force_at", sa.String(27), nullable=False),
        sa.CheckConstraint(
            "version >= 1", name=op.f("ck_association_policies_version_counts_from_one")
        ),
        sa.ForeignKeyConstraint(
            ["benchmark_id"], ["benchmarks.id"], name=op.f("fk_association_policies_benchmark_id")
        ),
        sa.PrimaryKeyConstraint("benchmark_id", "version", name=op.f("pk_association_policies")),
    )
    op.add_column("associations", sa.Column("policy_decision", sa.Text(), nullable=True))
    op.add_column(
        "benchmarks", sa.Column("association_policy", sa.Text(), server_default="", nullable=False)
    )
    op.add_column(
        "benchmarks",
        sa.Column("association_policy_version", sa.Integer(), server_default="0", nullable=False),
    )
    connection = op.get_bind()
    found = connection.execute(
        sa.text("SELECT id, dataset_auto_approval, model_auto_approval FROM benchmarks")
    ).all()
    for number, datasets, models in found:
        connection.execute(
            sa.text("UPDATE benchmarks SET association_policy = :text WHERE id = :number"),
            {"text": policy_of(json.loads(datasets), json.loads(models)), "number": number},
        )
    op.drop_column("benchmarks", "dataset_auto_approval")
    op.drop_column("benchmarks", "model_auto_approval")


def downgrade() -> None:
    """Take it back; a policy says more than the settings could, so all ask a person again."""
    for name in ("dataset_auto_approval", "model_auto_approval"):
        op.add_column(
            "benchmarks", sa.Column(name, sa.Text(), server_default=_NEVER, nullable=False)
        )
    op.drop_column("benchmarks", "association_policy_version")
    op.drop_column("benchmarks", "association_policy")
    op.drop_column("associations", "policy_decision")
    op.drop_table("association_policies")


def policy_of(datasets: dict[str, object], models: dict[str, object]) -> str:
    """The policy that the two settings of a benchmark meant."""
    rules, used = [_ASK], []
    for kind, setting in (("dataset", datasets), ("model", models)):
        listed = setting.get("organization_ids")
        numbers = sorted(set(listed)) if isinstance(listed, list) else []
        if setting.get("mode") == "always":
            template = _ACCEPT_ALL
        elif setting.get("mode") == "allow_list" and numbers:
            template = _ACCEPT_ORGANIZATIONS
        else:
            continue
        rules.append(
            template
            % {
                "suffix": "-2" if template in used else "",
                "kind": kind,
                "words": ", ".join(str(number) for number in numbers),
                "entities": ", ".join(f'Organization::"{number}"' for number in numbers),
            }
        )
        used.append(template)
    return "\n".join(rules)
