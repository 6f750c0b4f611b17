"""Running a model and releasing a result each wait for a person unless the policy says otherwise."""

import json

import pytest
from federation.federation import ASK, EVERYTHING

from medperf.domain.errors import ConflictError, TransitionError
from medperf.site.acting import Person

ADA = Person("Dr. Ada", "output checker")


@pytest.fixture
def site(federation):
    federation.add_model("Model A")
    return federation.add_site("Hospital One", policy=ASK)


def decide(site, action="approve", **options):
    with site.opened() as opened:
        [item] = opened.review.inbox()
        return getattr(opened.review, action)(item.number, ADA, **options)


def test_nothing_runs_before_a_person_approved_it(site):
    assert site.settle() == ["waiting_to_run"]
    assert site.tasks_run() == []


def test_nothing_leaves_before_a_person_released_it(site, federation):
    site.settle()
    decide(site)
    assert site.settle() == ["waiting_to_release"]
    assert federation.results() == []


def test_the_document_that_was_shown_is_the_one_that_arrives(site, federation):
    site.settle()
    decide(site)
    site.settle()
    with site.opened() as opened:
        [item] = opened.review.inbox()
        assert (item.question, item.model.startswith("Model A")) == ("release", True)
        opened.review.approve(item.number, ADA, digest=item.digest, reason="looks right")
    assert site.settle() == ["reported"]
    result = federation.the_result()
    assert result.document == item.document


def test_the_statement_says_who_approved_and_not_why(site, federation):
    site.settle()
    decide(site, reason="a private reason")
    site.settle()
    decide(site, reason="another private reason")
    site.settle()
    with site.opened() as opened:
        [line] = opened.ledger.lines("result")
        assert (line.released_by, line.role) == ("Dr. Ada", "output checker")
        reasons = [entry.reason for entry in opened.jobs.history(1) if entry.reason]
    assert reasons == ["a private reason", "another private reason"]
    statement = federation.the_result().statement
    assert b"Dr. Ada" in _payload(statement)
    assert b"private" not in _payload(statement)


def test_a_rejected_run_stays_rejected(site, federation):
    site.settle()
    assert decide(site, "reject", reason="not this vendor") == "rejected"
    assert site.settle() == ["rejected"]
    assert federation.executions() == []


def test_after_a_rejected_release_the_server_hears_a_code_only(site, federation):
    site.settle()
    decide(site)
    site.settle()
    decide(site, "reject", reason="too few cases")
    assert site.settle() == ["rejected"]
    [execution] = federation.executions()
    assert (execution.state, execution.failure_code) == ("failed", "withheld")


def test_what_was_decided_already_cannot_be_decided_again(site):
    site.settle()
    decide(site)
    with site.opened() as opened, pytest.raises(ConflictError, match="waits for nobody"):
        opened.review.approve(1, ADA)


def test_whoever_changes_their_mind_hears_how_it_is_asked_again(site):
    site.settle()
    decide(site, "reject")
    with site.opened() as opened:
        with pytest.raises(ConflictError) as raised:
            opened.review.approve(1, ADA)
        assert "medperf site retry 1" in raised.value.advice


def test_deciding_about_something_else_than_was_shown_is_refused(site):
    site.settle()
    with site.opened() as opened, pytest.raises(ConflictError, match="not what was shown"):
        opened.review.approve(1, ADA, digest="sha256:" + "1" * 64)


def test_a_person_can_have_a_rejected_job_start_again(site):
    site.settle()
    decide(site, "reject")
    with site.opened() as opened:
        assert opened.review.retry(1, ADA) == "queued"
    assert site.settle() == ["waiting_to_run"]


def test_a_job_under_way_cannot_be_retried(site):
    site.settle()
    with site.opened() as opened, pytest.raises(TransitionError):
        opened.review.retry(1, ADA)


def test_the_policy_can_deny_runs_and_says_which_rule_did(site):
    site.let(ASK + '@id("never") @reason("Not here.") forbid (principal, action, resource);')
    assert site.settle() == ["queued"]
    with site.opened() as opened:
        assert "(never: Not here.)" in opened.jobs.get(1).waiting_for
    site.let(EVERYTHING)
    assert site.settle() == ["reported"]


def test_the_policy_can_deny_every_release(site, federation):
    site.let(
        '@id("run") permit (principal, action in [Action::"run", Action::"runUnattended"], resource);'
    )
    assert site.settle() == ["withheld"]
    [execution] = federation.executions()
    assert execution.failure_code == "policy-denied"


def test_a_running_agent_takes_up_decisions_and_policies_of_others(site, federation):
    from federation.hospital_site import wait_until

    with site.running() as running:
        wait_until(lambda: running.jobs.counts() == {"waiting_to_run": 1})
        site.let(EVERYTHING)  # before it can come to the release
        decide(site)
        wait_until(lambda: running.jobs.counts() == {"reported": 1})


def test_status_says_what_every_job_waits_for(site):
    site.settle()
    with site.opened() as opened:
        status = opened.status()
    assert status.jobs[0].waiting_for == "a person to approve the run"
    assert (status.n_waiting_for_person, status.agent_runs) == (1, False)


def _payload(statement):
    import base64

    payload = base64.b64decode(statement["payload"])
    assert json.loads(payload)["predicate"]["approvals"]
    return payload
