"""Reading organizations, users, invitations and access tokens."""

from sqlalchemy import Connection, and_, bindparam, case, null, or_, select, true

from medperf.domain import lifecycle
from medperf.server.call import Caller, Wire
from medperf.server.db.prepared import Prepared
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

_BY_SECRET = Prepared(
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


def person_with(connection: Connection, secret_sha256: str, now: str) -> Caller | None:
    """The person whose valid access token has this digest."""
    found = _BY_SECRET.first(connection, {"secret_sha256": secret_sha256, "now": now})
    if found is None:
        return None
    number, organization_id, is_admin = found
    return Caller(organization_id=organization_id, user_id=number, is_admin=is_admin)
