"""What a person signs with their own key when they decide: the statement that the log will hold.

It is made here from what the person can see, not taken from the server, which makes its own and
refuses any difference. So nobody signs digests that a server only claims.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from medperf.domain import lifecycle
from medperf.domain.associations import names_its_subject
from medperf.domain.errors import InvalidRequestError
from medperf.domain.people import User

if TYPE_CHECKING:
    from medperf.client.api import ServerClient
    from medperf.provenance.keys import Signer
    from medperf.provenance.predicates import (
        AgreementPredicate,
        Decider,
        DecisionPredicate,
        Predicate,
    )

_Facts = tuple[str, str, int, dict[str, str], int | None]
"""The state that follows; noun and number of what is decided; its digests; the benchmark."""


def sign_decision(
    server: "ServerClient",
    signer: "Signer",
    noun: str,
    number: int,
    action: str,
    *,
    reason: str,
    at: datetime,
) -> dict[str, Any] | None:
    """Sign an act of a lifecycle; answers the envelope, or None where the log holds no decision.

    Args:
        server: asked for what is decided about, and for who the person is.
        signer: the person's own key.
        noun: ``association``, ``benchmark``, ``result`` or ``agreement``; others hold no decision.
        number: which one.
        action: of its lifecycle table.
        reason: as it will be given with the act.
        at: now.

    Raises:
        TransitionError: if the state does not allow the act.
        InvalidRequestError: if what must be signed is not visible to the person.
    """
    me = server.me()
    if me.user is None:
        return None
    by = _decider(me.user, signer, at)
    said: AgreementPredicate | DecisionPredicate
    if noun == lifecycle.AGREEMENT.noun:
        said = _agreement(server, number, action, me.organization.id, by, reason)
    else:
        about = _FACTS.get(noun)
        facts = about(server, number, action) if about else None
        if facts is None:
            return None
        said = _decision(facts, me.organization.name, by, reason)
    return _signed(said, signer)


def sign_policy(
    server: "ServerClient", signer: "Signer", benchmark_id: int, text: str, *, at: datetime
) -> dict[str, Any]:
    """Sign the next policy of a benchmark about taking part.

    Raises:
        InvalidRequestError: if no person asks.
    """
    from medperf.provenance.predicates import PolicyPredicate  # noqa: PLC0415

    me = server.me()
    if me.user is None:
        raise InvalidRequestError("a benchmark's policy is put in force by a person")
    found = server.benchmarks.get(benchmark_id)
    return _signed(
        PolicyPredicate(
            policy_version=found.association_policy_version + 1,
            policy_digest=_digest_of(text.strip()),
            supersedes_digest=_digest_of(found.association_policy),
            benchmark_id=benchmark_id,
            decided_by=_decider(me.user, signer, at),
            in_force_at=at,
        ),
        signer,
    )


def _digest_of(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _decider(user: User, signer: "Signer", at: datetime) -> "Decider":
    from medperf.provenance.predicates import Decider  # noqa: PLC0415

    return Decider(
        name=user.name,
        role="person",
        at=at,
        user_id=user.id,
        key_id=signer.key_id,
        vouched_by="key",
    )


def _signed(said: "Predicate", signer: "Signer") -> dict[str, Any]:
    from medperf.provenance.envelope import sign  # noqa: PLC0415 - slow to import
    from medperf.provenance.statements import make_statement  # noqa: PLC0415

    return sign(make_statement(said.subjects(), said), signer).to_value()


def _decision(facts: _Facts, organization: str, by: "Decider", reason: str) -> "DecisionPredicate":
    from medperf.provenance.predicates import DecisionPredicate  # noqa: PLC0415

    decision, noun, number, digests, benchmark_id = facts
    return DecisionPredicate(
        decision=decision,
        noun=noun,
        noun_id=number,
        digests=digests,
        benchmark_id=benchmark_id,
        organization=organization,
        decided_by=by,
        reason=reason,
    )


def _agreement(
    server: "ServerClient", number: int, action: str, party: int, by: "Decider", reason: str
) -> "AgreementPredicate":
    from medperf.provenance.agreement_terms import terms_of  # noqa: PLC0415
    from medperf.provenance.predicates import AgreementPredicate  # noqa: PLC0415

    event = {"sign": "signed", "terminate": "terminated"}[action]
    return AgreementPredicate.model_validate(
        {
            **terms_of(server.agreements.get(number)).model_dump(),
            "event": event,
            "organization_id": party,
            "by": by,
            "reason": reason,
        }
    )


def _of_benchmark(server: "ServerClient", number: int, action: str) -> _Facts | None:
    found = server.benchmarks.get(number)
    if found.state == lifecycle.BENCHMARK.initial:
        return None
    target = lifecycle.BENCHMARK.apply(found.state, action).target
    return target, "benchmark", number, {"benchmark": found.digest}, None


def _of_association(server: "ServerClient", number: int, action: str) -> _Facts:
    found = server.associations.get(number)
    target = lifecycle.ASSOCIATION.apply(found.state, action).target
    number = found.dataset_id or found.model_id or 0
    if not names_its_subject(found.state, target):
        digests = {"benchmark": server.benchmarks.get(found.benchmark_id).digest}
    elif found.dataset_id is not None:
        digests = {"dataset": server.datasets.get(number).fingerprint}
    else:
        digests = _of_model(server, number)
    return target, found.kind.value, number, digests, found.benchmark_id


def _of_model(server: "ServerClient", number: int) -> dict[str, str]:
    container_id = server.models.get(number).container_id
    if container_id is None:
        raise InvalidRequestError(f"model {number}'s container is not visible to you")
    container = server.containers.get(container_id)
    files = container.additional_files
    digests = {
        "model/image": container.image_digest,
        "model/parameters": container.parameters_digest,
        "model/additional_files": files.digest if files else None,
    }
    return {name: digest for name, digest in digests.items() if digest is not None}


def _of_result(server: "ServerClient", number: int, action: str) -> _Facts:
    from medperf.provenance.envelope import Envelope  # noqa: PLC0415

    found = server.results.get(number)
    if found.statement is None:
        raise InvalidRequestError(f"the statement of result {number} is not visible to you")
    target = lifecycle.RESULT.apply(found.state, action).target
    digests = {"statement": Envelope.from_value(found.statement).payload_digest}
    return target, "result", number, digests, found.benchmark_id


_FACTS: dict[str, Callable[["ServerClient", int, str], _Facts | None]] = {
    lifecycle.BENCHMARK.noun: _of_benchmark,
    lifecycle.ASSOCIATION.noun: _of_association,
    lifecycle.RESULT.noun: _of_result,
}
