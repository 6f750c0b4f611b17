"""Reading sites and their keys."""

from sqlalchemy import Connection, and_, bindparam, case, null, or_, select, true

from medperf.server.call import Caller, Wire
from medperf.server.db.prepared import Prepared
from medperf.server.db.queries import IS_ADMIN, ORGANIZATION, View, by_id, by_text
from medperf.server.db.tables import site_keys, sites

_needs_presence = or_(IS_ADMIN, sites.c.organization_id == ORGANIZATION)
SITES = View(
    "site",
    sites,
    (
        sites.c.id,
        sites.c.name,
        sites.c.organization_id,
        sites.c.created_at,
        case((_needs_presence, sites.c.last_seen_at), else_=null()).label("last_seen_at"),
    ),
    true(),
    {"organization_id": by_id(sites.c.organization_id), "name": by_text(sites.c.name)},
)

_KEYS = (
    select(site_keys)
    .where(site_keys.c.site_id.in_(bindparam("site_ids", expanding=True)))
    # The key that another took the place of comes first, also where both have one time.
    .order_by(site_keys.c.created_at, site_keys.c.revoked_at.is_(None))
)

_BY_KEY = Prepared(
    select(sites.c.id, sites.c.organization_id, site_keys.c.public_key)
    .join_from(site_keys, sites, sites.c.id == site_keys.c.site_id)
    .where(and_(site_keys.c.key_id == bindparam("key_id"), site_keys.c.revoked_at.is_(None)))
)

_ACTIVE = Prepared(
    select(site_keys.c.key_id, site_keys.c.public_key).where(
        site_keys.c.site_id == bindparam("of_site"), site_keys.c.revoked_at.is_(None)
    )
)


def with_keys(connection: Connection, found: list[Wire]) -> list[Wire]:
    """Add to each site all the keys it ever had; they verify what was signed with them."""
    keys: dict[int, list[Wire]] = {site["id"]: [] for site in found}
    for row in connection.execute(_KEYS, {"site_ids": list(keys)}):
        keys[row.site_id].append(
            {
                "key_id": row.key_id,
                "public_key": row.public_key,
                "created_at": row.created_at,
                "revoked_at": row.revoked_at,
            }
        )
    return [{**site, "keys": keys[site["id"]]} for site in found]


def active_keys(connection: Connection, site_id: int) -> dict[str, str]:
    """The public keys, by id, with which a site can sign now."""
    return dict(_ACTIVE.all(connection, {"of_site": site_id}))  # type: ignore[arg-type]


def site_with(connection: Connection, key_id: str) -> tuple[Caller, str] | None:
    """The site that may sign with this key, and the key; the signature is not checked yet."""
    found = _BY_KEY.first(connection, {"key_id": key_id})
    if found is None:
        return None
    number, organization_id, public_key = found
    return Caller(organization_id=organization_id, site_id=number, key_id=key_id), public_key
