"""What a site knows of its organization's agreements, and what its policy makes of them."""

import sqlite3
from dataclasses import replace
from datetime import timedelta

import pytest
from hospital import NOW
from policy.policy_world import FACTS

from medperf.policy.actions import Action, Answer
from medperf.policy.facts import ApprovalFacts, IsolationFacts
from medperf.policy.templates import Choice, compose
from medperf.provenance.keys import PrivateKey
from medperf.site.permission import Permission
from medperf.site.policy_in_force import SitePolicy
from medperf.site.store import agreements, jobs, policies, rulings, uses
from medperf.site.store.agreements import Agreements, KnownAgreement
from medperf.site.store.connection import Store

TABLES = [module.TABLES for module in (jobs, policies, uses, rulings, agreements)]
OURS, VENDOR = FACTS.dataset.owner_id, FACTS.model.owner_id
AGREEMENT = KnownAgreement(
    agreement_id=4,
    kind="data_use",
    title="Data use",
    document_digest="sha256:" + "a" * 64,
    party_ids=frozenset({OURS, VENDOR}),
    benchmark_id=None,
    dataset_id=None,
    model_id=None,
    starts_at=NOW,
    ends_at=NOW + timedelta(days=30),
    terminated_at=None,
    bundle="{}",
    verified_at=NOW,
)


class Site:
    """A store, a policy that needs an agreement, and a clock that is set by hand."""

    def __init__(self, folder):
        self.now = NOW
        self.store = Store(folder / "store.db", TABLES)
        self.known = Agreements(self.store)
        key = PrivateKey.generate()
        policy = SitePolicy(
            folder / "policy.cedar", self.store, key, site_id=4, clock=lambda: self.now
        )
        policy.put_in_force(compose([Choice("only-under-agreement", {"kind": "data_use"})]))
        self.permission = Permission(
            self.store,
            policy,
            lambda _: IsolationFacts(runner="fake"),
            organization_id=OURS,
            clock=lambda: self.now,
        )

    def asked(self, action=Action.RUN, approvals=0):
        facts = replace(FACTS, now=self.now, approvals=ApprovalFacts(n=approvals))
        return self.permission.decide(1, action, facts).answer


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path)
    yield made
    made.store.close()


def test_nothing_runs_without_the_agreement_that_the_policy_wants(site):
    assert site.asked(approvals=1) is Answer.DENY
    site.known.keep(AGREEMENT)
    assert site.asked() is Answer.ASK
    assert site.asked(approvals=1) is Answer.GO_AHEAD


def test_it_stops_at_the_very_moment_the_term_ends_without_any_server(site):
    site.known.keep(AGREEMENT)
    site.now = AGREEMENT.ends_at - timedelta(milliseconds=1)
    assert site.asked(approvals=1) is Answer.GO_AHEAD
    site.now = AGREEMENT.ends_at
    assert site.asked(approvals=1) is Answer.DENY


def test_it_does_not_begin_before_its_term(site):
    site.known.keep(replace(AGREEMENT, starts_at=NOW + timedelta(hours=1)))
    assert site.asked() is Answer.DENY
    site.now += timedelta(hours=1)
    assert site.asked() is Answer.ASK


def test_a_termination_stops_it_and_is_never_taken_back(site):
    site.known.keep(AGREEMENT)
    site.known.keep(replace(AGREEMENT, terminated_at=NOW))
    assert site.asked() is Answer.DENY
    site.known.keep(AGREEMENT)
    assert site.asked() is Answer.DENY


def test_what_was_asked_before_is_decided_with_the_agreements_of_now(site):
    site.known.keep(AGREEMENT)
    site.asked()
    site.known.keep(replace(AGREEMENT, terminated_at=NOW))
    facts = site.permission.kept_facts(1, Action.RUN, ApprovalFacts(n=1))
    assert site.permission.decide(1, Action.RUN, facts).answer is Answer.DENY


@pytest.mark.parametrize(
    "changes",
    [
        {"party_ids": frozenset({OURS, 77})},
        {"party_ids": frozenset({VENDOR, 77})},
        {"kind": "membership"},
        {"benchmark_id": FACTS.benchmark.id + 1},
        {"dataset_id": FACTS.dataset.id + 1},
        {"model_id": FACTS.model.id + 1},
    ],
)
def test_an_agreement_of_others_or_about_something_else_permits_nothing(site, changes):
    site.known.keep(replace(AGREEMENT, **changes))
    assert site.asked() is Answer.DENY


def test_an_agreement_about_exactly_this_permits_it(site):
    limits = {
        "benchmark_id": FACTS.benchmark.id,
        "dataset_id": FACTS.dataset.id,
        "model_id": FACTS.model.id,
    }
    site.known.keep(replace(AGREEMENT, **limits))
    assert site.asked() is Answer.ASK


def test_an_agreement_is_kept_for_ever(site):
    site.known.keep(AGREEMENT)
    with pytest.raises(sqlite3.IntegrityError, match="kept"):
        site.store.rows("DELETE FROM agreements")


def test_denied_jobs_are_asked_about_again_when_the_agreements_change(site):
    before = site.permission.in_force()
    site.known.heard(7)
    assert site.permission.in_force() != before
    assert site.known.version() == 7
