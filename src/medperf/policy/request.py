"""From facts to what Cedar evaluates: principal, resource, context, and the entities they name."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from medperf.domain.identifiers import format_time
from medperf.policy.actions import Action
from medperf.policy.facts import (
    AgreementFacts,
    AnyFacts,
    ApprovalFacts,
    AssociationFacts,
    BenchmarkFacts,
    Facts,
)

Uid = dict[str, str]


@dataclass(frozen=True, slots=True)
class Request:
    """One request, whichever half of a pair of actions it will be asked with."""

    principal: Uid
    resource: Uid
    context: dict[str, Any]
    entities: list[dict[str, Any]]


def request_of(action: Action, facts: AnyFacts) -> Request:
    """Put facts into the shape that the schema declares for an action."""
    return _of_execution(action, facts) if isinstance(facts, Facts) else _of_association(facts)


def cedar_time(moment: datetime) -> str:
    """Write a time as Cedar reads it: in milliseconds; what is left out is less than one."""
    return format_time(moment).removesuffix("Z")[:-3] + "Z"


def _of_execution(action: Action, facts: Facts) -> Request:
    model, dataset, benchmark = facts.model, facts.dataset, facts.benchmark
    counts, isolation = facts.counts, facts.isolation
    context: dict[str, Any] = {
        "now": _time(facts.now),
        "purpose": facts.purpose,
        "benchmark": {"__entity": _uid("Benchmark", benchmark.id)},
        "counts": {
            "executions": counts.executions,
            "executions_of_model": counts.executions_of_model,
            "executions_of_model_owner": counts.executions_of_model_owner,
            "executions_of_benchmark": counts.executions_of_benchmark,
            "models": counts.models,
            "releases": counts.releases,
            "releases_of_model": counts.releases_of_model,
        },
        "isolation": {
            "runner": isolation.runner,
            "has_network": isolation.has_network,
            "has_read_only_root": isolation.has_read_only_root,
            "has_capabilities": isolation.has_capabilities,
            "is_root": isolation.is_root,
            "is_attested": isolation.is_attested,
        },
        "agreements": {
            **_agreements(facts.agreements, facts.now, dataset.owner_id, benchmark.owner_id),
            "with_model_owner": _kinds(
                facts.agreements, facts.now, dataset.owner_id, model.owner_id
            ),
        },
        "approvals": _approvals(facts.approvals),
    }
    if action is Action.RELEASE and facts.document is not None:
        context["document"] = {
            "size_bytes": facts.document.size_bytes,
            "n_suppressed": facts.document.n_suppressed,
        }
    model_attributes = {"digest": model.digest}
    dataset_attributes = {"fingerprint": dataset.fingerprint, "n_cases": dataset.n_cases}
    return Request(
        principal=_uid("Model", model.id),
        resource=_uid("Dataset", dataset.id),
        context=context,
        entities=[
            _entity("Model", model.id, model_attributes, model.owner_id),
            _entity("Dataset", dataset.id, dataset_attributes, dataset.owner_id),
            _benchmark(benchmark),
            *_organizations({model.owner_id, dataset.owner_id, benchmark.owner_id}),
        ],
    )


def _of_association(facts: AssociationFacts) -> Request:
    benchmark, asking = facts.benchmark, facts.organization_id
    return Request(
        principal=_uid("Organization", asking),
        resource=_uid("Benchmark", benchmark.id),
        context={
            "now": _time(facts.now),
            "kind": facts.kind.value,
            "digest": facts.digest,
            "n_cases": facts.n_cases,
            "n_associated": facts.n_associated,
            "has_compatibility_test": facts.has_compatibility_test,
            "agreements": _agreements(facts.agreements, facts.now, asking, benchmark.owner_id),
            "approvals": _approvals(facts.approvals),
        },
        entities=[_benchmark(benchmark), *_organizations({asking, benchmark.owner_id})],
    )


def _agreements(
    agreements: Iterable[AgreementFacts], now: datetime, ours: int, benchmark_owner_id: int
) -> dict[str, Any]:
    """Describe what is in force and signed by ourselves: the dataset's or the asking side."""
    agreements = tuple(agreements)
    in_force = [a for a in agreements if a.is_in_force(now) and ours in a.party_ids]
    return {
        "ids": sorted({a.id for a in in_force}),
        "digests": sorted({a.digest for a in in_force}),
        "with_benchmark_owner": _kinds(agreements, now, ours, benchmark_owner_id),
    }


def _kinds(
    agreements: Iterable[AgreementFacts], now: datetime, ours: int, theirs: int
) -> list[str]:
    both = {ours, theirs}
    return sorted({a.kind for a in agreements if a.is_in_force(now) and both <= a.party_ids})


def _approvals(approvals: ApprovalFacts) -> dict[str, Any]:
    return {"n": approvals.n, "includes_starter": approvals.includes_starter}


def _time(moment: datetime) -> dict[str, Any]:
    return {"__extn": {"fn": "datetime", "arg": cedar_time(moment)}}


def _benchmark(benchmark: BenchmarkFacts) -> dict[str, Any]:
    attributes = {
        "digest": benchmark.digest,
        "clinical_task": benchmark.clinical_task,
        "preparator_digest": benchmark.preparator_digest,
        "evaluator_digest": benchmark.evaluator_digest,
    }
    return _entity("Benchmark", benchmark.id, attributes, benchmark.owner_id)


def _organizations(numbers: Iterable[int]) -> list[dict[str, Any]]:
    return [_entity("Organization", number, {}, None) for number in sorted(numbers)]


def _entity(
    kind: str, number: int, attributes: dict[str, Any], owner_id: int | None
) -> dict[str, Any]:
    parents = [] if owner_id is None else [_uid("Organization", owner_id)]
    return {"uid": _uid(kind, number), "attrs": attributes, "parents": parents}


def _uid(kind: str, number: int) -> Uid:
    return {"type": kind, "id": str(number)}
