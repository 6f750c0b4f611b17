"""An agreement holds if each party signed the same terms, and the verdict says who vouches."""

from datetime import UTC, datetime, timedelta

import pytest

from medperf.provenance.predicates import AgreementPredicate, Decider
from medperf.provenance.verify import verify_bundle

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TERMS = {
    "agreement_id": 4,
    "agreement_type": "data_use",
    "title": "Data use",
    "document_digest": "sha256:" + "d" * 64,
    "document_size_bytes": 9,
    "parties": (
        {"organization_id": 1, "name": "Hospital"},
        {"organization_id": 2, "name": "Vendor"},
    ),
    "starts_at": NOON,
    "ends_at": NOON + timedelta(days=365),
}


def decider(party, key=None, **more):
    vouched = {"key_id": key.key_id, "vouched_by": "key"} if key else {}
    values = {"name": f"person {party}", "role": "person", "at": NOON, "user_id": party, **vouched}
    return Decider(**values | more)


class Tale:
    """Two organizations sign; a place to change each part of it."""

    def __init__(self, federation):
        self.federation = federation
        self.signatures = {}
        federation.enroll(federation.server, "server", None)

    def say(self, event, party=None, key=None, **changes):
        by = decider(party, key) if party else Decider(name="server", role="server", at=NOON)
        values = {**TERMS, "event": event, "organization_id": party, "by": by, **changes}
        said = AgreementPredicate.model_validate(values)
        signers = [*([key] if key else []), self.federation.server]
        return self.federation.record(said, *signers)

    def sign(self, party, key=None, **changes):
        self.signatures[str(party)] = self.say("signed", party, key, **changes).payload_digest

    def conclude(self, **changes):
        self.say("concluded", **{"signatures": self.signatures, **changes})

    def all(self):
        self.sign(1)
        self.sign(2)
        self.conclude()

    def verdict(self):
        return self.federation.verdict()


@pytest.fixture
def tale(federation):
    return Tale(federation)


def faults(verdict):
    return [(each.step, each.detail) for each in (*verdict.failed, *verdict.missing)]


def test_an_agreement_that_every_party_signed_is_verified(tale):
    tale.all()
    verdict = tale.verdict()
    assert verdict.is_verified
    [agreement] = verdict.agreements
    assert agreement.terms.agreement_id == 4
    assert {party: by.name for party, by in agreement.signed_by.items()} == {
        1: "person 1",
        2: "person 2",
    }
    assert (agreement.log_index, agreement.terminated_at) == (3, None)


def test_the_verdict_says_for_whom_the_server_vouches(tale):
    person = tale.federation.person
    tale.federation.enroll(person, "person", 1)
    tale.sign(1, person)
    tale.sign(2)
    tale.conclude()
    said = [each.detail for each in tale.verdict().checked if each.step == 4]
    assert said == [
        "signed by the server, the person",
        "signed by the server; the server vouches for person 2, who signed with no own key",
        "signed by the server",
    ]


def test_a_key_that_is_named_must_have_signed(tale):
    person = tale.federation.person
    tale.federation.enroll(person, "person", 1)
    by = decider(1, person)
    tale.signatures["1"] = tale.say("signed", 1, by=by).payload_digest
    tale.sign(2)
    tale.conclude()
    assert (4, f"it names key {person.key_id} of person 1, which did not sign it") in faults(
        tale.verdict()
    )
    assert tale.verdict().agreements == []


def test_a_person_signs_for_nobody_else(tale):
    person = tale.federation.person
    tale.federation.enroll(person, "person", 7)
    tale.signatures["1"] = tale.say("signed", 1, person).payload_digest
    assert any("did not sign it" in detail for _, detail in faults(tale.verdict()))


def test_a_revoked_key_signs_nothing_any_more(tale):
    person = tale.federation.person
    tale.federation.enroll(person, "person", 1)
    tale.sign(1, person)
    tale.federation.revoke(person, "person", 1)
    tale.sign(2)
    tale.conclude()
    assert tale.verdict().is_verified
    tale.sign(1, person)
    assert any(step == 4 for step, _ in faults(tale.verdict()))


def test_without_a_conclusion_it_is_not_in_force(tale):
    tale.sign(1)
    tale.sign(2)
    assert (12, "it is not concluded: no statement says that every party signed") in faults(
        tale.verdict()
    )


def test_a_conclusion_without_a_party_is_refused(tale):
    tale.sign(1)
    tale.conclude()
    assert faults(tale.verdict()) == [
        (12, "it is called concluded, but Vendor signed nothing"),
        (5, "it holds no result that can be believed"),
    ]


def test_a_signature_of_other_terms_is_refused(tale):
    tale.sign(1, ends_at=NOON + timedelta(days=1))
    tale.sign(2)
    tale.conclude()
    assert (12, "Hospital signed other terms") in faults(tale.verdict())


def test_a_signature_for_another_party_is_refused(tale):
    tale.sign(1)
    tale.signatures["2"] = tale.say("signed", 1).payload_digest
    tale.conclude()
    assert (12, "what stands for Vendor was signed for another party") in faults(tale.verdict())


def test_a_signature_after_the_conclusion_does_not_count(tale):
    tale.sign(1)
    late = tale.say("signed", 2).payload_digest
    bundle_of = tale.federation.logged.pop()
    tale.conclude(signatures={**tale.signatures, "2": late})
    tale.federation.logged.insert(len(tale.federation.logged), bundle_of)
    assert tale.verdict().agreements == []


def test_a_missing_signature_is_missing(tale):
    tale.all()
    verdict = tale.federation.verdict(without=1)
    [missing] = [each for each in verdict.missing if each.step == 12]
    assert "the signature of Hospital" in missing.detail


def test_a_termination_by_a_party_ends_it_and_one_by_a_stranger_does_not(tale):
    tale.all()
    tale.say("terminated", 3, by=decider(3))
    assert tale.verdict().agreements[0].terminated_at is None
    tale.say("terminated", 2, by=decider(2, at=NOON + timedelta(days=9)))
    assert tale.verdict().agreements[0].terminated_at == NOON + timedelta(days=9)


def test_a_changed_statement_is_no_part_of_it(tale):
    tale.all()
    bundle = tale.federation.bundle()
    first, *others = bundle.statements
    changed = others[0].model_copy(update={"envelope": others[1].envelope})
    forged = bundle.model_copy(update={"statements": (first, changed, *others[1:])})
    verdict = verify_bundle(forged, tale.federation.log_key)
    assert not verdict.is_verified
    assert verdict.agreements == []


@pytest.mark.parametrize(
    "values",
    [{"vouched_by": "key"}, {"key_id": "sha256:" + "0" * 64}],
)
def test_a_decider_names_a_key_exactly_where_it_vouches(values):
    with pytest.raises(ValueError, match="key_id is named exactly"):
        Decider(name="A", role="person", at=NOON, user_id=1, **values)


def test_only_a_person_has_an_own_key():
    with pytest.raises(ValueError, match="user_id"):
        Decider(name="A", role="site", at=NOON, key_id="sha256:" + "0" * 64, vouched_by="key")
