"""The two statements of an append: the log's size, and nodes by number."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, bindparam, func, select

from medperf.server.db.tables import log_leaves, log_nodes

_AT_ONCE = 500
_SIZE = select(func.max(log_leaves.c.leaf))
_READ = select(log_nodes.c.node, log_nodes.c.hash).where(
    log_nodes.c.node.in_(bindparam("wanted", expanding=True))
)


def size_of(connection: Connection) -> int:
    """How many leaves the log has."""
    last = connection.execute(_SIZE).scalar()
    return 0 if last is None else last + 1


def read_nodes(connection: Connection, numbers: Iterable[int]) -> dict[int, str]:
    """The base64 hashes of nodes, by number."""
    wanted: Sequence[int] = sorted(numbers)
    found: dict[int, str] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        rows = connection.execute(_READ, {"wanted": wanted[start : start + _AT_ONCE]})
        found.update((row.node, row.hash) for row in rows)
    return found
