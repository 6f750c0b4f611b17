"""What executions leave at a site goes once nobody needs it, and not before."""

import os

import pytest
from federation.federation import ASK_TO_RELEASE, EVERYTHING

from medperf.runners.outputs import delete


@pytest.fixture
def site(federation):
    federation.add_model("Model A")
    return federation.add_site("Hospital One", policy=EVERYTHING)


def outputs(site):
    return (
        sorted(path.name for path in (site.folder / "predictions").glob("*")),
        sorted(path.name for path in (site.folder / "work" / "jobs").glob("*")),
    )


def test_a_reported_job_leaves_nothing_but_the_ledger_once_its_time_is_up(site):
    site.settle()
    before = outputs(site)
    assert all(before)
    site.set(keep_days=0)
    with site.opened() as opened:
        assert len(opened.retention.plan()) == 2
        assert outputs(site) == before
        assert {one.kind for one in opened.retention.prune()} == {"predictions", "job"}
        assert opened.retention.prune() == []
        assert opened.ledger.lines("result")
        assert opened.jobs.history(1)
    assert outputs(site) == ([], [])
    assert not (site.folder / "work" / "trash").exists()


def test_what_waits_for_a_person_or_the_server_is_never_deleted(federation):
    federation.add_model("Model A")
    site = federation.add_site("Hospital One", policy=ASK_TO_RELEASE, keep_days=0)
    assert site.settle() == ["waiting_to_release"]
    before = outputs(site)
    with site.opened() as opened:
        assert opened.retention.prune() == []
        opened.jobs.transition(1, "reject", actor="test", failure_owed=1)
        assert opened.retention.prune() == []
        opened.jobs.remember(1, failure_owed=0)
        assert len(opened.retention.prune()) == 2
    assert before != outputs(site)


def test_what_a_model_nested_too_deeply_to_be_read_goes_with_the_rest(site, monkeypatch):
    site.settle()
    monkeypatch.chdir(site.folder / "work" / "jobs" / "1")
    for _ in range(1500):
        os.mkdir("d")  # noqa: PTH102  (pathlib would walk the whole path)
        os.chdir("d")
    monkeypatch.undo()
    site.set(keep_days=0)
    with site.opened() as opened:
        assert len(opened.retention.prune()) == 2
    assert outputs(site) == ([], [])


def test_what_cannot_be_deleted_keeps_nothing_else(site, monkeypatch):
    site.settle()
    site.set(keep_days=0)
    told = []

    def refuse(place):
        if place.name == "job-1":
            raise PermissionError
        delete(place)

    monkeypatch.setattr("medperf.site.retention.delete", refuse)
    with site.opened() as opened:
        monkeypatch.setattr(opened.log, "warning", lambda event, **_: told.append(event))
        assert len(opened.retention.prune()) == 2
    assert told == ["outputs_not_deleted"]
    assert [path.name for path in (site.folder / "work" / "trash").iterdir()] == ["job-1"]


def test_an_agent_prunes_by_itself(site):
    site.settle()
    site.set(keep_days=0)
    site.settle()
    assert outputs(site) == ([], [])
