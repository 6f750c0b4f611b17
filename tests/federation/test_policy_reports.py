"""Each version of a site's policy is in the server's log, once, from when the site is online."""

import pytest
from federation.federation import ASK, EVERYTHING

from medperf.provenance.envelope import Envelope
from medperf.provenance.predicates import PolicyPredicate
from medperf.provenance.statements import read_any_statement
from medperf.site.key_rotation import rotate_key


@pytest.fixture
def site(federation):
    federation.add_model("Model A")
    return federation.add_site("Hospital One", policy=EVERYTHING)


def logged(federation):
    found = federation.committee.results.bundle(federation.the_result().id)
    envelopes = [Envelope.from_value(each["envelope"]) for each in found.statements]
    said = [read_any_statement(each.content).predicate for each in envelopes]
    return [p.policy_version for p in said if isinstance(p, PolicyPredicate) and p.site_id]


def test_every_version_is_logged_once(site, federation):
    assert site.settle() == ["reported"]
    assert logged(federation) == [1, 2]
    site.let(ASK)
    site.settle()
    site.settle()
    assert logged(federation) == [1, 2, 3]


def test_what_the_old_key_signed_is_logged_before_it_ends(site, federation):
    site.settle()
    site.let(ASK)
    rotate_key(site.folder)
    assert logged(federation) == [1, 2, 3]
    site.let(EVERYTHING)
    site.settle()
    assert logged(federation) == [1, 2, 3, 4]


def test_a_version_that_can_never_be_logged_is_not_asked_for_again(site, federation):
    site.settle()
    site.let(ASK)
    with site.opened() as opened:
        [former] = [one for one in opened.policy.versions.all() if one.version == 3]
        opened.store.rows("DELETE FROM policy_reports")
        opened.store.rows("INSERT INTO policy_reports VALUES (3, 'signature')")
    site.settle()
    assert former.version not in logged(federation)
