"""The policy of a benchmark about taking part, for the ``medperf policy`` commands."""

from typing import TYPE_CHECKING, Any

from medperf.cli.connection import client, find_number
from medperf.cli.own_key import key_path
from medperf.domain.errors import NotFoundError
from medperf.domain.identifiers import format_time

if TYPE_CHECKING:
    from medperf.domain.benchmarks import AssociationPolicy
    from medperf.policy.simulating import PastDecision


def put_in_force(reference: str, text: str) -> "AssociationPolicy":
    """Put a policy in force, signed with the person's own key where they have one here."""
    from medperf.domain.benchmarks import AssociationPolicyForm

    with client() as server:
        number = find_number(server.transport, "benchmarks", reference)
        statement: dict[str, Any] | None = None
        if key_path().exists():
            from medperf.client.deciding import sign_policy
            from medperf.client.key_file import read_key_file
            from medperf.domain.clock import system_clock

            key = read_key_file(key_path())
            statement = sign_policy(server, key, number, text, at=system_clock())
        form = AssociationPolicyForm(text=text, statement=statement)
        return server.benchmarks.put_policy(number, form)


def current(reference: str) -> tuple[str, int]:
    """The text in force, and its version; 0 is a draft, or older than versions."""
    with client() as server:
        found = server.benchmarks.get(find_number(server.transport, "benchmarks", reference))
    return found.association_policy, found.association_policy_version


def versions(reference: str) -> "tuple[AssociationPolicy, ...]":
    """Every policy that was ever in force."""
    with client() as server:
        return server.benchmarks.policies(find_number(server.transport, "benchmarks", reference))


def version_record(version: "AssociationPolicy") -> dict[str, Any]:
    """One version, for people and programs."""
    from medperf.provenance.envelope import Envelope
    from medperf.provenance.predicates import PolicyPredicate
    from medperf.provenance.statements import read_statement

    envelope = Envelope.from_value(version.statement)
    said = read_statement(envelope.content, PolicyPredicate).predicate
    by = said.decided_by
    vouched = "" if by is None or by.user_id is None else f", vouched for by {by.vouched_by}"
    return {
        "version": version.version,
        "digest": version.digest,
        "supersedes_digest": said.supersedes_digest,
        "in_force_at": format_time(version.in_force_at),
        "approved_by": f"{by.name} ({by.role}{vouched})" if by else version.put_in_force_by,
        "statement": version.statement,
    }


def decisions(reference: str) -> "list[PastDecision]":
    """What the policies of a benchmark said about every request that you may see."""
    from medperf.policy.actions import Action, Answer
    from medperf.policy.facts import AssociationFacts
    from medperf.policy.facts_json import load_facts
    from medperf.policy.simulating import PastDecision

    found = []
    with client() as server:
        number = find_number(server.transport, "benchmarks", reference)
        for listed in server.associations.list(benchmark_id=number):
            kept = server.associations.get(listed.id).policy_decision
            if kept is not None:
                facts = load_facts(kept.facts, AssociationFacts)
                answer = Answer(kept.answer)
                found.append(PastDecision(str(listed.id), Action.ASSOCIATE, facts, answer))
    return found


def explanation(number: int) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What a benchmark's policy said last about an association, and why.

    Raises:
        NotFoundError: it was never asked, or its text is not known any more.
    """
    from medperf.policy.actions import Action, Scope
    from medperf.policy.decision import Policy
    from medperf.policy.explaining import explain
    from medperf.policy.facts import AssociationFacts
    from medperf.policy.facts_json import load_facts

    with client() as server:
        association = server.associations.get(number)
        benchmark = server.benchmarks.get(association.benchmark_id)
        texts = {each.digest: each.text for each in server.benchmarks.policies(benchmark.id)}
    kept = association.policy_decision
    unversioned = Policy(benchmark.association_policy, Scope.SERVER)
    texts.setdefault(unversioned.digest, unversioned.text)
    text = texts.get(kept.policy_digest or "") if kept else None
    if kept is None or text is None:
        raise NotFoundError(f"no policy's decision about association {number} is known")
    facts = load_facts(kept.facts, AssociationFacts)
    lines = explain(Policy(text, Scope.SERVER).decide(Action.ASSOCIATE, facts), facts)
    return {"association_id": number, **kept.model_dump(mode="json")}, lines
