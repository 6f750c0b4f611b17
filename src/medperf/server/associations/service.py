"""Who takes part in a benchmark: either side asks, the other decides, nobody decides alone."""

from collections.abc import Mapping

from medperf.domain import lifecycle
from medperf.domain.associations import AssociationForm, AssociationKind, names_its_subject
from medperf.domain.errors import (
    AssociationDeniedError,
    DuplicateError,
    ForbiddenError,
    InvalidRequestError,
    NotOperationalError,
    OwnApprovalError,
)
from medperf.domain.lifecycle import Side
from medperf.policy.actions import Answer
from medperf.policy.decision import Decision
from medperf.policy.disclosure import check_values
from medperf.server.acts import find_act, perform
from medperf.server.ai_models.queries import MODELS
from medperf.server.associations import welcome
from medperf.server.associations.queries import ASSOCIATIONS, sides_of, subject_digests
from medperf.server.benchmarks.queries import BENCHMARKS, whole
from medperf.server.benchmarks.service import refresh_completeness
from medperf.server.call import SERVER, Call, Wire
from medperf.server.datasets.queries import DATASETS
from medperf.server.db.queries import numbered, row
from medperf.server.db.tables import associations, datasets, models
from medperf.server.db.writing import add
from medperf.server.executions.revoking import (
    announce_to_benchmark,
    announce_to_site,
    revoke_for_association,
)
from medperf.server.log.statements import log_decision
from medperf.server.registering import registered

_BENCHMARK, _SUBJECT = "benchmark", "subject"
_DECISIONS = {"approve", "reject"}


def get(call: Call, number: int) -> Wire:
    """One association."""
    return ASSOCIATIONS.one(call.connection, call.caller, number)


def request(call: Call, form: AssociationForm) -> Wire:
    """Ask that a dataset or a model takes part.

    Raises:
        NotOperationalError: if the benchmark is not approved, or the subject not operational, now.
        ForbiddenError: if the caller speaks for neither side.
        DuplicateError: if this was asked already and not ended.
    """
    benchmark = BENCHMARKS.one(call.connection, call.caller, form.benchmark_id)
    subject = _subject(call, form)
    _require_ready(form, benchmark, subject)
    sides = _sides(call, benchmark["organization_id"], subject)
    if not sides:
        raise ForbiddenError("only one of the two sides may ask for an association")
    asking = _SUBJECT if _SUBJECT in sides else _BENCHMARK
    if form.priority and _BENCHMARK not in sides:
        raise ForbiddenError("the priority is the benchmark owner's to give")
    found = check_values(form.compatibility)
    if found:
        raise InvalidRequestError(f"compatibility: {found[0].path}: {found[0].message}")
    _require_new(call, form)
    decision, kept = welcome.decide(call, form, benchmark, subject)
    number = add(
        call,
        associations,
        benchmark_id=form.benchmark_id,
        kind=form.kind.value,
        dataset_id=form.dataset_id,
        model_id=form.model_id,
        state=lifecycle.ASSOCIATION.initial,
        requested_by=call.caller.actor,
        requested_by_organization_id=call.caller.organization_id,
        requested_side=asking,
        compatibility=form.compatibility or None,
        policy_decision=kept,
        priority=form.priority,
        created_at=call.now,
    )
    registered(call, "association", number)
    if asking == _SUBJECT and decision.answer is Answer.GO_AHEAD:
        _approve_by_policy(call, number, decision)
    return get(call, number)


def act(call: Call, number: int, action: str, reason: str) -> Wire:
    """Approve, reject or withdraw.

    Raises:
        OwnApprovalError: if the caller asked for it, or speaks only for the side that asked.
    """
    get(call, number)
    thing = sides_of(call.connection, number)
    sides = _lifecycle_sides(call, thing)
    if action in _DECISIONS and Side.EITHER in sides:
        _require_other_side(call, thing, sides)
    found = find_act(lifecycle.ASSOCIATION, thing["state"], action, sides)
    values: Wire = {}
    if found.target == "approved":
        _require_still_ready(thing)
        values["policy_decision"] = _ask_policy_again(call, thing)
    perform(
        call,
        lifecycle.ASSOCIATION,
        associations,
        thing,
        found,
        why=reason,
        reason=reason,
        decided_by=call.caller.actor,
        decided_at=call.now,
        **values,
    )
    _log(call, thing, found.target, reason)
    _follow(call, thing, found.target)
    return get(call, number)


def _subject(call: Call, form: AssociationForm) -> Wire:
    if form.kind is AssociationKind.DATASET:
        return DATASETS.one(call.connection, call.caller, form.dataset_id or 0)
    return MODELS.one(call.connection, call.caller, form.model_id or 0)


def _require_ready(form: AssociationForm, benchmark: Wire, subject: Wire) -> None:
    if benchmark["state"] != "approved":
        raise NotOperationalError(f"benchmark {benchmark['id']} is {benchmark['state']}")
    if subject["state"] != "operation":
        told = f"{form.kind} {subject['id']} is not operational: its state is {subject['state']}"
        submit = f"medperf {form.kind} submit {subject['id']}"
        advice = f"Submit it first: {submit}" if subject["state"] == "development" else None
        raise NotOperationalError(told, hint=advice)
    if (
        form.kind is AssociationKind.DATASET
        and subject["preparator_id"] != benchmark["preparator_id"]
    ):
        raise InvalidRequestError(
            f"dataset {subject['id']} was prepared by container {subject['preparator_id']},"
            f" the benchmark's preparator is {benchmark['preparator_id']}"
        )


def _sides(call: Call, benchmark_organization_id: int, subject: Wire) -> set[str]:
    caller, sides = call.caller, set()
    if caller.user_id is not None:
        if caller.organization_id == benchmark_organization_id:
            sides.add(_BENCHMARK)
        if caller.organization_id == subject["organization_id"]:
            sides.add(_SUBJECT)
    elif caller.site_id is not None and caller.site_id == subject.get("site_id"):
        sides.add(_SUBJECT)
    return sides


def _require_new(call: Call, form: AssociationForm) -> None:
    of_subject = (
        associations.c.dataset_id == form.dataset_id
        if form.kind is AssociationKind.DATASET
        else associations.c.model_id == form.model_id
    )
    known = row(
        call.connection,
        associations,
        associations.c.benchmark_id == form.benchmark_id,
        of_subject,
        associations.c.state.in_(("pending", "approved")),
    )
    if known is not None:
        raise DuplicateError(f"association {known['id']} is {known['state']} already")


def _approve_by_policy(call: Call, number: int, decision: Decision) -> None:
    thing = sides_of(call.connection, number)
    found = find_act(lifecycle.ASSOCIATION, thing["state"], "approve", {Side.COUNTERPART})
    reason = f"the benchmark's policy approves this ({', '.join(decision.policy_ids)})"
    perform(
        call,
        lifecycle.ASSOCIATION,
        associations,
        thing,
        found,
        why=reason,
        reason=reason,
        decided_by=SERVER,
        decided_at=call.now,
    )
    _log(call, thing, found.target, reason, SERVER)
    _follow(call, thing, found.target)


def _lifecycle_sides(call: Call, thing: Wire) -> set[Side]:
    subject = {
        "organization_id": thing["dataset_organization_id"] or thing["model_organization_id"],
        "site_id": thing["site_id"],
    }
    named = _sides(call, thing["benchmark_organization_id"], subject)
    other = _SUBJECT if thing["requested_side"] == _BENCHMARK else _BENCHMARK
    sides = {Side.EITHER} if named else set()
    if other in named:
        sides.add(Side.COUNTERPART)
    return sides


def _require_other_side(call: Call, thing: Wire, sides: set[Side]) -> None:
    if call.caller.actor == thing["requested_by"]:
        raise OwnApprovalError("you asked for this association, somebody else decides")
    if Side.COUNTERPART not in sides:
        raise OwnApprovalError("your side asked for this association, the other side decides")


def _require_still_ready(thing: Wire) -> None:
    if thing["benchmark_state"] != "approved":
        raise NotOperationalError(
            f"benchmark {thing['benchmark_id']} is {thing['benchmark_state']}"
        )
    state = thing["dataset_state"] or thing["model_state"]
    if state != "operation":
        raise NotOperationalError(f"the {thing['kind']} of this association is in {state}")


def _ask_policy_again(call: Call, thing: Wire) -> Wire:
    """The policy, the facts and the time may have changed since somebody asked to take part."""
    form = AssociationForm(
        benchmark_id=thing["benchmark_id"],
        kind=AssociationKind(thing["kind"]),
        dataset_id=thing["dataset_id"],
        model_id=thing["model_id"],
        compatibility=thing["compatibility"] or {},
    )
    subject = numbered(
        call.connection,
        datasets if form.kind is AssociationKind.DATASET else models,
        form.dataset_id or form.model_id or 0,
    )
    benchmark = whole(call.connection, form.benchmark_id)
    decision, kept = welcome.decide(call, form, benchmark, subject or {}, n_approvals=1)
    if decision.answer is not Answer.GO_AHEAD:
        raise AssociationDeniedError(
            f"one person's yes is not enough for the policy of benchmark {form.benchmark_id}"
            f" ({', '.join(decision.policy_ids)})"
        )
    return kept


def _log(call: Call, thing: Wire, state: str, reason: str, actor: str | None = None) -> None:
    kind = thing["kind"]
    number = thing[f"{kind}_id"]
    log_decision(
        call,
        f"association:{thing['id']}",
        decision=state,
        about=(kind, number),
        digests=_digests(call, thing, state),
        benchmark_id=thing["benchmark_id"],
        reason=reason,
        actor=actor,
    )


def _digests(call: Call, thing: Wire, state: str) -> Mapping[str, str | None]:
    if names_its_subject(thing["state"], state):
        return subject_digests(call.connection, thing["kind"], thing[f"{thing['kind']}_id"])
    return {"benchmark": whole(call.connection, thing["benchmark_id"])["digest"]}


def _follow(call: Call, thing: Wire, state: str) -> None:
    benchmark_id = thing["benchmark_id"]
    if state == "approved":
        if thing["site_id"] is not None:
            announce_to_site(call, thing["site_id"])
        else:
            announce_to_benchmark(call, benchmark_id)
    elif state == "withdrawn":
        revoke_for_association(call, benchmark_id, thing["dataset_id"], thing["model_id"])
    if "approved" in {state, thing["state"]}:
        refresh_completeness(call, benchmark_id)
