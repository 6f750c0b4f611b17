"""Agreements: proposed by one party, signed once by a person of each, in force when all have.

The server never sees the document, only its digest. Each signature, the conclusion and an early end
are statements in the log; the sites of the parties hear of them with their work.
"""

from medperf.domain import lifecycle
from medperf.domain.agreements import Agreement, AgreementForm
from medperf.domain.errors import (
    DuplicateError,
    ForbiddenError,
    InvalidRequestError,
    TransitionError,
)
from medperf.domain.identifiers import format_time
from medperf.domain.lifecycle import Side
from medperf.provenance.agreement_terms import terms_of
from medperf.provenance.envelope import Envelope
from medperf.provenance.predicates import AgreementPredicate, Decider
from medperf.server.acts import find_act, perform
from medperf.server.agreements.queries import AGREEMENTS, IS_OPEN, with_parties
from medperf.server.ai_models.queries import MODELS
from medperf.server.benchmarks.queries import BENCHMARKS
from medperf.server.call import SERVER, Call, Wire
from medperf.server.datasets.queries import DATASETS
from medperf.server.db.queries import View, rows
from medperf.server.db.tables import agreement_parties, agreements, sites
from medperf.server.db.writing import add, change, record, set_where
from medperf.server.executions.queries import newest_version
from medperf.server.log.appending import Said, append
from medperf.server.log.deciding import decided
from medperf.server.people.queries import ORGANIZATIONS
from medperf.server.people.service import require_person

_NOUN = lifecycle.AGREEMENT.noun
_BY_SERVER = {Side.SERVER}
_SCOPE: tuple[tuple[str, View], ...] = (
    ("benchmark_id", BENCHMARKS),
    ("dataset_id", DATASETS),
    ("model_id", MODELS),
)


def get(call: Call, number: int) -> Wire:
    """One agreement with its parties."""
    found = AGREEMENTS.one(call.connection, call.caller, number)
    return with_parties(call.connection, [found])[0]


def propose(call: Call, form: AgreementForm) -> Wire:
    """A person of one of the parties proposes it; nobody has signed yet, not even they.

    Raises:
        ForbiddenError: if the caller's organization is no party.
        NotFoundError: if a party, or what it is limited to, is not there.
        InvalidRequestError: if its term is over already.
    """
    owner = require_person(call, "propose an agreement")
    organization = call.caller.organization_id or 0
    if organization not in form.party_ids:
        raise ForbiddenError("only a party proposes an agreement; yours is not among them")
    for party in form.party_ids:
        ORGANIZATIONS.one(call.connection, call.caller, party)
    for name, view in _SCOPE:
        limited_to = getattr(form, name)
        if limited_to is not None:
            view.one(call.connection, call.caller, limited_to)
    if form.ends_at <= call.now:
        raise InvalidRequestError(f"its term ended at {format_time(form.ends_at)} already")
    number = add(
        call,
        agreements,
        kind=form.kind.value,
        state=lifecycle.AGREEMENT.initial,
        organization_id=organization,
        owner_id=owner,
        created_at=call.now,
        **form.model_dump(exclude={"kind", "party_ids"}),
    )
    for party in form.party_ids:
        add(call, agreement_parties, agreement_id=number, organization_id=party)
    record(call, "agreement.propose", f"agreement:{number}")
    return get(call, number)


def act(call: Call, number: int, action: str, reason: str) -> Wire:
    """A party signs or terminates.

    Raises:
        ForbiddenError: if the caller is no person of a party.
        DuplicateError: if somebody signed for this party already.
        TransitionError: if it is not open any more; its term may be over.
    """
    require_person(call, f"{action} an agreement")
    thing = get(call, number)
    own = next((p for p in thing["parties"] if p["organization_id"] == _own(call)), None)
    if own is None:
        raise ForbiddenError(f"only a party may {action} agreement {number}")
    found = find_act(lifecycle.AGREEMENT, thing["state"], action, {Side.EITHER})
    if thing["ends_at"] <= format_time(call.now):
        raise TransitionError(f"the term of agreement {number} ended at {thing['ends_at']}")
    if action == "sign":
        if own["signed_by"] is not None:
            raise DuplicateError(f"{own['signed_by']} signed for {own['name']} already")
        _sign(call, thing, reason)
    else:
        _say(call, thing, "terminated", reason)
        perform(
            call,
            lifecycle.AGREEMENT,
            agreements,
            thing,
            found,
            why=reason,
            reason=reason,
            terminated_at=call.now,
        )
        _announce(call, thing)
    return get(call, number)


def expire_overdue(call: Call) -> None:
    """Write down that terms are over; whoever decides by an agreement looks at the time itself."""
    for thing in rows(call.connection, agreements, IS_OPEN, agreements.c.ends_at <= call.now):
        found = find_act(lifecycle.AGREEMENT, thing["state"], "expire", _BY_SERVER)
        change(call, agreements, thing["id"], state=found.target)
        record(call, f"{_NOUN}.expire", f"agreement:{thing['id']}", actor=SERVER)


def _sign(call: Call, thing: Wire, reason: str) -> None:
    number, key = thing["id"], _own(call)
    envelope = _say(call, thing, "signed", reason)
    signature = {
        "signed_by": call.caller.actor,
        "key_id": _key_of(envelope),
        "statement": envelope.to_value(),
        "signed_at": call.now,
    }
    set_where(
        call,
        agreement_parties,
        agreement_parties.c.agreement_id == number,
        agreement_parties.c.organization_id == key,
        **signature,
    )
    record(call, f"{_NOUN}.sign", f"agreement:{number}")
    signed = get(call, number)
    if all(party["signed_by"] is not None for party in signed["parties"]):
        _conclude(call, signed)


def _conclude(call: Call, thing: Wire) -> None:
    signatures = {
        str(party["organization_id"]): Envelope.from_value(party["statement"]).payload_digest
        for party in thing["parties"]
    }
    _say(call, thing, "concluded", signatures=signatures, actor=SERVER)
    found = find_act(lifecycle.AGREEMENT, thing["state"], "conclude", _BY_SERVER)
    change(call, agreements, thing["id"], state=found.target, concluded_at=call.now)
    record(call, f"{_NOUN}.conclude", f"agreement:{thing['id']}", actor=SERVER)
    _announce(call, thing)


def _say(
    call: Call,
    thing: Wire,
    event: str,
    reason: str = "",
    *,
    signatures: dict[str, str] | None = None,
    actor: str | None = None,
) -> Envelope:
    terms = terms_of(Agreement.model_validate(thing))

    def said(by: Decider, _organization: str) -> AgreementPredicate:
        return AgreementPredicate.model_validate(
            {
                **terms.model_dump(),
                "event": event,
                "organization_id": None if actor == SERVER else _own(call),
                "by": by,
                "reason": reason,
                "signatures": signatures or {},
            }
        )

    envelope = decided(call, said, actor or call.caller.actor)
    append(call, Said(AgreementPredicate.kind, f"agreement:{thing['id']}", envelope))
    return envelope


def _announce(call: Call, thing: Wire) -> None:
    """Have the sites of all parties look at it again."""
    version = newest_version(call.connection) + 1
    change(call, agreements, thing["id"], announced=version)
    parties = [party["organization_id"] for party in thing["parties"]]
    set_where(call, sites, sites.c.organization_id.in_(parties), work_version=version)


def _own(call: Call) -> int:
    return call.caller.organization_id or 0


def _key_of(envelope: Envelope) -> str | None:
    # The own signature stands first, before the server's.
    return envelope.signatures[0].keyid if len(envelope.signatures) > 1 else None
