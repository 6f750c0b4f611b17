"""Who may take part is the benchmark's own policy: versioned, signed, asked every time."""

from datetime import timedelta

import pytest
from server_fixtures import digest, proof

from medperf.client.deciding import sign_policy
from medperf.domain.agreements import AgreementForm
from medperf.domain.benchmarks import AssociationPolicyForm
from medperf.domain.errors import (
    AssociationDeniedError,
    ConflictError,
    ForbiddenError,
    ImmutableError,
    InvalidRequestError,
    MalformedFileError,
    OwnSignatureError,
)
from medperf.domain.people import PersonKey
from medperf.policy.actions import Scope
from medperf.policy.templates import Choice, compose
from medperf.provenance.bundle import Bundle
from medperf.provenance.envelope import Envelope
from medperf.provenance.keys import PrivateKey
from medperf.provenance.notes import NoteKey
from medperf.provenance.predicates import PolicyPredicate
from medperf.provenance.statements import read_any_statement, read_statement
from medperf.provenance.verify import verify_bundle


def text_of(*choices):
    return compose([Choice(*each) for each in choices], scope=Scope.SERVER)


ACCEPT = text_of(("accept-all", {"what": "model"}))
MEMBERS = text_of(
    ("accept-all", {"what": "model"}), ("only-under-agreement", {"kind": "membership"})
)


@pytest.fixture
def put(federation):
    def put(text, person=None, statement=None):
        form = AssociationPolicyForm(text=text, statement=statement)
        person = person or federation.cara
        return person.client.benchmarks.put_policy(federation.benchmark_record.id, form)

    return put


@pytest.fixture
def ask(federation):
    """A new model of the vendor asks to take part."""

    def ask(name="Other"):
        model = federation.model(federation.vera, name)
        return federation.ask(federation.vera, federation.benchmark_record, model)

    return ask


def predicate_of(policy):
    return read_statement(Envelope.from_value(policy.statement).content, PolicyPredicate).predicate


def test_a_benchmark_begins_with_the_policy_it_was_registered_with(federation, ask):
    found = federation.benchmark_record
    assert found.association_policy_version == 1
    [first] = federation.olga.client.benchmarks.policies(found.id)
    assert (first.version, first.text, first.put_in_force_by) == (
        1,
        found.association_policy,
        "server",
    )
    assert ask().state == "pending"


@pytest.mark.parametrize(
    ("choices", "state"),
    [
        ((), "pending"),
        ((("accept-all", {"what": "model"}),), "approved"),
        ((("accept-all", {"what": "dataset"}),), "pending"),
        ((("accept-organizations", {"what": "model", "organizations": [4711]}),), "pending"),
    ],
)
def test_templates_say_who_needs_no_person(federation, choices, state):
    first = federation.benchmark_record
    benchmark = federation.benchmark(
        federation.cara,
        "Automatic",
        preparator_id=first.preparator_id,
        evaluator_id=first.evaluator_id,
        reference_model_id=first.reference_model_id,
        association_policy=text_of(*choices),
    )
    asked = federation.ask(federation.vera, benchmark, federation.net)
    assert asked.state == state
    assert asked.decided_by == ("server" if state == "approved" else None)


def test_a_change_is_a_signed_version_in_the_log(federation, put, ask):
    changed = put(ACCEPT)
    assert (changed.version, changed.put_in_force_by) == (2, f"user:{federation.cara.user.id}")
    said = predicate_of(changed)
    assert said.benchmark_id == federation.benchmark_record.id
    assert (said.policy_version, said.policy_digest) == (2, changed.digest)
    assert (said.decided_by.name, said.decided_by.vouched_by) == ("Cara", "server")
    first, second = federation.vera.client.benchmarks.policies(federation.benchmark_record.id)
    assert said.supersedes_digest == first.digest
    assert second == changed
    assert ask().state == "approved"
    bundle = federation.cara.client.benchmarks.bundle(federation.benchmark_record.id)
    read = Bundle.model_validate(bundle.model_dump(mode="json"))
    log_key = NoteKey.from_text(federation.anybody.info().log_key)
    assert verify_bundle(read, log_key).failed == []
    said = [read_any_statement(each.envelope.content).predicate for each in read.statements]
    assert [each.kind for each in said].count("policy") == 2


def test_a_policy_with_a_fault_is_refused_with_its_line_and_changes_nothing(federation, put):
    with pytest.raises(MalformedFileError, match="line 2"):
        put('@id("a") permit (principal, action, resource);\npermit (principal')
    assert len(federation.cara.client.benchmarks.policies(federation.benchmark_record.id)) == 1
    with pytest.raises(MalformedFileError, match="line 1"):
        federation.benchmark(federation.cara, "Broken", association_policy="permit")


def test_only_the_benchmarks_people_change_it(federation, put):
    for stranger in (federation.vera, federation.admin):
        with pytest.raises(ForbiddenError):
            put(ACCEPT, stranger)
    with pytest.raises(ForbiddenError):
        put(ACCEPT, federation.north)


def test_what_is_in_force_is_not_put_in_force_again(put):
    put(ACCEPT)
    with pytest.raises(InvalidRequestError, match="in force already"):
        put(ACCEPT)


def test_a_draft_is_edited_and_not_put_in_force(federation):
    draft = federation.benchmark(federation.cara, "Draft", approve=False)
    assert draft.association_policy_version == 0
    client = federation.cara.client.benchmarks
    with pytest.raises(ConflictError, match="part of the draft"):
        client.put_policy(draft.id, AssociationPolicyForm(text=ACCEPT))
    assert client.edit(draft.id, association_policy=ACCEPT).association_policy.strip() == (
        ACCEPT.strip()
    )
    client.act(draft.id, "submit")
    assert client.get(draft.id).association_policy_version == 1
    with pytest.raises(ImmutableError):
        client.edit(draft.id, association_policy="")


def test_a_benchmark_that_is_over_takes_no_policy(federation, put):
    federation.cara.client.benchmarks.act(federation.benchmark_record.id, "withdraw")
    with pytest.raises(ConflictError, match="withdrawn"):
        put(ACCEPT)


def test_who_is_forbidden_cannot_even_ask_and_learns_by_which_rule(put, ask):
    put(MEMBERS)
    with pytest.raises(AssociationDeniedError, match="membership agreement") as caught:
        ask()
    assert "have no agreement that covers this" in caught.value.detail


def test_members_take_part_until_their_agreement_ends(federation, put, ask, clock):
    put(MEMBERS)
    form = AgreementForm(
        kind="membership",
        title="Membership",
        document_digest=digest("charter"),
        document_size_bytes=9,
        party_ids=(federation.committee.id, federation.vendor.id),
        starts_at=clock(),
        ends_at=clock() + timedelta(days=30),
    )
    proposed = federation.vera.client.agreements.register(form)
    federation.vera.client.agreements.act(proposed.id, "sign")
    federation.cara.client.agreements.act(proposed.id, "sign")
    assert ask("First").state == "approved"
    clock.advance(days=31)
    with pytest.raises(AssociationDeniedError, match=f"agreement {proposed.id} .*ended at"):
        ask("Second")


def test_no_yes_overrides_a_rule_that_forbids(federation, put, ask):
    asked = ask()
    put(text_of(("only-under-agreement", {"kind": "membership"})))
    with pytest.raises(AssociationDeniedError):
        federation.cara.client.associations.act(asked.id, "approve")
    assert federation.cara.client.associations.get(asked.id).state == "pending"
    rejected = federation.cara.client.associations.act(asked.id, "reject")
    assert rejected.state == "rejected"


def test_a_policy_that_wants_more_than_one_yes_gets_none(federation, put, ask):
    two = (
        ' @id("two") forbid (principal, action == Action::"associateUnattended", resource)'
        " unless { context.approvals.n >= 2 };"
    )
    asked = ask()
    put(text_of() + two)
    with pytest.raises(AssociationDeniedError, match="one person's yes is not enough"):
        federation.cara.client.associations.act(asked.id, "approve")


def test_the_last_decision_is_kept_with_its_facts(federation, ask):
    asked = federation.cara.client.associations.get(ask().id)
    kept = asked.policy_decision
    assert (kept.answer, kept.rules) == ("ask", ("ask",))
    [in_force] = federation.cara.client.benchmarks.policies(federation.benchmark_record.id)
    assert kept.policy_digest == in_force.digest
    assert kept.facts["organization_id"] == federation.vendor.id
    approved = federation.cara.client.associations.act(asked.id, "approve")
    assert (approved.policy_decision.answer, approved.policy_decision.facts["approvals"]["n"]) == (
        "go_ahead",
        1,
    )
    [listed] = federation.cara.client.associations.list(model_id=asked.model_id)
    assert listed.policy_decision is None


def test_whoever_has_a_key_signs_the_policy_with_it(federation, put, clock):
    key = PrivateKey.generate()
    user_id = federation.cara.user.id
    federation.cara.client.users.register_key(
        PersonKey(
            public_key=key.public.to_text(), proof=proof(key, f"medperf-person-key:{user_id}")
        )
    )
    with pytest.raises(OwnSignatureError):
        put(ACCEPT)
    number = federation.benchmark_record.id
    signed = sign_policy(federation.cara.client, key, number, ACCEPT, at=clock())
    changed = put(ACCEPT, statement=signed)
    said = predicate_of(changed)
    assert (said.decided_by.vouched_by, said.decided_by.key_id) == ("key", key.key_id)
    bundle = federation.cara.client.benchmarks.bundle(number).model_dump(mode="json")
    log_key = NoteKey.from_text(federation.anybody.info().log_key)
    assert verify_bundle(Bundle.model_validate(bundle), log_key).failed == []
    other = sign_policy(federation.cara.client, key, number, MEMBERS, at=clock())
    with pytest.raises(InvalidRequestError, match="policy_digest"):
        put(text_of(), statement=other)
