"""Grants: the server's signed, single-use permission for one execution, decided pair by pair."""

from collections.abc import Sequence

from medperf.domain import lifecycle
from medperf.domain.errors import (
    ForbiddenError,
    GrantError,
    MedPerfError,
    NotOperationalError,
)
from medperf.domain.executions import GrantRequest, Pair
from medperf.domain.identifiers import format_time
from medperf.provenance.envelope import Envelope, sign
from medperf.provenance.predicates import GrantPredicate
from medperf.provenance.statements import make_statement, read_statement
from medperf.server.call import Call, Wire
from medperf.server.db.tables import executions
from medperf.server.db.writing import add, change, record
from medperf.server.executions import queries
from medperf.server.executions.revoking import expire
from medperf.server.log.appending import Said, append

Key = tuple[int, int, int]


def request_grants(call: Call, form: GrantRequest) -> Wire:
    """One answer for each pair, in order.

    A pair whose grant this site holds already gets that same grant again, so a site that lost the
    answer loses nothing, and still only one result can come of it.

    Raises:
        ForbiddenError: if no site asks.
    """
    site_id = call.caller.site_id
    if site_id is None:
        raise ForbiddenError("only a site asks for grants, with its own key")
    expire(call, executions.c.site_id == site_id)
    keys = [pair_of(pair.model_dump()) for pair in form.pairs]
    permitted = queries.grant_inputs(call.connection, site_id, keys)
    latest = queries.latest_of_pairs(call.connection, keys)
    answers = []
    new: list[Said] = []  # logged together: finding the log's end once for each takes longer
    for pair, key in zip(form.pairs, keys, strict=True):
        try:
            execution = _granted(call, site_id, permitted.get(key), latest.get(key), new)
            latest[key] = execution
            answers.append(_answer(pair, execution))
        except MedPerfError as error:
            answers.append(_refusal(pair, error))
    append(call, *new)
    return {"answers": answers}


def pair_of(execution: Wire) -> Key:
    """What is executed: benchmark, model, dataset."""
    return (execution["benchmark_id"], execution["model_id"], execution["dataset_id"])


def _granted(
    call: Call, site_id: int, inputs: Wire | None, last: Wire | None, new: list[Said]
) -> Wire:
    if inputs is None:
        raise NotOperationalError(
            "not both sides of this pair are approved and operational now, or the dataset"
            " is another site's"
        )
    if last is not None and last["state"] in {"granted", "running"}:
        return _same_again(call, last, inputs)
    if last is not None and last["state"] in {"completed", "failed"}:
        raise GrantError(
            f"execution {last['id']} of this pair has {last['state']}",
            hint="A failed execution can be retried, a completed one has its result.",
        )
    return _new_grant(call, site_id, inputs, new)


def _same_again(call: Call, execution: Wire, inputs: Wire) -> Wire:
    said = read_statement(
        Envelope.from_value(execution["granted"]).content, GrantPredicate
    ).predicate
    if said.site_key_id != call.caller.key_id or _changed(said, inputs):
        raise GrantError(
            f"execution {execution['id']} was granted to another key or for other inputs",
            hint="It can be granted anew when it expires or is reported as failed.",
        )
    return execution


def _changed(said: GrantPredicate, inputs: Wire) -> bool:
    return any(getattr(said, name) != value for name, value in inputs_of(inputs).items())


def inputs_of(found: Wire) -> Wire:
    """What the queries found of a pair, in the words of a grant."""
    named = dict(found)
    for prefix in ("model", "evaluator"):
        reference = named.pop(f"{prefix}_additional_files")
        named[f"{prefix}_additional_files_digest"] = reference and reference["digest"]
    return named


def _new_grant(call: Call, site_id: int, inputs: Wire, new: list[Said]) -> Wire:
    expires_at = call.now + call.server.grant_valid
    number = add(
        call,
        executions,
        benchmark_id=inputs["benchmark_id"],
        model_id=inputs["model_id"],
        dataset_id=inputs["dataset_id"],
        site_id=site_id,
        state=lifecycle.EXECUTION.initial,
        created_at=call.now,
        expires_at=expires_at,
    )
    grant = GrantPredicate(
        **inputs_of(inputs),
        grant_id=number,
        nonce=call.server.new_secret(),
        server=call.server.name,
        site_id=site_id,
        site_key_id=call.caller.key_id or "",
        issued_at=call.now,
        expires_at=expires_at,
    )
    envelope = sign(make_statement(grant.subjects(), grant), call.signer)
    granted = envelope.model_dump(mode="json")
    change(call, executions, number, granted=granted, grant_digest=envelope.payload_digest)
    record(call, "execution.grant", f"execution:{number}", grant=envelope.payload_digest)
    new.append(Said("grant", f"execution:{number}", envelope))
    return {
        "id": number,
        "benchmark_id": inputs["benchmark_id"],
        "model_id": inputs["model_id"],
        "dataset_id": inputs["dataset_id"],
        "site_id": site_id,
        "state": lifecycle.EXECUTION.initial,
        "failure_code": None,
        "failure_step": None,
        "resources": None,
        "created_at": format_time(call.now),
        "expires_at": format_time(expires_at),
        "started_at": None,
        "ended_at": None,
        "granted": granted,
    }


_EXECUTION_FIELDS: Sequence[str] = tuple(str(c.key) for c in queries.EXECUTION_COLUMNS)


def _answer(pair: Pair, execution: Wire) -> Wire:
    return {
        "pair": pair.model_dump(),
        "execution": {name: execution[name] for name in _EXECUTION_FIELDS},
        "grant": execution["granted"],
        "problem": None,
    }


def _refusal(pair: Pair, error: MedPerfError) -> Wire:
    return {
        "pair": pair.model_dump(),
        "execution": None,
        "grant": None,
        "problem": {"code": error.code, "detail": error.detail, "hint": error.advice},
    }
