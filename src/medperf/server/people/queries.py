"""Reading organizations, users, invitations and access tokens."""

from sqlalchemy import Connection, bindparam, case, null, or_, select, true

from medperf.domain import lifecycle
from medperf.server.call import Wire
from medperf.server.db.queries import IS_ADMIN, ORGANIZATION, USER, View, by_choice, by_id, by_text
from medperf.server.db.tables import access_tokens, invitations, organizations, user_keys, users

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

_KEYS = (
    select(user_keys)
    .where(user_keys.c.user_id.in_(bindparam("user_ids", expanding=True)))
    .order_by(user_keys.c.created_at)
)
_ACTIVE_KEY = select(user_keys.c.public_key).where(
    user_keys.c.user_id == bindparam("user_id"), user_keys.c.revoked_at.is_(None)
)


def with_keys(connection: Connection, found: list[Wire]) -> list[Wire]:
    """Add to each person all the keys they ever had; they verify what was signed with them."""
    keys: dict[int, list[Wire]] = {user["id"]: [] for user in found}
    for row in connection.execute(_KEYS, {"user_ids": list(keys)}):
        keys[row.user_id].append(
            {
                "key_id": row.key_id,
                "public_key": row.public_key,
                "created_at": row.created_at,
                "revoked_at": row.revoked_at,
            }
        )
    return [{**user, "keys": keys[user["id"]]} for user in found]


def active_key(connection: Connection, user_id: int) -> str | None:
    """The public key with which a person signs now, if they registered one."""
    found: str | None = connection.execute(_ACTIVE_KEY, {"user_id": user_id}).scalar()
    return found
