"""The server's own key is replaced: what was signed stays, everybody follows, or says why not."""

import pytest
from federation.federation import ASK_TO_RELEASE, ServerThread
from federation.hospital_site import wait_until

from medperf.cli.dossiers import gather
from medperf.domain.errors import LogKeyRevokedError, SignatureError
from medperf.provenance.bundle import Bundle
from medperf.provenance.keys import PrivateKey
from medperf.provenance.notes import NoteKey
from medperf.provenance.verify import verify_bundle
from medperf.server import succession
from medperf.site.trust import trust_log_key


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server of their own, whose key these tests replace again and again."""
    running = ServerThread(tmp_path_factory.mktemp("own-server"))
    yield running
    running.close()


@pytest.fixture
def site(federation):
    federation.add_model("Model A")
    made = federation.add_site("Hospital One")
    assert made.settle() == ["reported"]
    return made


def verdict_of(federation, key):
    result = federation.the_result()
    found = federation.committee.results.bundle(result.id).model_dump(mode="json")
    return verify_bundle(Bundle.model_validate(found), key)


def test_a_result_from_before_is_proven_with_the_old_and_with_the_new_key(site, federation):
    old = NoteKey.from_text(federation.committee.info().log_key)
    former, current = succession.rotate(federation.server.folder)[-2:]
    assert former.key == old
    assert federation.committee.info().log_key == current.key.to_text()
    for key in (old, current.key):
        verdict = verdict_of(federation, key)
        assert verdict.is_verified, (verdict.failed, verdict.missing)


def test_a_site_goes_on_under_the_next_key_without_anybody(site, federation):
    for name in ("Model B", "Model C"):
        keys = succession.rotate(federation.server.folder)
        federation.add_model(name)
        assert set(site.settle()) == {"reported"}
    assert len(federation.results()) == 3
    with site.opened() as opened:
        assert opened.log_watch.keys.current == keys[-1].key
        assert not opened.log_watch.alarms


def test_a_running_agent_follows(site, federation):
    with site.running():
        succession.rotate(federation.server.folder)
        federation.add_model("Model B")
        wait_until(lambda: len(federation.results()) == 2)


def test_a_grant_from_before_is_used_afterwards(site, federation):
    site.let(ASK_TO_RELEASE)
    federation.add_model("Model B")
    assert sorted(site.settle()) == ["reported", "waiting_to_release"]
    succession.rotate(federation.server.folder)
    with site.opened() as opened:
        [item] = opened.review.inbox()
        opened.review.approve(item.number, opened.person(), digest=item.digest)
    assert sorted(site.settle()) == ["reported", "reported"]
    assert [each.state for each in federation.executions()] == ["completed", "completed"]


def test_a_grant_that_is_first_seen_under_the_next_key_holds_by_its_place_in_the_log(
    site, federation, monkeypatch
):
    federation.add_model("Model B")
    with site.opened() as opened:
        ask = opened.client.executions.request_grants

        def and_hear_of_the_next_key(pairs):
            answers = ask(pairs)
            succession.rotate(federation.server.folder)
            opened.log_watch.demand(opened.client.transport)
            return answers

        monkeypatch.setattr(opened.client.executions, "request_grants", and_hear_of_the_next_key)
        opened.agent().settle()
    assert len(federation.results()) == 2


def test_the_command_line_follows_a_rotation(site, federation, medperf, tmp_path):
    old = medperf("log", "key")["log_key"]
    medperf("log", "check")
    keys = medperf("server", "key", "rotate", "--folder", federation.server.folder, "--yes")["keys"]
    former, current = keys[-2:]
    assert [former["is_here"], current["is_here"]] == [False, True]
    assert medperf("log", "check")["size"] == former["last_leaf"] + 1
    assert medperf("log", "key")["log_key"] == current["log_key"] != old
    assert medperf("log", "monitor", "--once")["key_changes"][-1] == former["last_leaf"]
    shown = medperf("server", "key", "show", "--folder", federation.server.folder)
    assert shown == keys
    board = tmp_path / "board.json"
    medperf("benchmark", "bundle", federation.benchmark.id, "--out", board)
    for words in ([], ["--log-key", old], ["--log-key", current["log_key"]]):
        assert medperf("verify", board, *words)["is_verified"]


def test_an_evidence_pack_holds_the_next_key_and_all_that_leads_to_it(site, federation, medperf):
    keys = medperf("server", "key", "rotate", "--folder", federation.server.folder, "--yes")["keys"]
    proof = gather(str(federation.benchmark.id)).proof
    assert proof.log_key == keys[-1]["log_key"]
    assert not proof.verdict.failed
    former = verify_bundle(Bundle.from_bytes(proof.bundle), NoteKey.from_text(keys[-2]["log_key"]))
    assert not former.failed
    assert former.results


def test_nobody_is_led_to_a_key_that_follows_a_revoked_one(site, federation, medperf, tmp_path):
    folder = federation.server.folder
    old = medperf("log", "key")["log_key"]
    medperf("log", "check")
    board = tmp_path / "before.json"
    medperf("benchmark", "bundle", federation.benchmark.id, "--out", board)
    keys = medperf("server", "key", "revoke", "--folder", folder, "--reason", "stolen", "--yes")
    new = keys["keys"][-1]["log_key"]
    assert medperf("log", "check", status=7)["code"] == "log-key-revoked"
    with pytest.raises(LogKeyRevokedError):
        site.settle()
    # A person compared the new key with the operator.
    medperf("log", "trust", new, "--yes")
    assert medperf("log", "key")["log_key"] == new
    medperf("log", "check")
    trust_log_key(site.folder, new)
    federation.add_model("Model B")
    assert site.settle() == ["reported", "reported"]
    # What was logged before stays valid, in a bundle that is made now; the old bundle proves nothing.
    medperf("verify", board, status=7)
    medperf("benchmark", "bundle", federation.benchmark.id, "--out", tmp_path / "after.json")
    assert medperf("verify", tmp_path / "after.json")["is_verified"]
    medperf("verify", tmp_path / "after.json", "--log-key", old, status=7)


def test_only_the_key_that_signs_this_log_can_be_trusted(site, federation, medperf):
    old = medperf("log", "key")["log_key"]
    keys = succession.revoke(federation.server.folder, "stolen")
    other = NoteKey(keys[0].key.name, PrivateKey.generate().public).to_text()
    assert medperf("log", "trust", other, "--yes", status=7)["code"] == "signature"
    renamed = NoteKey("medperf-log-other", keys[-1].key.public).to_text()
    assert medperf("log", "trust", renamed, "--yes", status=2)["code"] == "invalid-request"
    with pytest.raises(SignatureError):
        trust_log_key(site.folder, other)
    assert medperf("log", "key")["log_key"] == old


def test_a_site_and_a_login_that_come_in_later_trust_the_key_of_then(site, federation, medperf):
    current = succession.rotate(federation.server.folder)[-1].key.to_text()
    newcomer = federation.add_site("Hospital Two")
    with newcomer.opened() as opened:
        assert opened.settings.log_key == current
    assert newcomer.settle() == ["reported"]
