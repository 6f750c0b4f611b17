"""The two statements of an append: the log's size, and nodes by number."""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from sqlalchemy import Connection, bindparam, func, select

from medperf.server.db.prepared import Prepared
from medperf.server.db.tables import log_leaves, log_nodes

_AT_ONCE = 500
_LAST = Prepared(select(func.max(log_leaves.c.leaf)))


def size_of(connection: Connection) -> int:
    """How many leaves the log has."""
    [(last,)] = _LAST.all(connection, {})
    return 0 if last is None else int(last) + 1


def read_nodes(connection: Connection, numbers: Iterable[int]) -> dict[int, str]:
    """The base64 hashes of nodes, by number."""
    wanted: Sequence[int] = sorted(numbers)
    found: dict[int, str] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        given = {f"node_{place}": number for place, number in enumerate(some)}
        found |= dict(_nodes(len(some)).all(connection, given))  # type: ignore[arg-type]
    return found


@lru_cache(maxsize=_AT_ONCE)
def _nodes(n: int) -> Prepared:
    # As many parameters as are asked for: a list as one parameter is expanded at every run.
    wanted = [bindparam(f"node_{place}", type_=log_nodes.c.node.type) for place in range(n)]
    return Prepared(select(log_nodes.c.node, log_nodes.c.hash).where(log_nodes.c.node.in_(wanted)))
