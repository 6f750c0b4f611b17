"""A site has the log hold which policy it put in force; nobody else can, and no text travels."""

import pytest

from medperf.domain.errors import ForbiddenError, InvalidRequestError, SignatureError
from medperf.provenance.bundle import Bundle
from medperf.provenance.envelope import sign
from medperf.provenance.keys import PrivateKey
from medperf.provenance.notes import NoteKey
from medperf.provenance.predicates import Approval, Decider, PolicyPredicate
from medperf.provenance.statements import make_statement, read_any_statement
from medperf.provenance.verify import verify_bundle


@pytest.fixture
def statement(federation, clock):
    def make(key=None, **changes):
        said = PolicyPredicate(
            policy_version=1,
            policy_digest="sha256:" + "a" * 64,
            site_id=federation.north.record.id,
            approved_by=(Approval(name="Head", role="data owner", at=clock()),),
            in_force_at=clock(),
        ).model_copy(update=changes)
        return sign(make_statement(said.subjects(), said), key or federation.north.key).to_value()

    return make


def test_a_sites_policy_is_a_leaf_and_verifies_with_its_results(federation, statement):
    federation.north.client.sites.log_policy(statement())
    federation.north.client.sites.log_policy(statement())
    result = federation.result()
    found = federation.cara.client.results.bundle(result.id).model_dump(mode="json")
    bundle = Bundle.model_validate(found)
    key = NoteKey.from_text(federation.anybody.info().log_key)
    assert verify_bundle(bundle, key).failed == []
    said = [read_any_statement(each.envelope.content).predicate for each in bundle.statements]
    own = [p for p in said if isinstance(p, PolicyPredicate) and p.site_id is not None]
    assert len(own) == 1
    events = federation.admin.client.audit_events.list(action="site.policy")
    assert [event.details["version"] for event in events] == [1]


def test_nobody_says_it_for_a_site(federation, statement):
    with pytest.raises(SignatureError):
        federation.north.client.sites.log_policy(statement(PrivateKey.generate()))
    with pytest.raises(ForbiddenError):
        federation.hana.client.sites.log_policy(statement())
    with pytest.raises(ForbiddenError):
        federation.north.client.sites.log_policy(statement(site_id=99))


def test_a_site_says_nothing_about_benchmarks(federation, statement, clock):
    server = Decider(name="x", role="server", at=clock())
    for changes in ({"benchmark_id": 1}, {"decided_by": server}):
        with pytest.raises(InvalidRequestError):
            federation.north.client.sites.log_policy(statement(**changes))
