"""Whoever shows an access token: who that is, and in the same statement what they may see.

The way to a database and back costs more than what it does for a person or for one thing. So a
person is looked up by the statement that answers them; nothing about them is remembered.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BindParameter,
    Connection,
    Integer,
    Select,
    and_,
    bindparam,
    cast,
    null,
    select,
    true,
)
from sqlalchemy.sql.visitors import replacement_traverse

from medperf.domain.errors import UnauthenticatedError
from medperf.server.call import Caller
from medperf.server.db.prepared import Prepared
from medperf.server.db.queries import IS_ADMIN, ORGANIZATION, SITE, USER
from medperf.server.db.tables import access_tokens, users

_PERSON = (
    select(
        users.c.id.label(USER.key),
        users.c.organization_id.label(ORGANIZATION.key),
        users.c.is_admin.label(IS_ADMIN.key),
    )
    .join_from(access_tokens, users, users.c.id == access_tokens.c.user_id)
    .where(
        and_(
            access_tokens.c.secret_sha256 == bindparam("secret_sha256"),
            access_tokens.c.revoked_at.is_(None),
            access_tokens.c.expires_at > bindparam("now"),
        )
    )
)
_FIND = Prepared(_PERSON)


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whoever shows an access token; nobody has looked yet whether it is good."""

    secret_sha256: str
    now: str

    def binds(self) -> dict[str, Any]:
        """The values that a statement `seen_by_bearer` refers to."""
        return {"secret_sha256": self.secret_sha256, "now": self.now}


def person(connection: Connection, bearer: Bearer) -> Caller:
    """The person whose access token it is.

    Raises:
        UnauthenticatedError: if it is nobody's, or no longer good.
    """
    found = _FIND.first(connection, bearer.binds())
    if found is None:
        raise no_good()
    number, organization_id, is_admin = found
    return Caller(organization_id=organization_id, user_id=number, is_admin=is_admin)


def no_good() -> UnauthenticatedError:
    """What is said of a token that finds nobody."""
    return UnauthenticatedError("the access token is unknown, expired or revoked")


def seen_by_bearer(statement: Select[Any], *, is_newest: bool = False) -> Select[Any]:
    """The statement for a bearer instead of a caller, by ``id``, with one column more behind.

    The highest ``id`` comes first where the newest are asked for.

    No row at all says that the token is no good, a row without an ``id`` that there is nothing they
    may see.
    """
    who = _PERSON.cte("caller")
    known: dict[str, Any] = {str(each.key): select(each).scalar_subquery() for each in who.c}
    known[SITE.key] = cast(null(), Integer)

    def replaced(element: Any, **_: Any) -> Any:
        return known.get(element.key) if isinstance(element, BindParameter) else None

    of_bearer: Any = replacement_traverse(statement, {}, replaced)
    seen = of_bearer.subquery("seen")
    return (
        select(*seen.c, who.c[USER.key])
        .select_from(who.outerjoin(seen, true()))
        .order_by(seen.c.id.desc() if is_newest else seen.c.id)
    )
