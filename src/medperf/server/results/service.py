"""Taking results in: nothing is believed that a signature, a digest or the registry can check.

1. The caller is the site of the execution, and the statement is signed by the key of its grant,
   which is active now.
2. The statement answers the grant: same inputs, same site, within its time.
3. The execution is live: not used, not expired, not revoked.
4. Both sides are approved and everything is operational now, and as it was granted.
5. The document is what the statement's digest says and what the analysis plan allows.

Then, in one transaction, the grant is used up and the result exists.
"""

from pydantic import ValidationError

from medperf.domain import lifecycle
from medperf.domain.benchmarks import AnalysisPlan, Moment
from medperf.domain.errors import (
    GrantError,
    InvalidRequestError,
    NotFoundError,
    NotOperationalError,
    OwnApprovalError,
    UndeclaredValueError,
)
from medperf.domain.identifiers import format_time
from medperf.domain.lifecycle import Side
from medperf.domain.results import FreeFormResult, ResultForm, TypedResult
from medperf.domain.wire import first_fault
from medperf.policy.disclosure import check_result, check_size
from medperf.provenance.canonical import canonical_bytes, digest_of
from medperf.provenance.envelope import Envelope, verified_signers
from medperf.provenance.grant_check import grant_faults
from medperf.provenance.keys import PublicKey
from medperf.provenance.predicates import GrantPredicate, ResultPredicate
from medperf.provenance.statements import Statement, read_statement
from medperf.server.acts import find_act, perform
from medperf.server.benchmarks.queries import whole
from medperf.server.benchmarks.service import refresh_completeness
from medperf.server.call import SERVER, Call, Wire
from medperf.server.db.queries import numbered
from medperf.server.db.tables import datasets, executions, models, results
from medperf.server.db.writing import add, record
from medperf.server.executions.granting import inputs_of, pair_of
from medperf.server.executions.queries import grant_inputs, organization_of_site
from medperf.server.executions.service import require_site
from medperf.server.log.appending import Said, append
from medperf.server.log.statements import log_decision
from medperf.server.results.queries import RESULTS, statement_digest
from medperf.server.results.releasing import release
from medperf.server.sites.queries import active_keys


def get(call: Call, number: int) -> Wire:
    """One result."""
    return RESULTS.one(call.connection, call.caller, number)


def submit(call: Call, form: ResultForm) -> Wire:
    """A site hands in the one result of a grant."""
    site_id = require_site(call)
    envelope = Envelope.from_value(form.statement)
    said, signed_by = _verified(call, envelope, site_id)
    execution = numbered(call.connection, executions, said.grant_id)
    if execution is None or execution["site_id"] != site_id:
        raise NotFoundError(f"no grant {said.grant_id} was given to this site")
    grant = read_statement(Envelope.from_value(execution["granted"]).content, GrantPredicate)
    _require_answers_grant(said, signed_by, grant)
    _require_usable(call, execution, grant.predicate)
    benchmark = whole(call.connection, execution["benchmark_id"])
    document = _checked_document(call, said, execution, benchmark)
    completing = find_act(lifecycle.EXECUTION, execution["state"], "complete", {Side.SITE})
    perform(
        call,
        lifecycle.EXECUTION,
        executions,
        execution,
        completing,
        ended_at=call.now,
        resources=_resources(said),
    )
    number = add(
        call,
        results,
        execution_id=execution["id"],
        benchmark_id=execution["benchmark_id"],
        model_id=execution["model_id"],
        dataset_id=execution["dataset_id"],
        site_id=site_id,
        state=lifecycle.RESULT.initial,
        document=document,
        statement=form.statement,
        statement_digest=envelope.payload_digest,
        created_at=call.now,
    )
    record(call, "result.submit", f"result:{number}", statement=envelope.payload_digest)
    append(call, Said("result", f"result:{number}", envelope, said.grant_digest))
    release(call, Moment.SUBMITTED, benchmark, number)
    if benchmark["result_auto_approval"]:
        _decide(call, get(call, number), "approve", {Side.COUNTERPART}, "by settings", SERVER)
    return get(call, number)


def act(call: Call, number: int, action: str, reason: str) -> Wire:
    """The benchmark's organization decides; the dataset's may withdraw.

    Raises:
        OwnApprovalError: if the caller's organization owns the dataset or the model.
    """
    thing = get(call, number)
    owners = _owners(call, thing)
    caller = call.caller
    sides: set[Side] = set()
    if caller.site_id == thing["site_id"] or (
        caller.user_id is not None and caller.organization_id == owners["dataset"]
    ):
        sides.add(Side.OWNER)
    if caller.user_id is not None and caller.organization_id == owners["benchmark"]:
        sides.add(Side.COUNTERPART)
    if action in {"approve", "reject"} and (
        Side.OWNER in sides or caller.organization_id in {owners["dataset"], owners["model"]}
    ):
        raise OwnApprovalError(
            "a result is decided by the benchmark's organization, and by nobody of the dataset's"
            " or the model's"
        )
    _decide(call, thing, action, sides, reason, caller.actor)
    return get(call, number)


def _verified(
    call: Call, envelope: Envelope, site_id: int
) -> tuple[ResultPredicate, frozenset[str]]:
    keys = {
        key_id: PublicKey.from_text(text)
        for key_id, text in active_keys(call.connection, site_id).items()
    }
    payload, signed_by = verified_signers(envelope, keys)
    statement = read_statement(payload, ResultPredicate)
    said = statement.predicate
    if dict(statement.subjects) != said.subjects():
        raise InvalidRequestError("the statement's subjects are not what its predicate names")
    if digest_of(said.result) != said.result_digest:
        raise InvalidRequestError("the statement's result_digest is not that of its result")
    return said, signed_by


def _require_answers_grant(
    said: ResultPredicate, signed_by: frozenset[str], grant: Statement[GrantPredicate]
) -> None:
    faults = grant_faults(said, signed_by, grant)
    if faults:
        raise GrantError(f"this result does not answer its grant: {'; '.join(faults)}")


def _require_usable(call: Call, execution: Wire, grant: GrantPredicate) -> None:
    number, state = execution["id"], execution["state"]
    if state not in {"granted", "running"}:
        raise GrantError(f"the grant of execution {number} cannot be used: it is {state}")
    if execution["expires_at"] <= format_time(call.now):
        raise GrantError(f"the grant of execution {number} expired at {execution['expires_at']}")
    key = pair_of(execution)
    now = grant_inputs(call.connection, execution["site_id"], [key]).get(key)
    if now is None:
        raise NotOperationalError(
            "the association, dataset, model, benchmark or a container is not approved now"
        )
    changed = [name for name, value in inputs_of(now).items() if getattr(grant, name) != value]
    if changed:
        raise GrantError(f"since the grant was given this changed: {', '.join(changed)}")


def _checked_document(call: Call, said: ResultPredicate, execution: Wire, benchmark: Wire) -> Wire:
    plan = AnalysisPlan.model_validate(benchmark["analysis_plan"])
    kind = FreeFormResult if plan.free_form else TypedResult
    try:
        document = kind.model_validate(said.result)
    except ValidationError as error:
        raise InvalidRequestError(f"result: {first_fault(error)}") from None
    raw = document.values if isinstance(document, FreeFormResult) else said.result
    dataset = numbered(call.connection, datasets, execution["dataset_id"])
    checked = check_result(raw, plan, n_cases=dataset["n_cases"] if dataset else None, by_site=True)
    findings = [*checked.findings, *check_size(canonical_bytes(said.result), plan)]
    if findings:
        raise UndeclaredValueError(f"{findings[0].path or 'the document'}: {findings[0].message}")
    if checked.suppressed:
        raise UndeclaredValueError("an estimate rests on fewer cases than the plan allows")
    return said.result


def _resources(said: ResultPredicate) -> dict[str, float] | None:
    """What the model took, in the words in which failures say it."""
    step = said.inference
    if step is None:
        return None
    memory = step.peak_memory_bytes
    return {
        "duration_s": step.seconds,
        **({} if memory is None else {"peak_memory_bytes": float(memory)}),
    }


def _decide(
    call: Call, thing: Wire, action: str, sides: set[Side], reason: str, actor: str
) -> None:
    found = find_act(lifecycle.RESULT, thing["state"], action, sides)
    benchmark = whole(call.connection, thing["benchmark_id"])
    if found.target == "approved" and benchmark["state"] != "approved":
        raise NotOperationalError(
            f"benchmark {benchmark['id']} is {benchmark['state']} and accepts nothing"
        )
    perform(
        call,
        lifecycle.RESULT,
        results,
        thing,
        found,
        why=reason,
        reason=reason,
        decided_by=actor,
        decided_at=call.now,
    )
    digest = statement_digest(call.connection, thing["id"])
    log_decision(
        call,
        f"result:{thing['id']}",
        decision=found.target,
        about=("result", thing["id"]),
        digests={"statement": digest},
        benchmark_id=thing["benchmark_id"],
        reason=reason,
        actor=actor,
        about_digest=digest,
    )
    if found.target == "approved":
        release(call, Moment.APPROVED, benchmark, thing["id"])
    if "approved" in {found.source, found.target}:
        refresh_completeness(call, thing["benchmark_id"])


def _owners(call: Call, thing: Wire) -> dict[str, int]:
    model = numbered(call.connection, models, thing["model_id"])
    return {
        "dataset": organization_of_site(call.connection, thing["site_id"]),
        "model": model["organization_id"] if model else 0,
        "benchmark": whole(call.connection, thing["benchmark_id"])["organization_id"],
    }
