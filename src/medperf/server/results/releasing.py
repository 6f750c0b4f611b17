"""The log says when a result was first shown to others, to whom, and how much of it.

The benchmark's release policy is frozen with its version, so nobody decides here: its moment comes
when a result is submitted, when it is approved, or when the benchmark is complete.
"""

from medperf.domain.benchmarks import Moment
from medperf.provenance.envelope import Envelope
from medperf.provenance.predicates import ReleasePredicate, ResultPredicate
from medperf.provenance.statements import read_statement
from medperf.server.call import Call, Wire
from medperf.server.log.appending import Said, append
from medperf.server.log.deciding import signed
from medperf.server.results.queries import unreleased


def release(call: Call, moment: Moment, benchmark: Wire, result_id: int | None = None) -> None:
    """Log what is shown from now on, if this is the moment that the benchmark's policy names.

    Args:
        call: at the moment.
        moment: what just happened.
        benchmark: where, as its whole row.
        result_id: to which result; None for everything that waited.
    """
    if benchmark["release_moment"] == moment:
        found = unreleased(call.connection, benchmark["id"], result_id)
        append(call, *(_said(call, benchmark, result) for result in found))


def _said(call: Call, benchmark: Wire, result: Wire) -> Said:
    envelope = Envelope.from_value(result["statement"])
    said = read_statement(envelope.content, ResultPredicate).predicate
    released = ReleasePredicate(
        grant_id=said.grant_id,
        result_digest=said.result_digest,
        result_statement_digest=envelope.payload_digest,
        audience=benchmark["release_audience"],
        detail=benchmark["release_detail"],
        released_at=call.now,
    )
    subject = f"release:{result['id']}"
    return Said(released.kind, subject, signed(call, released), envelope.payload_digest)
