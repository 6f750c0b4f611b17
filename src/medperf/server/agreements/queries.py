"""Reading agreements: their parties see them, and admins."""

from datetime import datetime

from sqlalchemy import Connection, Integer, bindparam, func, or_, select

from medperf.domain import lifecycle
from medperf.domain.agreements import AgreementKind
from medperf.policy.facts import AgreementFacts
from medperf.server.call import Wire
from medperf.server.db.queries import (
    IS_ADMIN,
    ORGANIZATION,
    View,
    by_choice,
    by_digest,
    by_id,
    by_relation,
    one_of,
    unindexed,
    value_of,
)
from medperf.server.db.tables import agreement_parties, agreements, organizations

_own = select(agreement_parties.c.agreement_id).where(
    agreement_parties.c.organization_id == ORGANIZATION
)
_of_organization = select(agreement_parties.c.agreement_id).where(
    agreement_parties.c.organization_id == value_of("organization_id", Integer())
)

AGREEMENTS = View(
    "agreement",
    agreements,
    tuple(column for column in agreements.c if column.key != "announced"),
    or_(unindexed(agreements.c.id).in_(_own), IS_ADMIN),
    {
        "state": by_choice(agreements.c.state, lifecycle.AGREEMENT.states),
        "kind": by_choice(agreements.c.kind, tuple(AgreementKind)),
        "organization_id": by_relation(unindexed(agreements.c.id).in_(_of_organization)),
        "document_digest": by_digest(agreements.c.document_digest),
        "benchmark_id": by_id(agreements.c.benchmark_id),
    },
)

_PARTIES = (
    select(agreement_parties, organizations.c.name)
    .join_from(
        agreement_parties,
        organizations,
        organizations.c.id == agreement_parties.c.organization_id,
    )
    .where(agreement_parties.c.agreement_id.in_(bindparam("agreement_ids", expanding=True)))
    .order_by(agreement_parties.c.organization_id)
)
_ANNOUNCED = (
    select(func.max(agreements.c.announced))
    .join_from(agreements, agreement_parties, agreement_parties.c.agreement_id == agreements.c.id)
    .where(agreement_parties.c.organization_id == bindparam("organization_id", type_=Integer))
)
_CONCLUDED_BY_BOTH = select(agreements).where(
    agreements.c.concluded_at.is_not(None),
    *(
        agreements.c.id.in_(
            select(agreement_parties.c.agreement_id).where(
                agreement_parties.c.organization_id == bindparam(name, type_=Integer)
            )
        )
        for name in ("one", "other")
    ),
)


def with_parties(connection: Connection, found: list[Wire]) -> list[Wire]:
    """Add to each agreement its parties, and who signed for them."""
    parties: dict[int, list[Wire]] = {agreement["id"]: [] for agreement in found}
    for row in connection.execute(_PARTIES, {"agreement_ids": list(parties)}):
        parties[row.agreement_id].append(
            {
                "organization_id": row.organization_id,
                "name": row.name,
                "signed_by": row.signed_by,
                "key_id": row.key_id,
                "statement": row.statement,
                "signed_at": row.signed_at,
            }
        )
    return [{**agreement, "parties": parties[agreement["id"]]} for agreement in found]


def announced_version(connection: Connection, organization_id: int) -> int:
    """Grows whenever an agreement of this organization changed."""
    given = {"organization_id": organization_id}
    return connection.execute(_ANNOUNCED, given).scalar() or 0


def facts_between(
    connection: Connection, one: int, other: int, *, benchmark_id: int, subject: tuple[str, int]
) -> tuple[AgreementFacts, ...]:
    """What two organizations signed with one another that covers this, in force or over.

    Args:
        connection: to the database.
        one: an organization.
        other: another one.
        benchmark_id: what is asked about.
        subject: ``dataset`` or ``model``, and its number.
    """
    kind, number = subject
    asked = {"benchmark_id": benchmark_id, f"{kind}_id": number}
    rows = connection.execute(_CONCLUDED_BY_BOTH, {"one": one, "other": other})
    return tuple(
        AgreementFacts(
            id=row.id,
            kind=row.kind,
            digest=row.document_digest,
            party_ids=frozenset({one, other}),
            starts_at=datetime.fromisoformat(row.starts_at),
            ends_at=datetime.fromisoformat(row.ends_at),
            terminated_at=row.terminated_at and datetime.fromisoformat(row.terminated_at),
        )
        for row in rows
        if all(
            getattr(row, name) in {None, asked.get(name)}
            for name in ("benchmark_id", "dataset_id", "model_id")
        )
    )


IS_OPEN = one_of(agreements.c.state, "proposed", "in_force")
"""Its end has not been written down yet."""
