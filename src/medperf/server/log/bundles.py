"""Which statements results rest on: their grants, datasets, keys and the decisions about them."""

from collections.abc import Sequence

from sqlalchemy import Connection

from medperf.domain.errors import ForbiddenError, LogForkError
from medperf.provenance.envelope import Envelope
from medperf.server.agreements.queries import AGREEMENTS
from medperf.server.benchmarks.leaderboard import leaderboard_of
from medperf.server.benchmarks.sight import Seen
from medperf.server.call import Call, Identity, Wire
from medperf.server.log import queries, reading
from medperf.server.results.queries import RESULTS


def with_inclusion(connection: Connection, server: Identity, result: Wire) -> Wire:
    """Add to a submitted result the proof that it is in the log."""
    envelope = Envelope.from_value(result["statement"])
    try:
        leaf = reading.leaf_of(connection, envelope.digest)
        inclusion = reading.inclusion(connection, server.log, leaf)
    except LogForkError:
        # The result is kept; the site demands the proof itself and finds what is wrong.
        inclusion = None
    return {**result, "inclusion": inclusion}


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
    """The leaderboard and the bundle of the results it counts, as far as the caller may see."""
    seen = Seen.of(call, number)
    counted = {fact["id"] for fact in seen.facts}
    found = queries.countable_results(call.connection, call.caller, number)
    bundle = _bundle(
        call,
        [result for result in found if result["id"] in counted],
        more=[f"benchmark:{number}"],
    )
    return {**bundle, "leaderboard": leaderboard_of(seen)}


def of_agreement(call: Call, number: int) -> Wire:
    """Every statement about one agreement.

    Raises:
        NotFoundError: if the caller is no party.
    """
    AGREEMENTS.one(call.connection, call.caller, number)
    return reading.bundle(call.connection, call.server.log, [f"agreement:{number}"])


def _bundle(call: Call, chosen: Sequence[Wire], more: Sequence[str] = ()) -> Wire:
    subjects = set(more)
    for result in chosen:
        subjects |= {
            f"result:{result['id']}",
            f"release:{result['id']}",
            f"execution:{result['execution_id']}",
            f"dataset:{result['dataset_id']}",
            f"site:{result['site_id']}",
            f"benchmark:{result['benchmark_id']}",
        }
    subjects |= {
        f"association:{number}" for number in queries.associations_of(call.connection, chosen)
    }
    return reading.bundle(call.connection, call.server.log, subjects)
