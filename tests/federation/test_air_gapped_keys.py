"""The server's key is replaced while a site that no network reaches is on its way."""

import pytest
from federation.courier import AirGapped, take_part
from federation.federation import ASK, ServerThread

from medperf.domain.errors import LogKeyRevokedError, SignatureError
from medperf.server import succession
from medperf.site.review import Person
from medperf.site.trust import trust_log_key


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server of their own, whose key these tests replace."""
    running = ServerThread(tmp_path_factory.mktemp("own-server"))
    yield running
    running.close()


@pytest.fixture
def working(federation, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDPERF_HOME", str(tmp_path / "courier"))
    hospital = AirGapped(federation, f"Air gap{federation._tag}", tmp_path)
    federation.add_model("Model A")
    take_part(hospital, federation)
    return hospital


def test_a_bundle_leads_the_site_to_the_next_key_and_proves_the_grants_of_the_old_one(
    working, federation
):
    # The grant is signed with the old key, and waits for a person.
    working.site.let(ASK)
    before = working.work()
    working.take_in(before)
    assert working.states() == ["waiting_to_run"]
    key = succession.rotate(federation.server.folder)[-1].key
    working.take_in(working.work())
    with working.site.opened() as site:
        assert site.log_watch.keys.current == key
        site.review.approve(1, Person("Ada"))
        site.agent().settle()
        item = site.review.item(1)
        site.review.approve(1, Person("Ben"), digest=item.digest)
        site.agent().settle()
    working.go_around()
    assert working.states() == ["reported"]
    assert len(federation.executions()) == 1
    # What the old key signed for the courier is worth nothing any more.
    with working.site.opened() as site, pytest.raises(SignatureError):
        site.take_in(before)


def test_after_a_revocation_bundles_are_refused_until_a_person_names_the_next_key(
    working, federation
):
    working.take_in(working.work())
    key = succession.revoke(federation.server.folder, "stolen")[-1].key.to_text()
    working.medperf("bundle", "work", working.file(".zip"), "--site", working.name, status=7)
    working.medperf("log", "trust", key, "--yes")
    bundle = working.work()
    with working.site.opened() as site, pytest.raises(LogKeyRevokedError):
        site.take_in(bundle)
    trust_log_key(working.folder, key)
    working.take_in(bundle)
    working.go_around()
    assert working.states() == ["reported"]
