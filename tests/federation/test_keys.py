"""A site's next key: what was signed before stays valid, and what comes later is not."""

import pytest
from federation.federation import EVERYTHING
from federation.hospital_site import wait_until

from medperf.client.key_file import read_key_file
from medperf.domain.errors import MedPerfError, StoreLockedError, UnauthenticatedError
from medperf.provenance.bundle import Bundle
from medperf.provenance.keys import PrivateKey
from medperf.provenance.notes import NoteKey
from medperf.provenance.verify import verify_bundle
from medperf.site.file_lock import is_locked
from medperf.site.folder import SiteFolder
from medperf.site.key_rotation import rotate_key


@pytest.fixture
def site(federation):
    federation.add_model("Model A")
    made = federation.add_site("Hospital One", policy=EVERYTHING)
    assert made.settle() == ["reported"]
    return made


def verdict_of(federation):
    result = federation.the_result()
    found = federation.committee.results.bundle(result.id).model_dump(mode="json")
    key = NoteKey.from_text(federation.committee.info().log_key)
    return verify_bundle(Bundle.model_validate(found), key)


def key_id(site):
    return read_key_file(SiteFolder(site.folder).key).key_id


def test_a_result_stays_valid_after_the_key_that_signed_it_was_rotated(site, federation):
    former = key_id(site)
    assert verdict_of(federation).is_verified
    found = rotate_key(site.folder)
    assert [(key.key_id == former, key.revoked_at is None) for key in found.keys] == [
        (True, False),
        (False, True),
    ]
    assert key_id(site) == found.keys[1].key_id
    verdict = verdict_of(federation)
    assert verdict.is_verified, (verdict.failed, verdict.missing)


def test_work_goes_on_with_the_next_key(site, federation):
    rotate_key(site.folder)
    federation.add_model("Model B")
    assert sorted(site.settle()) == ["reported", "reported"]
    assert len(federation.results()) == 2


def test_what_was_granted_to_the_old_key_is_granted_anew(site, federation):
    federation.add_model("Model B")
    site.let(
        '@id("ask") permit (principal, action in [Action::"run", Action::"release"], resource);'
        '@id("run") permit (principal, action == Action::"runUnattended", resource);'
    )
    assert sorted(site.settle()) == ["reported", "waiting_to_release"]
    rotate_key(site.folder)
    site.let(EVERYTHING)
    site.settle()
    assert len(federation.results()) == 2
    assert [each.state for each in federation.executions()].count("revoked") == 1


def test_a_revoked_key_is_worth_nothing_and_its_old_results_stay_valid(site, federation):
    number = federation.the_result().site_id
    federation.admin.sites.revoke_key(number, key_id(site), "stolen")
    assert verdict_of(federation).is_verified
    federation.add_model("Model B")
    with pytest.raises(UnauthenticatedError), site.opened() as opened:
        opened.client.executions.work()
    with pytest.raises(MedPerfError):
        rotate_key(site.folder)


def test_an_attempt_that_was_killed_goes_on(site, monkeypatch):
    former = key_id(site)

    def killed(*_):
        raise KeyboardInterrupt

    place = SiteFolder(site.folder)
    with monkeypatch.context() as patched:
        patched.setattr("pathlib.PosixPath.replace", killed)
        patched.setattr("medperf.site.key_rotation.own_key_file", _made)
        with pytest.raises(KeyboardInterrupt):
            rotate_key(site.folder)
    assert key_id(site) == former
    assert place.next_key.exists()
    found = rotate_key(site.folder)
    assert key_id(site) == found.keys[-1].key_id
    assert not place.next_key.exists()


def _made(path):
    key = PrivateKey.generate()
    path.touch(0o600)
    path.write_bytes(key.to_pem())
    return key


def test_the_key_does_not_change_under_a_running_agent(site):
    former = key_id(site)
    with site.running():
        wait_until(lambda: is_locked(SiteFolder(site.folder).lock))
        with pytest.raises(StoreLockedError):
            rotate_key(site.folder)
    assert key_id(site) == former
