"""A policy that wants an agreement: the real server, a real site, and the clock moved on."""

import hashlib
from datetime import timedelta

import pytest
from federation.federation import EVERYTHING

from medperf.domain.agreements import AgreementForm
from medperf.domain.clock import system_clock
from medperf.domain.log import LogBundle
from medperf.policy.actions import Action
from medperf.policy.templates import Choice, compose
from medperf.provenance.envelope import Envelope, sign
from medperf.provenance.keys import PrivateKey

NEEDED = EVERYTHING + compose([Choice("only-under-agreement", {"kind": "data_use"})])
DIGEST = "sha256:" + hashlib.sha256(b"data use agreement").hexdigest()


@pytest.fixture
def site(federation):
    federation.add_model("Model A")
    return federation.add_site("Hospital One", policy=NEEDED)


@pytest.fixture
def hospital(federation, site):
    return federation.colleague(site.organization_id)


@pytest.fixture
def agreed(federation, site, hospital):
    """Both sides sign; answers the agreement."""

    def sign_both(days=30):
        form = AgreementForm(
            kind="data_use",
            title="Data use",
            document_digest=DIGEST,
            document_size_bytes=18,
            party_ids=(federation.vendor.organization_id, site.organization_id),
            starts_at=system_clock() - timedelta(minutes=1),
            ends_at=system_clock() + timedelta(days=days),
        )
        proposed = federation.vendor.agreements.register(form)
        federation.vendor.agreements.act(proposed.id, "sign")
        return hospital.agreements.act(proposed.id, "sign")

    return sign_both


def waiting_for(site):
    with site.opened() as opened:
        return [job.waiting_for for job in opened.jobs.in_states("queued")]


def test_work_begins_when_the_last_party_has_signed(site, agreed, federation):
    assert site.settle() == ["queued"]
    assert "agreement with this site's organization" in waiting_for(site)[0]
    agreed()
    assert site.settle() == ["reported"]
    assert federation.the_result().document
    with site.opened() as opened:
        [known] = opened.agreements.all()
        assert known.document_digest == DIGEST


def test_when_the_term_ends_work_stops_at_once_without_the_server(site, agreed, federation):
    agreed()
    assert site.settle() == ["reported"]
    federation.add_model("Model B")
    later = system_clock() + timedelta(days=31)
    with site.opened() as opened:
        facts = opened.permission.rulings.all()[-1].facts
    with site.opened(clock=lambda: later) as opened:
        federation.server.stop()
        try:
            facts = opened.permission.kept_facts(1, Action.RUN, facts.approvals)
            decision = opened.permission.forecast(2, Action.RUN, facts)
            assert decision.answer.value == "deny"
        finally:
            federation.server.start()


def test_a_termination_reaches_the_site_and_stops_its_work(site, agreed, federation):
    agreement = agreed()
    assert site.settle() == ["reported"]
    federation.vendor.agreements.act(agreement.id, "terminate", "over")
    federation.add_model("Model B")
    assert sorted(site.settle()) == ["queued", "reported"]
    with site.opened() as opened:
        [known] = opened.agreements.all()
        assert known.terminated_at is not None


def test_an_agreement_whose_signatures_do_not_hold_is_not_believed(
    site, agreed, federation, monkeypatch
):
    agreed()
    with site.opened() as opened:
        bundle = opened.client.agreements.bundle

        def forged(number):
            found = bundle(number).model_dump(mode="json")
            envelope = Envelope.from_value(found["statements"][0]["envelope"])
            stranger = sign(envelope.content, PrivateKey.generate())
            found["statements"][0]["envelope"] = stranger.to_value()
            return LogBundle.model_validate(found)

        monkeypatch.setattr(opened.client.agreements, "bundle", forged)
        opened.agent().settle()
        assert [job.state for job in opened.jobs.in_states()] == ["queued"]
        assert opened.agreements.all() == []
    assert "agreement_refused" in site.log.getvalue()
    assert site.settle() == ["reported"]


def test_a_server_that_only_says_terminated_is_not_believed(site, agreed, federation, monkeypatch):
    agreed()
    assert site.settle() == ["reported"]
    with site.opened() as opened:
        listed = opened.client.agreements.list
        monkeypatch.setattr(
            opened.client.agreements,
            "list",
            lambda: [a.model_copy(update={"terminated_at": system_clock()}) for a in listed()],
        )
        opened.agreement_watch.refresh(10**9)
        [known] = opened.agreements.all()
        assert known.terminated_at is None
    assert "agreement_refused" in site.log.getvalue()
