"""Two people release where the policy asks for it, and neither sees the other's vote first."""

import pytest
from federation.federation import ASK, EVERYTHING

from medperf.domain.errors import ConflictError, PolicyDeniedError
from medperf.policy.templates import Choice, compose
from medperf.site.acting import Person

ADA, BEA, CYD = (Person(name) for name in ("Ada", "Bea", "Cyd"))


def _people(values):
    return Choice("several-people-release", values)


@pytest.fixture
def site(federation):
    federation.add_model("Model A")
    return federation.add_site("Hospital One", policy=compose([_people({"people": 2})]))


def vote(site, person, action="approve"):
    with site.opened() as opened:
        return getattr(opened.review, action)(1, person)


def until_release(site, starter=ADA):
    site.settle()
    assert vote(site, starter) == "ready"
    assert site.settle() == ["waiting_to_release"]


def test_one_person_alone_releases_nothing(site, federation):
    until_release(site)
    assert vote(site, ADA) == "waiting_to_release"
    assert site.settle() == ["waiting_to_release"]
    assert federation.results() == []


def test_nobody_counts_twice(site):
    until_release(site)
    vote(site, ADA)
    with pytest.raises(ConflictError, match="decided about job 1 already"):
        vote(site, Person("  ada"))


def test_two_people_release_and_both_are_named(site, federation):
    until_release(site)
    vote(site, ADA)
    assert vote(site, BEA) == "releasing"
    assert site.settle() == ["reported"]
    with site.opened() as opened:
        [line] = opened.ledger.lines("result")
        assert line.released_by == "Ada, Bea"
    assert federation.the_result().document


def test_a_vote_is_not_shown_to_the_next_one(site):
    until_release(site)
    with site.opened() as opened:
        before = (opened.review.item(1), opened.status().jobs, opened.jobs.history(1))
        opened.review.approve(1, ADA)
        assert (opened.review.item(1), opened.status().jobs, opened.jobs.history(1)) == before


@pytest.mark.parametrize("answers", [("approve", "reject"), ("reject", "approve")])
def test_one_no_is_enough_once_all_have_voted_and_not_seen_before(site, answers):
    until_release(site)
    assert vote(site, ADA, answers[0]) == "waiting_to_release"
    assert vote(site, BEA, answers[1]) == "rejected"


def test_the_starter_may_not_count_at_all(federation):
    federation.add_model("Model A")
    limit = _people({"people": 2, "starter_counts": False})
    site = federation.add_site("Hospital One", policy=compose([limit]))
    until_release(site)
    assert [vote(site, ADA), vote(site, BEA)] == ["waiting_to_release"] * 2
    assert vote(site, CYD) == "releasing"


def test_when_a_job_starts_again_everybody_is_asked_again(site):
    until_release(site)
    vote(site, ADA, "reject")
    vote(site, BEA, "reject")
    site.settle()
    with site.opened() as opened:
        opened.review.retry(1, ADA)
    until_release(site)
    assert vote(site, BEA) == "waiting_to_release"


def test_a_yes_counts_when_the_policy_stops_wanting_more(site):
    until_release(site)
    vote(site, ADA)
    site.let(ASK)
    assert vote(site, ADA) == "releasing"


@pytest.mark.parametrize(("first", "then"), [("approve", "reject"), ("reject", "approve")])
def test_who_says_something_else_afterwards_settles_nothing(site, first, then):
    until_release(site)
    vote(site, ADA, first)
    site.let(ASK)
    with pytest.raises(ConflictError, match="already, and otherwise"):
        vote(site, ADA, then)
    assert site.settle() == ["waiting_to_release"]
    assert vote(site, BEA, "reject") == "rejected"


def test_no_yes_overrides_a_rule_that_forbids(site):
    until_release(site)
    site.let(ASK + '@id("never") forbid (principal, action == Action::"release", resource);')
    with pytest.raises(PolicyDeniedError, match="never"):
        vote(site, ADA)
    assert site.settle() == ["waiting_to_release"]
    site.let(ASK)
    assert vote(site, ADA) == "releasing"


def test_what_was_let_go_stops_when_the_policy_changes_before_it_leaves(site, federation):
    until_release(site)
    site.let(ASK)
    vote(site, ADA)
    site.let('@id("run") permit (principal, action == Action::"run", resource);')
    assert site.settle() == ["failed"]
    assert federation.results() == []
    [execution] = federation.executions()
    assert execution.failure_code == "policy-denied"


def test_a_budget_ends_where_the_policy_says(federation):
    for name in ("Model A", "Model B", "Model C"):
        federation.add_model(name)
    limit = compose([Choice("most-in-total", {"most": 2})])
    site = federation.add_site("Hospital One", policy=EVERYTHING + limit)
    assert sorted(site.settle()) == ["queued", "reported", "reported"]
    with site.opened() as opened:
        [left] = opened.jobs.in_states("queued")
        assert "may run on a dataset 2 times" in left.waiting_for
