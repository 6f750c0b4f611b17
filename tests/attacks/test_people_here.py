"""Attacks of people: approving one's own, as somebody else, or twice."""

import pytest
from hospital import NOW

from medperf.domain.errors import ForbiddenError, OwnApprovalError
from medperf.site.acting import acting_person, system_user
from medperf.site.permission import count_approvals
from medperf.site.store.votes import Vote


def test_nobody_approves_the_association_they_asked_for(world):
    """Stopped by the server: the other side decides, and never the one who asked."""
    federation = world.federation
    model = federation.model(federation.vera, "Second")
    asked = federation.ask(federation.vera, federation.benchmark_record, model)
    with pytest.raises(OwnApprovalError):
        federation.vera.client.associations.act(asked.id, "approve")
    colleague = federation.person(federation.vendor, "Victor")
    with pytest.raises(OwnApprovalError):
        colleague.client.associations.act(asked.id, "approve")


def test_nobody_votes_as_somebody_else():
    """Stopped by the operating system: a name is the login's, or listed for it by the site."""
    with pytest.raises(ForbiddenError):
        acting_person({}, name="chief physician", user="student")


def test_the_environment_makes_nobody_somebody_else(monkeypatch):
    """Stopped by asking the kernel instead of the environment."""
    me = system_user()
    for name in ("USER", "LOGNAME", "SUDO_USER", "SUDO_UID"):
        monkeypatch.setenv(name, "chief physician")
    assert system_user() == me


def test_spelling_a_name_differently_is_no_second_vote():
    """Stopped by comparing names without case and spaces; the store refuses a second vote."""
    votes = {
        Vote(name, "x", is_yes=True, reason="", at=NOW).person
        for name in ("Ada B", "ada  b", "ADA B")
    }
    assert len(votes) == 1


def test_who_started_a_run_is_known_when_the_release_is_decided():
    """Stopped by the policy: it sees how many said yes, and whether the starter is among them."""
    assert count_approvals({"ada"}, {"ada"}).includes_starter
    assert not count_approvals({"bea"}, {"ada"}).includes_starter
