"""A decision in plain words: the answer, the rules that made it, and the facts those looked at."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from medperf.domain.identifiers import format_time
from medperf.policy.actions import Action, Answer
from medperf.policy.decision import Decision, PolicyFinding
from medperf.policy.facts import AgreementFacts, AnyFacts, AssociationFacts
from medperf.policy.request import Request, request_of

_HAPPENS = {
    Action.RUN: "the model may run",
    Action.RELEASE: "the result may leave",
    Action.ASSOCIATE: "it may take part",
}


def explain(decision: Decision, facts: AnyFacts) -> tuple[str, ...]:
    """Say what was decided and why, one sentence or fact per line."""
    happens = _HAPPENS[decision.action]
    lines = [
        {
            Answer.GO_AHEAD: f"Go ahead: {happens}.",
            Answer.ASK: f"Ask a person whether {happens}.",
            Answer.DENY: f"Denied: nothing permits that {happens}.",
        }[decision.answer]
    ]
    if decision.errors:
        lines[0] = f"Denied, because something is wrong: whether {happens} cannot be decided."
        return (*lines, *(f"- {error}" for error in decision.errors))
    if decision.answer is Answer.DENY and decision.findings:
        lines[0] = f"Denied: a rule forbids that {happens}."
    request = request_of(decision.action, facts)
    for finding in decision.findings:
        lines.append(_rule(finding))
        lines += [f"    {fact}" for path in finding.looks_at for fact in _facts(path, request)]
    lines += _about_unattended(decision, facts)
    if decision.answer is not Answer.GO_AHEAD:
        lines += _agreements(decision, facts)
    return tuple(lines)


def _rule(finding: PolicyFinding) -> str:
    verb = "permits" if finding.effect == "permit" else "forbids"
    sentence = f": {finding.reason}" if finding.reason else ""
    return f"- {finding.policy_id} {verb} {finding.action}{sentence}"


def _about_unattended(decision: Decision, facts: AnyFacts) -> Iterator[str]:
    name = decision.action.unattended
    if name in {finding.action for finding in decision.findings}:
        return
    if decision.answer is Answer.ASK:
        yield f"- no rule permits {name}, so a person decides"
    elif decision.answer is Answer.GO_AHEAD:
        yield f"- no rule permits {name}; {_people(facts.approvals.n)} said yes"


def _people(n: int) -> str:
    return "a person" if n == 1 else f"{n} people"


def _facts(path: str, request: Request) -> Iterator[str]:
    value = _value(path, request)
    yield f"{path.removeprefix('context.')} is {_shown(value)}"


def _value(path: str, request: Request) -> Any:
    """Follow a path through the request, and through the entities that it names."""
    steps = path.split(".")
    value: Any = {
        "principal": {"__entity": request.principal},
        "resource": {"__entity": request.resource},
        "context": request.context,
    }.get(steps[0])
    for step in steps[1:]:
        if isinstance(value, dict) and "__entity" in value:
            uid = value["__entity"]
            value = next((e["attrs"] for e in request.entities if e["uid"] == uid), None)
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _shown(value: Any) -> str:
    if isinstance(value, dict) and "__entity" in value:
        return f"{value['__entity']['type'].lower()} {value['__entity']['id']}"
    if isinstance(value, dict) and "__extn" in value:
        return str(value["__extn"]["arg"])
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(str(entry) for entry in value) or "empty"
    return "not known" if value is None else str(value)


def _agreements(decision: Decision, facts: AnyFacts) -> Iterator[str]:
    """Where a rule looked at agreements, say which are over, not begun, or were never signed."""
    paths = {path for finding in decision.findings for path in finding.looks_at}
    if not any(path.startswith("context.agreements") for path in paths):
        return
    for agreement in facts.agreements:
        state = _end_of(agreement, facts.now)
        if state:
            yield f"- agreement {agreement.id} ({agreement.kind}) {state}"
    ours, others = _sides(facts)
    for path in sorted(paths & others.keys()):
        both = {ours, others[path]}
        if not any(both <= agreement.party_ids for agreement in facts.agreements):
            yield f"- organizations {ours} and {others[path]} have no agreement that covers this"


def _end_of(agreement: AgreementFacts, now: datetime) -> str:
    ended = agreement.terminated_at
    if ended is not None and ended <= min(now, agreement.ends_at):
        return f"was terminated at {format_time(ended)}"
    if now >= agreement.ends_at:
        return f"ended at {format_time(agreement.ends_at)}"
    if now < agreement.starts_at:
        return f"begins at {format_time(agreement.starts_at)}"
    return ""


def _sides(facts: AnyFacts) -> tuple[int, dict[str, int]]:
    """Whose agreements count, and with whom, by the fact that a rule looks at."""
    others = {"context.agreements.with_benchmark_owner": facts.benchmark.owner_id}
    if isinstance(facts, AssociationFacts):
        return facts.organization_id, others
    return facts.dataset.owner_id, {
        **others,
        "context.agreements.with_model_owner": facts.model.owner_id,
    }
