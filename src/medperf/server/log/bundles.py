"""Which statements results rest on: their grants, datasets, keys and the decisions about them."""

from collections.abc import Sequence

from sqlalchemy import Connection, and_, or_, select

from medperf.domain.errors import ForbiddenError, LogForkError
from medperf.provenance.envelope import Envelope
from medperf.server.benchmarks.leaderboard import leaderboard
from medperf.server.call import Call, Identity, Wire
from medperf.server.db.tables import associations, results
from medperf.server.log import reading
from medperf.server.results.queries import RESULTS


def with_receipt(connection: Connection, server: Identity, result: Wire) -> Wire:
    """Add to a submitted result the proof that it is in the log."""
    envelope = Envelope.from_value(result["statement"])
    try:
        leaf = reading.leaf_of(connection, envelope.digest)
        receipt = reading.receipt(connection, server.log, leaf)
    except LogForkError:
        # The result is kept; the site demands the proof itself and finds what is wrong.
        receipt = None
    return {**result, "receipt": receipt}


def of_result(call: Call, number: int) -> Wire:
    """The bundle of one result.

    Raises:
        NotFoundError: if the caller may not see it.
        ForbiddenError: if only pooled figures may be seen.
    """
    result = RESULTS.one(call.connection, call.caller, number)
    if result["statement"] is None:
        raise ForbiddenError("the release policy shows pooled figures only, and no single result")
    return _bundle(call, [result])


def of_benchmark(call: Call, number: int) -> Wire:
    """The leaderboard and the bundle of its approved results, as far as the caller may see them."""
    shown = leaderboard(call, number)
    bundle = _bundle(call, _visible(call, number), more=[f"benchmark:{number}"])
    return {**bundle, "leaderboard": shown}


def _visible(call: Call, benchmark_id: int) -> list[Wire]:
    found = call.connection.execute(
        select(*RESULTS.columns)
        .where(
            results.c.benchmark_id == benchmark_id, results.c.state == "approved", RESULTS.visible
        )
        .order_by(results.c.id),
        call.caller.binds(),
    )
    return [dict(row._mapping) for row in found if row.statement is not None]  # noqa: SLF001


def _bundle(call: Call, chosen: Sequence[Wire], more: Sequence[str] = ()) -> Wire:
    subjects = set(more)
    for result in chosen:
        subjects |= {
            f"result:{result['id']}",
            f"execution:{result['execution_id']}",
            f"dataset:{result['dataset_id']}",
            f"site:{result['site_id']}",
            f"benchmark:{result['benchmark_id']}",
        }
    subjects |= {f"association:{number}" for number in _associations(call.connection, chosen)}
    return reading.bundle(call.connection, call.server.log, subjects)


def _associations(connection: Connection, chosen: Sequence[Wire]) -> list[int]:
    benchmarks = {result["benchmark_id"] for result in chosen}
    models = {result["model_id"] for result in chosen}
    datasets = {result["dataset_id"] for result in chosen}
    found = connection.execute(
        select(associations.c.id).where(
            and_(
                associations.c.benchmark_id.in_(benchmarks),
                or_(associations.c.model_id.in_(models), associations.c.dataset_id.in_(datasets)),
            )
        )
    )
    return list(found.scalars())
