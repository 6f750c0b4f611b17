"""Agreements: proposed by a party, signed once by each, in force when all have, and provable."""

from datetime import timedelta

import pytest
from pydantic import ValidationError
from server_fixtures import digest

from medperf.domain.agreements import AgreementForm
from medperf.domain.errors import (
    DuplicateError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    TransitionError,
)
from medperf.provenance.bundle import Bundle
from medperf.provenance.notes import NoteKey
from medperf.provenance.verify import verify_bundle
from medperf.server.executions.waiting import Waiters, write_down

BASE = "/api/v1"


@pytest.fixture
def form(federation, clock):
    def make(**changes):
        values = {
            "kind": "data_use",
            "title": "Data use of the hospital's cases",
            "document_digest": digest("agreement.pdf"),
            "document_size_bytes": 1234,
            "party_ids": (federation.hospital.id, federation.vendor.id),
            "starts_at": clock(),
            "ends_at": clock() + timedelta(days=30),
        }
        return AgreementForm.model_validate(values | changes)

    return make


@pytest.fixture
def proposed(federation, form):
    return federation.vera.client.agreements.register(form())


@pytest.fixture
def in_force(federation, proposed):
    sign(federation.vera, proposed)
    return sign(federation.hana, proposed)


def sign(person, agreement, reason=""):
    return person.client.agreements.act(agreement.id, "sign", reason)


def verdict_of(federation, agreement, person):
    found = person.client.agreements.bundle(agreement.id)
    key = NoteKey.from_text(federation.anybody.info().log_key)
    return verify_bundle(Bundle.model_validate(found.model_dump(mode="json")), key)


def test_nobody_has_signed_what_was_only_proposed(proposed, federation):
    assert proposed.state == "proposed"
    assert [(p.name, p.signed_by) for p in proposed.parties] == [
        ("Vendor", None),
        ("Hospital", None),
    ]
    assert proposed.owner_id == federation.vera.user.id


def test_it_is_in_force_when_every_party_signed(federation, proposed):
    assert sign(federation.vera, proposed).state == "proposed"
    found = sign(federation.hana, proposed)
    assert found.state == "in_force"
    assert {p.signed_by for p in found.parties} == {
        f"user:{person.user.id}" for person in (federation.vera, federation.hana)
    }
    assert found.concluded_at is not None


def test_each_signature_and_the_conclusion_verify_offline(federation, in_force):
    verdict = verdict_of(federation, in_force, federation.hana)
    assert verdict.is_verified, (verdict.failed, verdict.missing)
    [agreement] = verdict.agreements
    assert agreement.terms.document_digest == digest("agreement.pdf")
    assert {by.name for by in agreement.signed_by.values()} == {"Vera", "Hana"}
    assert {by.vouched_by for by in agreement.signed_by.values()} == {"server"}


def test_a_party_signs_once(federation, proposed):
    sign(federation.vera, proposed)
    colleague = federation.person(federation.vendor, "Victor")
    for person in (federation.vera, colleague):
        with pytest.raises(DuplicateError, match="signed for Vendor already"):
            sign(person, proposed)


def test_nobody_signs_for_another_organization(federation, proposed):
    for stranger in (federation.cara, federation.olga):
        with pytest.raises(NotFoundError):
            sign(stranger, proposed)
    with pytest.raises(ForbiddenError, match="only a party"):
        sign(federation.admin, proposed)
    with pytest.raises(ForbiddenError, match="only a person"):
        federation.north.client.agreements.act(proposed.id, "sign")


def test_only_a_party_proposes(federation, form):
    with pytest.raises(ForbiddenError, match="only a party proposes"):
        federation.cara.client.agreements.register(form())
    with pytest.raises(ForbiddenError, match="only a person"):
        federation.north.client.agreements.register(form())


def test_an_unknown_party_is_refused(federation, form):
    parties = (federation.vendor.id, 4711)
    with pytest.raises(NotFoundError, match="organization 4711"):
        federation.vera.client.agreements.register(form(party_ids=parties))


def test_what_it_is_limited_to_must_be_visible(federation, form):
    with pytest.raises(NotFoundError, match="benchmark 4711"):
        federation.vera.client.agreements.register(form(benchmark_id=4711))
    found = federation.vera.client.agreements.register(
        form(benchmark_id=federation.benchmark_record.id)
    )
    assert found.benchmark_id == federation.benchmark_record.id


def test_a_term_that_is_over_is_refused(federation, form, clock):
    past = {"starts_at": clock() - timedelta(days=9), "ends_at": clock()}
    with pytest.raises(InvalidRequestError, match="ended"):
        federation.vera.client.agreements.register(form(**past))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"document_digest": "md5:12"}, "document_digest"),
        ({"document_size_bytes": 0}, "document_size_bytes"),
        ({"party_ids": (1, 1)}, "named twice"),
        ({"party_ids": (1,)}, "party_ids"),
        ({"title": "two\nlines"}, "one line"),
        ({"ends_at": "2020-01-01T00:00:00Z"}, "ends before it starts"),
        ({"kind": "handshake"}, "kind"),
    ],
)
def test_a_form_that_says_something_impossible_is_refused(form, changes, words):
    with pytest.raises(ValidationError, match=words):
        form(**changes)


def test_only_parties_and_admins_see_it(federation, in_force):
    for person in (federation.vera, federation.hana, federation.admin):
        assert person.client.agreements.get(in_force.id).id == in_force.id
    for stranger in (federation.cara, federation.olga):
        assert list(stranger.client.agreements.list()) == []
        with pytest.raises(NotFoundError):
            stranger.client.agreements.bundle(in_force.id)
    assert federation.north.client.agreements.get(in_force.id).state == "in_force"


def test_it_can_be_found_by_its_document_and_its_parties(federation, in_force):
    agreements = federation.hana.client.agreements
    found = agreements.list(
        document_digest=digest("agreement.pdf"), organization_id=federation.vendor.id
    )
    assert [each.id for each in found] == [in_force.id]
    assert list(agreements.list(organization_id=federation.committee.id)) == []


def test_a_party_ends_it_before_its_term(federation, in_force, clock):
    clock.advance(days=1)
    ended = federation.hana.client.agreements.act(in_force.id, "terminate", "no longer needed")
    assert (ended.state, ended.reason) == ("terminated", "no longer needed")
    verdict = verdict_of(federation, in_force, federation.vera)
    assert verdict.agreements[0].terminated_at == clock()
    with pytest.raises(TransitionError):
        sign(federation.vera, in_force)


def test_after_its_term_it_is_not_signed_any_more(federation, proposed, clock):
    clock.advance(days=31)
    with pytest.raises(TransitionError, match="ended at"):
        sign(federation.vera, proposed)


def test_the_end_of_its_term_is_written_down(federation, in_force, clock, template):
    clock.advance(days=31)
    write_down(template.app.state.program, Waiters().take_seen())
    assert federation.hana.client.agreements.get(in_force.id).state == "expired"


@pytest.mark.parametrize("action", ["conclude", "expire"])
def test_what_the_server_does_by_itself_cannot_be_asked_for(federation, proposed, action):
    with pytest.raises(ForbiddenError, match="the act of: server"):
        federation.vera.client.agreements.act(proposed.id, action)


def test_the_sites_of_the_parties_hear_of_it(federation, proposed):
    work = federation.north.client.executions.work()
    sign(federation.vera, proposed)
    assert federation.north.client.executions.work() == work
    sign(federation.hana, proposed)
    heard = federation.north.client.executions.work()
    assert heard.agreements_version > work.agreements_version
    assert heard.version > work.version
    federation.vera.client.agreements.act(proposed.id, "terminate")
    assert federation.north.client.executions.work().agreements_version > heard.agreements_version


def test_everything_about_it_is_audited(federation, in_force):
    events = list(federation.admin.client.audit_events.list(subject=f"agreement:{in_force.id}"))
    assert [event.action for event in events] == [
        "agreement.propose",
        "agreement.sign",
        "agreement.sign",
        "agreement.conclude",
    ]
