"""Is it true? Checks a bundle against a trusted log key, step by step, without any I/O.

The only thing trusted is the log's key: it, or the key that properly followed it, signs the
checkpoint (step 1) and the statements that enroll and revoke all other keys (step 3). Everything
else follows from signatures, digests and the order of the log's leaves. `STEPS` numbers the steps;
docs/reference/verification.md explains them.
Steps 1 to 5 decide which statements to believe; steps 6 to 10, what they say about each result, are
in `chain`; step 11 is in `leaderboard_check`, step 12 in `agreement_check`.
"""

from collections.abc import Mapping

from medperf.domain.errors import MedPerfError, SignatureError
from medperf.provenance.agreement_check import check_agreements
from medperf.provenance.believed import Believed
from medperf.provenance.bundle import Bundle
from medperf.provenance.canonical import digest_of
from medperf.provenance.chain import check_results
from medperf.provenance.checkpoint import Checkpoint
from medperf.provenance.envelope import Envelope, verified_signers
from medperf.provenance.inclusion import require_logged
from medperf.provenance.key_history import KeySpan, key_history
from medperf.provenance.leaderboard_check import check_leaderboard
from medperf.provenance.notes import NoteKey
from medperf.provenance.predicates import (
    Decider,
    GrantPredicate,
    KeyPredicate,
    PolicyPredicate,
    Predicate,
    ResultPredicate,
    SuccessionPredicate,
    decider_of,
)
from medperf.provenance.statements import Statement, read_any_statement
from medperf.provenance.succession import LogKeys, follow
from medperf.provenance.verdict import Verdict

_SIGNERS = {
    "dataset": {"site"},
    "grant": {"server"},
    "result": {"site"},
    "decision": {"server", "person"},
    "agreement": {"server", "person"},
    "policy": {"server", "site", "person"},
    "release": {"server"},
}


def verify_bundle(bundle: Bundle, log_key: NoteKey) -> Verdict:
    """Check everything in the bundle and say what holds, what is missing and what does not hold."""
    verdict = Verdict()
    log_keys, checkpoint = _check_checkpoint(bundle, log_key, verdict)
    logged = _check_inclusion(bundle, checkpoint, verdict)
    keys = _check_keys(logged, log_keys, verdict)
    believed = _check_statements(logged, keys, verdict)
    check_agreements(believed, verdict)
    check_results(believed, verdict)
    leaderboard = (bundle.model_extra or {}).get("leaderboard")
    if leaderboard is not None:
        check_leaderboard(leaderboard, verdict)
    return verdict


class _Logged:
    """A statement of the bundle whose place in the log is proven."""

    def __init__(
        self, envelope: Envelope, statement: Statement[Predicate], about: str, index: int
    ) -> None:
        self.envelope = envelope
        self.statement = statement
        self.about = about
        self.index = index


# Step 1
def _check_checkpoint(
    bundle: Bundle, log_key: NoteKey, verdict: Verdict
) -> tuple[LogKeys, Checkpoint | None]:
    try:
        keys, checkpoint = follow(bundle, log_key)
    except MedPerfError as error:
        verdict.fail(1, "checkpoint", error.detail)
        return LogKeys.only(log_key), None
    verdict.hold(1, "checkpoint", f"{log_key.name} signed a log of {checkpoint.size} statements")
    return keys, checkpoint


# Step 2
def _check_inclusion(
    bundle: Bundle, checkpoint: Checkpoint | None, verdict: Verdict
) -> list[_Logged]:
    proven = []
    for position, (envelope, log) in enumerate((s.envelope, s.log) for s in bundle.statements):
        about = f"statement {position}"
        try:
            statement = read_any_statement(envelope.content)
            about = _name(statement.predicate, position)
            if log is None:
                verdict.miss(2, about, "its place in the log is not given")
            elif checkpoint is not None:
                require_logged(envelope, statement.predicate.kind, log, checkpoint)
                verdict.hold(2, about, f"it is leaf {log.index} of {checkpoint.size}")
                proven.append(_Logged(envelope, statement, about, log.index))
        except MedPerfError as error:
            verdict.fail(2, about, error.detail)
    return proven


# Step 3
def _check_keys(logged: list[_Logged], log_keys: LogKeys, verdict: Verdict) -> dict[str, KeySpan]:
    events: dict[int, KeyPredicate] = {}
    for item in logged:
        event = item.statement.predicate
        if isinstance(event, SuccessionPredicate):
            following = event.subjects()["key"]
            verdict.hold(3, item.about, f"the log's key was {event.cause}, {following} follows")
        if isinstance(event, KeyPredicate):
            own = log_keys.at_leaf(item.index)
            try:
                verified_signers(item.envelope, {own.key_id: own})
            except SignatureError as error:
                verdict.fail(3, item.about, error.detail)
            else:
                events[item.index] = event
                verdict.hold(3, item.about, f"{event.event} for {event.owner_type} {event.owner}")
    return {**key_history(events), **log_keys.history()}


# Steps 4 and 5
def _check_statements(
    logged: list[_Logged], keys: dict[str, KeySpan], verdict: Verdict
) -> list[Believed]:
    believed = []
    for item in logged:
        if isinstance(item.statement.predicate, KeyPredicate | SuccessionPredicate):
            signers: dict[str, str] | None = {}
        else:
            signers = _check_signatures(item, keys, verdict)
        if _check_content(item, verdict) and signers:
            believed.append(Believed(item.statement, item.about, item.index, signers))
    return sorted(believed, key=lambda item: item.index)


# Step 4
def _check_signatures(
    item: _Logged, keys: dict[str, KeySpan], verdict: Verdict
) -> dict[str, str] | None:
    """The owners' names by the ids of the keys that signed; None if the signatures do not hold."""
    predicate = item.statement.predicate
    named = {signature.keyid for signature in item.envelope.signatures}
    usable = {
        key_id: keys[key_id]
        for key_id in named & keys.keys()
        if keys[key_id].owner_type in _SIGNERS[predicate.kind] and _owns(keys[key_id], predicate)
    }
    valid = {i: span.public for i, span in usable.items() if span.was_valid_at(item.index)}
    try:
        _, signed_by = verified_signers(item.envelope, valid)
    except SignatureError as error:
        early_or_late = ", ".join(sorted(usable.keys() - valid.keys()))
        reason = f"; not valid at leaf {item.index}: {early_or_late}" if early_or_late else ""
        verdict.fail(4, item.about, error.detail + reason)
        return None
    owners = {key_id: usable[key_id].owner for key_id in sorted(signed_by)}
    decider = decider_of(predicate)
    if decider is not None and decider.key_id is not None and decider.key_id not in signed_by:
        verdict.fail(
            4, item.about, f"it names key {decider.key_id} of {decider.name}, which did not sign it"
        )
        return None
    verdict.hold(
        4, item.about, f"signed by {', '.join(owners.values())}{_vouching(decider, owners)}"
    )
    return owners


def _vouching(decider: Decider | None, owners: Mapping[str, str]) -> str:
    if decider is None or decider.user_id is None or decider.key_id is not None:
        return ""
    return f"; {', '.join(owners.values())} vouches for {decider.name}, who signed with no own key"


def _owns(span: KeySpan, predicate: Predicate) -> bool:
    site_id = getattr(predicate, "site_id", None)
    if span.owner_type == "site":
        return site_id == span.owner_id
    if isinstance(predicate, PolicyPredicate) and site_id is not None:
        return False  # A site's policy is its own: nobody else can sign another one for it.
    decider = decider_of(predicate)
    return (
        span.owner_type != "person"
        or decider is None
        or (decider.user_id, decider.key_id) == (span.owner_id, span.public.key_id)
    )


# Step 5
def _check_content(item: _Logged, verdict: Verdict) -> bool:
    predicate = item.statement.predicate
    if dict(item.statement.subjects) != predicate.subjects():
        verdict.fail(5, item.about, "its subjects are not the digests that it is about")
        return False
    if isinstance(predicate, ResultPredicate) and (
        digest_of(predicate.result) != predicate.result_digest
    ):
        verdict.fail(5, item.about, "the result inside does not have the digest it names")
        return False
    verdict.hold(5, item.about, "its digests are those of its content")
    return True


def _name(predicate: Predicate, position: int) -> str:
    if isinstance(predicate, ResultPredicate | GrantPredicate):
        return f"{predicate.kind} of execution {predicate.grant_id}"
    return f"{predicate.kind} statement {position}"
