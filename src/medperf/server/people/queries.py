"""Reading organizations, users, invitations and access tokens."""

from sqlalchemy import Connection, and_, bindparam, case, null, or_, select, true

from medperf.domain import lifecycle
from medperf.server.call import Caller
from medperf.server.db.queries import IS_ADMIN, ORGANIZATION, USER, View, by_choice, by_id, by_text
from medperf.server.db.tables import access_tokens, invitations, organizations, users

ORGANIZATIONS = View(
    "organization",
    organizations,
    (organizations.c.id, organizations.c.name, organizations.c.created_at),
    true(),
    {"name": by_text(organizations.c.name)},
)

_needs_email = or_(users.c.id == USER, users.c.organization_id == ORGANIZATION, IS_ADMIN)
USERS = View(
    "user",
    users,
    (
        users.c.id,
        users.c.name,
        users.c.organization_id,
        users.c.is_admin,
        case((_needs_email, users.c.email), else_=null()).label("email"),
        users.c.created_at,
    ),
    true(),
    {"organization_id": by_id(users.c.organization_id)},
)

INVITATIONS = View(
    "invitation",
    invitations,
    tuple(column for column in invitations.c if column.key != "token_sha256"),
    or_(IS_ADMIN, invitations.c.organization_id == ORGANIZATION),
    {"state": by_choice(invitations.c.state, lifecycle.INVITATION.states)},
)

ACCESS_TOKENS = View(
    "access token",
    access_tokens,
    (
        access_tokens.c.id,
        access_tokens.c.label,
        access_tokens.c.created_at,
        access_tokens.c.expires_at,
        access_tokens.c.revoked_at,
    ),
    or_(access_tokens.c.user_id == USER, IS_ADMIN),
    {},
)

_BY_SECRET = (
    select(users.c.id, users.c.organization_id, users.c.is_admin)
    .join_from(access_tokens, users, users.c.id == access_tokens.c.user_id)
    .where(
        and_(
            access_tokens.c.secret_sha256 == bindparam("secret_sha256"),
            access_tokens.c.revoked_at.is_(None),
            access_tokens.c.expires_at > bindparam("now"),
        )
    )
)


def person_with(connection: Connection, secret_sha256: str, now: str) -> Caller | None:
    """The person whose valid access token has this digest."""
    found = connection.execute(_BY_SECRET, {"secret_sha256": secret_sha256, "now": now}).first()
    if found is None:
        return None
    return Caller(organization_id=found.organization_id, user_id=found.id, is_admin=found.is_admin)
