"""What the server says of what people and sites did: decisions, keys, ends of executions.

Whoever has a key of their own signed the decision first (`server.log.deciding`). For the others the
server vouches, and the statement says so: a person finds there a decision they never made.
"""

from collections.abc import Mapping
from typing import Literal

from medperf.provenance.keys import PublicKey
from medperf.provenance.predicates import Decider, DecisionPredicate, KeyPredicate
from medperf.server.call import Call, Wire
from medperf.server.db.queries import numbered
from medperf.server.db.tables import sites, users
from medperf.server.log.appending import Said, append
from medperf.server.log.deciding import decided, signed


def log_decision(
    call: Call,
    subject: str,
    *,
    decision: str,
    about: tuple[str, int],
    digests: Mapping[str, str | None],
    benchmark_id: int | None = None,
    reason: str = "",
    actor: str | None = None,
    about_digest: str | None = None,
) -> None:
    """Log what was decided.

    Args:
        call: who decides, and when.
        subject: the leaf's subject, such as ``association:4``.
        decision: the state that follows, such as ``approved``.
        about: noun and number of what is decided.
        digests: its content, by the names of statements; None is left out.
        benchmark_id: where the decision is about taking part in a benchmark.
        reason: as it was given.
        actor: who decided, if not the caller.
        about_digest: of the statement that this ends or accepts.
    """
    noun, number = about

    def said(decided_by: Decider, organization: str) -> DecisionPredicate:
        return DecisionPredicate(
            decision=decision,
            noun=noun,
            noun_id=number,
            digests={name: digest for name, digest in digests.items() if digest is not None},
            benchmark_id=benchmark_id,
            organization=organization,
            decided_by=decided_by,
            reason=reason,
        )

    envelope = decided(call, said, actor or call.caller.actor)
    append(call, Said(DecisionPredicate.kind, subject, envelope, about_digest))


def log_end(call: Call, execution: Wire, state: str, actor: str | None = None) -> None:
    """Log that a grant was answered by no result: it failed, expired or was revoked.

    Without this, every grant that came to nothing would look like a result that was dropped.
    """
    log_decision(
        call,
        f"execution:{execution['id']}",
        decision=state,
        about=("execution", execution["id"]),
        digests={"grant": execution["grant_digest"]},
        benchmark_id=execution["benchmark_id"],
        reason=execution["failure_code"] or "",
        actor=actor,
        about_digest=execution["grant_digest"],
    )


def log_keys(
    call: Call,
    owner_type: Literal["site", "person"],
    owner_id: int,
    *events: tuple[Literal["enrolled", "revoked"], str],
    reason: str = "",
) -> None:
    """Log in order that these keys of a site or a person, as text, were enrolled or revoked."""
    table, noun = (sites, "site") if owner_type == "site" else (users, "user")
    owner = numbered(call.connection, table, owner_id)
    said = [
        KeyPredicate(
            event=event,
            public_key=PublicKey.from_text(key).to_text(),
            owner_type=owner_type,
            owner_id=owner_id,
            owner=owner["name"] if owner else "",
            at=call.now,
            reason=reason,
        )
        for event, key in events
    ]
    append(call, *(Said(each.kind, f"{noun}:{owner_id}", signed(call, each)) for each in said))
