"""A benchmark's policy about taking part: drafted with it, then changed version by version.

While the benchmark is in development the policy is part of the draft. When it is submitted the
server puts it in force as version 1; from then on a person of the benchmark's organization puts
another one in force, and each version is a `policy` statement in the log.
"""

from dataclasses import replace

from medperf.domain import lifecycle
from medperf.domain.benchmarks import AssociationPolicyForm
from medperf.domain.errors import ConflictError, ForbiddenError, InvalidRequestError
from medperf.policy.actions import Scope
from medperf.policy.associating import association_policy
from medperf.policy.decision import Policy
from medperf.provenance.envelope import Envelope
from medperf.provenance.predicates import Decider, PolicyPredicate
from medperf.server.benchmarks.queries import BENCHMARKS
from medperf.server.call import SERVER, Call, Signed, Wire
from medperf.server.db.queries import row, rows
from medperf.server.db.tables import association_policies, benchmarks
from medperf.server.db.writing import add, change, record
from medperf.server.log.appending import Said, append
from medperf.server.log.deciding import decided
from medperf.server.people.service import require_person

_CLOSED = {"rejected", "withdrawn"}


def history(call: Call, number: int) -> Wire:
    """Every version that was ever in force, for everybody who sees the benchmark."""
    BENCHMARKS.one(call.connection, call.caller, number)
    found = rows(
        call.connection, association_policies, association_policies.c.benchmark_id == number
    )
    return {"items": found}


def put_in_force(call: Call, number: int, form: AssociationPolicyForm) -> Wire:
    """A person of the benchmark's organization changes who may take part from now on.

    Raises:
        ForbiddenError: if the benchmark is somebody else's.
        ConflictError: if it is a draft, or over.
        MalformedFileError: if the policy has faults; the message names each with its line.
        InvalidRequestError: if it is the one in force already.
    """
    thing = BENCHMARKS.one(call.connection, call.caller, number)
    require_person(call, "put a policy in force")
    if thing["organization_id"] != call.caller.organization_id:
        raise ForbiddenError(f"benchmark {number} belongs to another organization")
    if thing["state"] == lifecycle.BENCHMARK.initial:
        raise ConflictError(
            f"benchmark {number} is in development; its policy is part of the draft",
            hint="Edit the benchmark; its policy is put in force when it is submitted.",
        )
    if thing["state"] in _CLOSED:
        raise ConflictError(f"benchmark {number} is {thing['state']}, nothing takes part in it")
    policy = association_policy(form.text)
    if policy.digest == _digest(thing):
        raise InvalidRequestError("this policy is in force already")
    if form.statement is None:
        return _write(call, thing, policy, call.caller.actor)
    signed = Signed(Envelope.from_value(form.statement))
    return _write(replace(call, signed=signed), thing, policy, call.caller.actor)


def begin(call: Call, thing: Wire) -> None:
    """The server puts in force what a benchmark was submitted with."""
    _write(call, thing, association_policy(thing["association_policy"]), SERVER)


def _write(call: Call, thing: Wire, policy: Policy, actor: str) -> Wire:
    number, version = thing["id"], thing["association_policy_version"] + 1
    is_first = thing["state"] == lifecycle.BENCHMARK.initial

    def said(by: Decider, _organization: str) -> PolicyPredicate:
        return PolicyPredicate(
            policy_version=version,
            policy_digest=policy.digest,
            supersedes_digest=None if is_first else _digest(thing),
            benchmark_id=number,
            decided_by=by,
            in_force_at=by.at,
        )

    envelope = decided(call, said, actor)
    append(call, Said(PolicyPredicate.kind, f"benchmark:{number}", envelope))
    add(
        call,
        association_policies,
        benchmark_id=number,
        version=version,
        text=policy.text,
        digest=policy.digest,
        statement=envelope.to_value(),
        put_in_force_by=actor,
        in_force_at=call.now,
    )
    change(
        call,
        benchmarks,
        number,
        association_policy=policy.text,
        association_policy_version=version,
    )
    details = {"version": version, "digest": policy.digest}
    record(call, "benchmark.policy", f"benchmark:{number}", actor=actor, **details)
    found = row(
        call.connection,
        association_policies,
        association_policies.c.benchmark_id == number,
        association_policies.c.version == version,
    )
    return found or {}


def _digest(thing: Wire) -> str:
    return Policy(thing["association_policy"], Scope.SERVER).digest
