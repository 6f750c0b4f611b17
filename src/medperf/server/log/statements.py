"""What the server itself says of what people and sites did: decisions, keys, ends of executions.

People have no keys yet, so the server signs what they decided and names them. Who lies here is the
server, and the log shows it to everyone: the person named finds a decision they never made.
"""

from collections.abc import Mapping
from typing import Literal

from medperf.provenance.envelope import sign
from medperf.provenance.keys import PublicKey
from medperf.provenance.predicates import Approval, DecisionPredicate, KeyPredicate, Predicate
from medperf.provenance.statements import make_statement
from medperf.server.call import SERVER, Call, Wire
from medperf.server.db.queries import row
from medperf.server.db.tables import organizations, sites, users
from medperf.server.log.appending import Said, append


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
    person, organization = _decider(call, actor or call.caller.actor)
    noun, number = about
    said = DecisionPredicate(
        decision=decision,
        noun=noun,
        noun_id=number,
        digests={name: digest for name, digest in digests.items() if digest is not None},
        benchmark_id=benchmark_id,
        organization=organization,
        decided_by=person,
        reason=reason,
    )
    append(call, _signed(call, subject, said, about_digest))


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
    site_id: int,
    *events: tuple[Literal["enrolled", "revoked"], str],
    reason: str = "",
) -> None:
    """Log in order that these keys of a site, as text, were enrolled or revoked."""
    site = row(call.connection, sites, sites.c.id == site_id)
    said = [
        KeyPredicate(
            event=event,
            public_key=PublicKey.from_text(key).to_text(),
            owner_type="site",
            owner_id=site_id,
            owner=site["name"] if site else "",
            at=call.now,
            reason=reason,
        )
        for event, key in events
    ]
    append(call, *(_signed(call, f"site:{site_id}", each) for each in said))


def _signed(call: Call, subject: str, said: Predicate, about_digest: str | None = None) -> Said:
    envelope = sign(make_statement(said.subjects(), said), call.server.signer)
    return Said(said.kind, subject, envelope, about_digest)


def _decider(call: Call, actor: str) -> tuple[Approval, str]:
    """Who an actor is, by name, and for which organization they decide."""
    caller = call.caller
    if actor == SERVER:
        return Approval(name=call.server.name, role="server", at=call.now), call.server.name
    table, number, role = (
        (users, caller.user_id, "person")
        if caller.user_id is not None
        else (sites, caller.site_id, "site")
    )
    found = row(call.connection, table, table.c.id == number)
    body = row(call.connection, organizations, organizations.c.id == caller.organization_id)
    name = found["name"] if found else actor
    return Approval(name=name, role=role, at=call.now), body["name"] if body else ""
