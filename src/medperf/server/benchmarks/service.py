"""Registering benchmarks; a benchmark's digest covers all that can change a result."""

from typing import Any

from medperf.domain import lifecycle
from medperf.domain.benchmarks import BenchmarkForm, Moment
from medperf.domain.containers import Role
from medperf.domain.errors import ForbiddenError, InvalidRequestError, NotOperationalError
from medperf.policy.associating import association_policy
from medperf.provenance.canonical import digest_of
from medperf.server.acts import find_act, perform, sides_of_owner
from medperf.server.ai_models.queries import MODELS
from medperf.server.benchmarks import policies
from medperf.server.benchmarks.queries import BENCHMARKS, is_complete, whole
from medperf.server.call import Call, Wire
from medperf.server.containers.queries import CONTAINERS
from medperf.server.db.queries import row
from medperf.server.db.tables import benchmarks, containers, models
from medperf.server.db.writing import add, change, record
from medperf.server.executions.revoking import announce_to_benchmark, revoke_for_benchmark
from medperf.server.log.statements import log_decision
from medperf.server.people.service import require_person
from medperf.server.registering import edited, next_version, registered, to_edit
from medperf.server.results.releasing import release

_STOPPED = {"inactive", "withdrawn"}


def get(call: Call, number: int) -> Wire:
    """One benchmark."""
    return BENCHMARKS.one(call.connection, call.caller, number)


def register(call: Call, form: BenchmarkForm) -> Wire:
    """A person registers a benchmark for their organization."""
    owner = require_person(call, "register a benchmark")
    organization = call.caller.organization_id or 0
    version = next_version(call, BENCHMARKS, form.name, organization, form.supersedes_id)
    number = add(
        call,
        benchmarks,
        version=version,
        organization_id=organization,
        owner_id=owner,
        state=lifecycle.BENCHMARK.initial,
        supersedes_id=form.supersedes_id,
        created_at=call.now,
        **_values(call, form),
    )
    registered(call, "benchmark", number)
    return get(call, number)


def edit(call: Call, number: int, changes: dict[str, Any]) -> Wire:
    """Change a benchmark that is still in development."""
    form = edited(BenchmarkForm, to_edit(call, BENCHMARKS, lifecycle.BENCHMARK, number), changes)
    change(call, benchmarks, number, **_values(call, form))
    record(call, "benchmark.edit", f"benchmark:{number}", fields=sorted(changes))
    return get(call, number)


def act(call: Call, number: int, action: str, reason: str) -> Wire:
    """An act of the lifecycle; what must be operational is checked whenever work may begin."""
    thing = get(call, number)
    found = find_act(lifecycle.BENCHMARK, thing["state"], action, sides_of_owner(call, thing))
    values: Wire = {}
    if found.target in {"pending", "approved"}:
        _require_operational(call, thing)
    if found.target == "pending":
        form = edited(BenchmarkForm, thing, {})
        values = {"digest": _digest(call, form)}
    if found.source == lifecycle.BENCHMARK.initial and found.target == "pending":
        policies.begin(call, thing)
    perform(call, lifecycle.BENCHMARK, benchmarks, thing, found, why=reason, **values)
    if found.source != lifecycle.BENCHMARK.initial:
        log_decision(
            call,
            f"benchmark:{number}",
            decision=found.target,
            about=("benchmark", number),
            digests={"benchmark": thing["digest"]},
            reason=reason,
        )
    if found.target in _STOPPED:
        revoke_for_benchmark(call, number)
    announce_to_benchmark(call, number)
    return get(call, number)


def refresh_completeness(call: Call, number: int) -> None:
    """Remember whether the benchmark is complete, after anything that can change it."""
    complete = is_complete(call.connection, number)
    benchmark = whole(call.connection, number)
    if benchmark["is_complete"] != complete:
        change(call, benchmarks, number, is_complete=complete)
    if complete:
        release(call, Moment.COMPLETE, benchmark)


def _values(call: Call, form: BenchmarkForm) -> Wire:
    _require_role(call, form.preparator_id, Role.PREPARATOR)
    _require_role(call, form.evaluator_id, Role.EVALUATOR)
    reference = MODELS.one(call.connection, call.caller, form.reference_model_id)
    if reference["organization_id"] != call.caller.organization_id:
        # Everybody who takes part may fetch the reference model's container.
        raise ForbiddenError(
            f"model {form.reference_model_id} belongs to another organization;"
            " a reference model is the benchmark owner's own"
        )
    plan = form.analysis_plan.model_dump(mode="json")
    policy = form.release_policy
    return {
        "name": form.name,
        "clinical_task": form.clinical_task,
        "description": form.description,
        "preparator_id": form.preparator_id,
        "evaluator_id": form.evaluator_id,
        "reference_model_id": form.reference_model_id,
        "demo_dataset": form.demo_dataset.model_dump(),
        "analysis_plan": plan,
        "analysis_plan_digest": digest_of(plan),
        "release_policy": policy.model_dump(mode="json"),
        "release_audience": policy.audience.value,
        "release_detail": policy.detail.value,
        "release_moment": policy.moment.value,
        "has_pseudonymous_sites": policy.pseudonymous_sites,
        "association_policy": association_policy(form.association_policy).text,
        "result_auto_approval": form.result_auto_approval,
        "digest": _digest(call, form),
    }


def _digest(call: Call, form: BenchmarkForm) -> str:
    model = row(call.connection, models, models.c.id == form.reference_model_id)
    parts = {
        "preparator": form.preparator_id,
        "evaluator": form.evaluator_id,
        "reference_model": model["container_id"] if model else 0,
    }
    digests = {}
    for name, number in parts.items():
        container = row(call.connection, containers, containers.c.id == number)
        digests[name] = container["digest"] if container else ""
    return digest_of(
        {
            **digests,
            "analysis_plan": form.analysis_plan.model_dump(mode="json"),
            "demo_dataset": form.demo_dataset.digest,
            "clinical_task": form.clinical_task,
        }
    )


def _require_role(call: Call, number: int, role: Role) -> None:
    container = CONTAINERS.one(call.connection, call.caller, number)
    if container["role"] != role:
        raise InvalidRequestError(f"container {number} is a {container['role']}, not a {role}")


def _require_operational(call: Call, benchmark: Wire) -> None:
    model = row(call.connection, models, models.c.id == benchmark["reference_model_id"])
    parts = [
        (
            f"{name} {benchmark[f'{name}_id']}",
            row(call.connection, containers, containers.c.id == benchmark[f"{name}_id"]),
        )
        for name in ("preparator", "evaluator")
    ]
    parts.append((f"reference model {benchmark['reference_model_id']}", model))
    waiting = [name for name, part in parts if part is None or part["state"] != "operation"]
    if waiting:
        raise NotOperationalError(f"not operational now: {', '.join(waiting)}")
