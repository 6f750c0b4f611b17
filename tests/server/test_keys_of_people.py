"""Whoever has a key of their own decides with it; for the others the server vouches, and says so."""

from datetime import timedelta

import pytest
from server_fixtures import proof

from medperf.client.deciding import sign_decision
from medperf.domain.agreements import AgreementForm
from medperf.domain.errors import (
    ClockSkewError,
    DuplicateError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    OwnSignatureError,
    SignatureError,
)
from medperf.domain.people import PersonKey
from medperf.provenance.bundle import Bundle
from medperf.provenance.keys import PrivateKey
from medperf.provenance.notes import NoteKey
from medperf.provenance.predicates import DecisionPredicate
from medperf.provenance.statements import read_any_statement
from medperf.provenance.verify import verify_bundle


def register(person, key, former=None):
    user_id = person.user.id
    consent = f"medperf-person-key:{user_id}:{key.key_id}"
    form = PersonKey(
        public_key=key.public.to_text(),
        proof=proof(key, f"medperf-person-key:{user_id}"),
        former_proof=proof(former, consent) if former else None,
    )
    return person.client.users.register_key(form)


@pytest.fixture
def key(federation):
    made = PrivateKey.generate()
    register(federation.cara, made)
    return made


@pytest.fixture
def decide(federation, clock):
    """Decide as a person, with their own key if one is given."""

    def do(person, noun, number, action, key=None, reason="", **changes):
        nouns = getattr(person.client, f"{noun}s")
        statement = None
        if key is not None:
            given = {"reason": reason, "at": clock()} | changes
            statement = sign_decision(person.client, key, noun, number, action, **given)
        return nouns.act(number, action, reason, statement)

    return do


@pytest.fixture
def asked(federation):
    """A request of a model that waits for the committee."""
    return federation.ask(
        federation.vera, federation.benchmark_record, federation.model(federation.vera, "Other")
    )


def verdict_of(federation, person, result):
    bundle = person.client.results.bundle(result.id).model_dump(mode="json")
    key = NoteKey.from_text(federation.anybody.info().log_key)
    return Bundle.model_validate(bundle), verify_bundle(Bundle.model_validate(bundle), key)


def decisions(bundle):
    envelopes = [each.envelope for each in bundle.statements]
    said = [(e, read_any_statement(e.content).predicate) for e in envelopes]
    return [(e, p) for e, p in said if isinstance(p, DecisionPredicate)]


def test_a_decision_with_an_own_key_is_signed_by_it_and_by_the_server(federation, key, decide):
    result = federation.result()
    approved = decide(federation.cara, "result", result.id, "approve", key, "plausible")
    assert approved.state == "approved"
    bundle, verdict = verdict_of(federation, federation.cara, result)
    [(envelope, said)] = [(e, p) for e, p in decisions(bundle) if p.noun == "result"]
    assert envelope.signatures[0].keyid == key.key_id
    assert len(envelope.signatures) == 2
    assert (said.decided_by.key_id, said.decided_by.vouched_by) == (key.key_id, "key")
    assert verdict.failed == []
    details = [each.detail for each in verdict.checked if each.step == 4]
    assert any("Cara" in detail and "vouches" not in detail for detail in details)


def test_a_decision_without_a_key_says_that_the_server_vouches(federation, decide):
    result = federation.result()
    decide(federation.cara, "result", result.id, "approve")
    bundle, verdict = verdict_of(federation, federation.cara, result)
    [said] = [p for _, p in decisions(bundle) if p.noun == "result"]
    assert (said.decided_by.key_id, said.decided_by.vouched_by) == (None, "server")
    assert any("vouches for Cara" in each.detail for each in verdict.checked)


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_associations_are_decided_with_an_own_key(federation, key, decide, asked, action):
    found = decide(federation.cara, "association", asked.id, action, key, "why not")
    assert found.state in {"approved", "rejected"}


def test_who_asked_takes_it_back_with_an_own_key_without_seeing_the_container(
    federation, key, decide
):
    model = federation.model(federation.vera, "Other")
    asked = federation.ask(federation.cara, federation.benchmark_record, model)
    assert federation.cara.client.models.get(model.id).container_id is None
    assert decide(federation.cara, "association", asked.id, "withdraw", key).state == "withdrawn"


def test_a_request_of_a_dataset_is_taken_back_with_an_own_key(federation, decide):
    key = PrivateKey.generate()
    register(federation.hana, key)
    cases = federation.dataset(federation.north, federation.benchmark_record, "Others")
    asked = federation.ask(federation.hana, federation.benchmark_record, cases)
    assert decide(federation.hana, "association", asked.id, "withdraw", key).state == "withdrawn"


def test_a_benchmark_is_approved_with_an_own_key(federation, decide):
    key = PrivateKey.generate()
    register(federation.admin, key)
    form = federation.benchmark_form(federation.cara, "Second")
    registered = federation.cara.client.benchmarks.register(form)
    federation.cara.client.benchmarks.act(registered.id, "submit")
    assert decide(federation.admin, "benchmark", registered.id, "approve", key).state == "approved"


def test_whoever_has_a_key_decides_nothing_without_it(federation, key, decide, asked):
    with pytest.raises(OwnSignatureError, match=key.key_id):
        decide(federation.cara, "association", asked.id, "approve")
    assert federation.cara.client.associations.get(asked.id).state == "pending"


def test_a_key_that_is_not_registered_counts_for_nothing(federation, decide, asked):
    with pytest.raises(OwnSignatureError, match="does not know"):
        decide(federation.cara, "association", asked.id, "approve", PrivateKey.generate())


def test_the_signature_of_another_key_is_refused(federation, key, decide, asked):
    with pytest.raises(SignatureError):
        decide(federation.cara, "association", asked.id, "approve", PrivateKey.generate())


def test_a_signature_for_another_act_is_refused(federation, key, asked, clock):
    client = federation.cara.client
    made = {"reason": "", "at": clock()}
    reject = sign_decision(client, key, "association", asked.id, "reject", **made)
    with pytest.raises(InvalidRequestError, match="differs in decision"):
        client.associations.act(asked.id, "approve", "", reject)
    approve = sign_decision(client, key, "association", asked.id, "approve", **made)
    with pytest.raises(InvalidRequestError, match="differs in reason"):
        client.associations.act(asked.id, "approve", "another", approve)


def test_a_statement_of_another_kind_is_refused(federation, key, asked):
    other = federation.dataset_form(
        federation.north,
        federation.cara.client.containers.get(federation.benchmark_record.preparator_id),
        "x",
    ).statement
    with pytest.raises(SignatureError):
        federation.cara.client.associations.act(asked.id, "approve", "", other)


def test_an_old_signature_is_refused(federation, key, decide, asked, clock):
    with pytest.raises(ClockSkewError):
        decide(
            federation.cara,
            "association",
            asked.id,
            "approve",
            key,
            at=clock() - timedelta(hours=1),
        )


def test_an_act_that_logs_nothing_takes_no_signature(federation, key, decide, asked, clock):
    made = {"reason": "", "at": clock()}
    signed = sign_decision(federation.cara.client, key, "association", asked.id, "approve", **made)
    container = federation.container(federation.cara, "evaluator", "New", submit=False)
    with pytest.raises(InvalidRequestError, match="logs nothing"):
        federation.cara.client.containers.act(container.id, "submit", "", signed)
    assert federation.cara.client.containers.get(container.id).state == "development"


def test_an_agreement_is_signed_with_an_own_key(federation, clock, decide):
    key = PrivateKey.generate()
    register(federation.vera, key)
    agreement = federation.vera.client.agreements.register(_membership(federation, clock))
    signed = decide(federation.vera, "agreement", agreement.id, "sign", key)
    [own] = [p for p in signed.parties if p.organization_id == federation.vendor.id]
    assert own.key_id == key.key_id
    concluded = decide(federation.cara, "agreement", agreement.id, "sign")
    assert concluded.state == "in_force"
    bundle = federation.vera.client.agreements.bundle(agreement.id).model_dump(mode="json")
    log_key = NoteKey.from_text(federation.anybody.info().log_key)
    verdict = verify_bundle(Bundle.model_validate(bundle), log_key)
    assert verdict.is_verified
    by = verdict.agreements[0].signed_by
    assert by[federation.vendor.id].vouched_by == "key"
    assert by[federation.committee.id].vouched_by == "server"
    ended = decide(federation.vera, "agreement", agreement.id, "terminate", key, "over")
    assert ended.state == "terminated"


def _membership(federation, clock):
    return AgreementForm(
        kind="membership",
        title="Membership",
        document_digest="sha256:" + "a" * 64,
        document_size_bytes=1,
        party_ids=(federation.vendor.id, federation.committee.id),
        starts_at=clock(),
        ends_at=clock() + timedelta(days=1),
    )


def test_keys_have_a_history(federation, key):
    following = PrivateKey.generate()
    user = register(federation.cara, following, former=key)
    assert [(k.key_id, k.revoked_at is None) for k in user.keys] == [
        (key.key_id, False),
        (following.key_id, True),
    ]
    assert federation.olga.client.users.get(federation.cara.user.id).keys == user.keys
    assert federation.cara.client.me().user.keys == user.keys


def test_a_next_key_needs_the_consent_of_the_active_one(federation, key):
    with pytest.raises(OwnSignatureError, match="consent"):
        register(federation.cara, PrivateKey.generate())
    with pytest.raises(SignatureError):
        register(federation.cara, PrivateKey.generate(), former=PrivateKey.generate())


def test_a_key_is_registered_once_and_by_one_person(federation, key):
    with pytest.raises(DuplicateError):
        register(federation.cara, key, former=key)
    with pytest.raises(DuplicateError):
        register(federation.vera, key)


def test_the_proof_must_be_this_keys(federation):
    key, other = PrivateKey.generate(), PrivateKey.generate()
    form = PersonKey(
        public_key=key.public.to_text(),
        proof=proof(other, f"medperf-person-key:{federation.cara.user.id}"),
    )
    with pytest.raises(SignatureError):
        federation.cara.client.users.register_key(form)


def test_a_site_has_no_key_of_a_person(federation):
    key = PrivateKey.generate()
    with pytest.raises(ForbiddenError):
        federation.north.client.users.register_key(
            PersonKey(public_key=key.public.to_text(), proof=proof(key, "x"))
        )


def test_only_the_person_or_an_admin_revokes_a_key(federation, key):
    number = federation.cara.user.id
    for stranger in (federation.carl, federation.vera, federation.north):
        with pytest.raises(ForbiddenError):
            stranger.client.users.revoke_key(number, key.key_id)
    with pytest.raises(NotFoundError):
        federation.cara.client.users.revoke_key(number, "sha256:" + "0" * 64)
    user = federation.admin.client.users.revoke_key(number, key.key_id, "lost")
    assert user.keys[0].revoked_at is not None
    again = federation.cara.client.users.revoke_key(number, key.key_id)
    assert again.keys == user.keys


def test_what_was_signed_before_a_revocation_stays_valid_and_later_signatures_do_not(
    federation, key, decide, asked
):
    result = federation.result()
    decide(federation.cara, "result", result.id, "approve", key)
    federation.cara.client.users.revoke_key(federation.cara.user.id, key.key_id, "stolen")
    _, verdict = verdict_of(federation, federation.cara, result)
    assert verdict.failed == []
    with pytest.raises(OwnSignatureError):
        decide(federation.cara, "association", asked.id, "approve", key)
    assert decide(federation.cara, "association", asked.id, "approve").state == "approved"
