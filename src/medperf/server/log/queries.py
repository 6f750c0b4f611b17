"""Reading the log's tables, and which leaves results rest on."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, and_, bindparam, func, or_, select

from medperf.server.call import Caller, Wire
from medperf.server.db.prepared import Prepared
from medperf.server.db.queries import one_of
from medperf.server.db.tables import associations, log_leaves, log_nodes, results, user_keys
from medperf.server.results.queries import RESULTS

_AT_ONCE = 500
_BY_SUBJECT = select(log_leaves.c.leaf, log_leaves.c.entry, log_leaves.c.envelope).where(
    log_leaves.c.subject.in_(bindparam("subjects", expanding=True))
)

_NAMING = Prepared(
    select(func.min(log_leaves.c.leaf)).where(log_leaves.c.envelope_digest == bindparam("digest"))
)
_ENTRIES = Prepared(
    select(log_leaves.c.entry)
    .where(log_leaves.c.leaf >= bindparam("first"), log_leaves.c.leaf < bindparam("end"))
    .order_by(log_leaves.c.leaf)
)


def leaf_naming(connection: Connection, envelope_digest: str) -> int | None:
    """The first leaf that names this envelope."""
    [(leaf,)] = _NAMING.all(connection, {"digest": envelope_digest})
    return None if leaf is None else int(leaf)


def leaves_about(connection: Connection, subjects: Sequence[str], size: int) -> list[Wire]:
    """The leaves about these subjects among the first ``size``, in order."""
    found: list[Wire] = []
    for start in range(0, len(subjects), _AT_ONCE):
        given = {"subjects": subjects[start : start + _AT_ONCE]}
        rows = connection.execute(_BY_SUBJECT, given)
        found += [dict(row._mapping) for row in rows if row.leaf < size]  # noqa: SLF001
    return sorted(found, key=lambda row: int(row["leaf"]))


def people_with(connection: Connection, key_ids: Sequence[str]) -> set[str]:
    """The people whose keys these are, as subjects of leaves."""
    found: set[str] = set()
    for start in range(0, len(key_ids), _AT_ONCE):
        given = key_ids[start : start + _AT_ONCE]
        owners = connection.execute(
            select(user_keys.c.user_id).where(user_keys.c.key_id.in_(given))
        )
        found |= {f"user:{owner}" for owner in owners.scalars()}
    return found


def entries(connection: Connection, first: int, width: int) -> list[str]:
    """The entries of neighboring leaves."""
    return [entry for (entry,) in _ENTRIES.all(connection, {"first": first, "end": first + width})]


def hashes(connection: Connection, first: int, width: int) -> list[str]:
    """The hashes of neighboring nodes of one level."""
    found = connection.execute(
        select(log_nodes.c.hash)
        .where(log_nodes.c.node >= first, log_nodes.c.node < first + width)
        .order_by(log_nodes.c.node)
    )
    return list(found.scalars())


def countable_results(connection: Connection, caller: Caller, benchmark_id: int) -> list[Wire]:
    """The results that a leaderboard could count and whose numbers the caller may see."""
    found = connection.execute(
        select(*RESULTS.columns)
        .where(
            results.c.benchmark_id == benchmark_id,
            one_of(results.c.state, "approved", "pending"),
            RESULTS.visible,
        )
        .order_by(results.c.id),
        caller.binds(),
    )
    return [dict(row._mapping) for row in found if row.statement is not None]  # noqa: SLF001


def associations_of(connection: Connection, chosen: Sequence[Mapping[str, int]]) -> list[int]:
    """The associations that brought these results' models and datasets into their benchmarks."""
    wanted = {
        name: {result[name] for result in chosen}
        for name in ("benchmark_id", "model_id", "dataset_id")
    }
    found = connection.execute(
        select(associations.c.id).where(
            and_(
                associations.c.benchmark_id.in_(wanted["benchmark_id"]),
                or_(
                    associations.c.model_id.in_(wanted["model_id"]),
                    associations.c.dataset_id.in_(wanted["dataset_id"]),
                ),
            )
        )
    )
    return list(found.scalars())
