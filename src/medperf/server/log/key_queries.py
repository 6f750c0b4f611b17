"""What the log says of the server's own keys, read before anything is signed."""

from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from medperf.server.db.prepared import Prepared
from medperf.server.db.tables import log_leaves

SERVER_LEAVES = "server"
"""The subject of the leaves about the server itself."""

_MINE = log_leaves.c.subject == bindparam("subject")
_NEWEST = Prepared(select(func.max(log_leaves.c.leaf)).where(_MINE))
_ALL = select(log_leaves.c.leaf, log_leaves.c.envelope).where(_MINE).order_by(log_leaves.c.leaf)


def newest_succession(connection: Connection) -> int | None:
    """The last leaf by which the server's key was followed by another."""
    [(leaf,)] = _NEWEST.all(connection, {"subject": SERVER_LEAVES})
    return None if leaf is None else int(leaf)


def successions(connection: Connection) -> list[tuple[int, dict[str, Any]]]:
    """Every such leaf with its envelope, in order."""
    found = connection.execute(_ALL, {"subject": SERVER_LEAVES})
    return [(row.leaf, row.envelope) for row in found]


def first_envelopes(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """The envelopes of the first leaves."""
    wanted = select(log_leaves.c.envelope).order_by(log_leaves.c.leaf).limit(limit)
    return list(connection.execute(wanted).scalars())
