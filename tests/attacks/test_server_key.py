"""Attacks with the server's own key: of a thief who has it, and of one who had it."""

import json
from contextlib import contextmanager

import pytest

from medperf.client.log_watch import LogWatch
from medperf.domain.errors import (
    LogForkError,
    LogKeyRevokedError,
    NotFoundError,
    SignatureError,
    UnavailableError,
)
from medperf.provenance.bundle import Bundle
from medperf.provenance.checkpoint import Checkpoint, sign_checkpoint
from medperf.provenance.envelope import Envelope, sign
from medperf.provenance.keys import PrivateKey
from medperf.provenance.notes import NoteKey
from medperf.provenance.predicates import ExecutionInputs, GrantPredicate, SuccessionPredicate
from medperf.provenance.statements import make_statement, read_statement
from medperf.provenance.succession import sign_succession
from medperf.provenance.verify import verify_bundle
from medperf.server import succession
from medperf.server.operations import keys_here, write_secret
from medperf.server.settings import KEY_FILE, ServerSettings
from medperf.site.grants import GrantVerifier


@pytest.fixture
def folder(world, tmp_path):
    """The folder of the operator of this world's server."""
    place = tmp_path / "operator"
    place.mkdir()
    ServerSettings(name="Test", database_url=f"sqlite:///{world.file}").save(place)
    write_secret(place / KEY_FILE, world.key.to_pem())
    return place


@pytest.fixture
def rotated(world, folder):
    """A world whose key was rotated: its old key is in the hands of a thief."""
    world.watch().demand(world.transport(None))
    succession.rotate(folder, clock=world.clock)
    serve_with(world, folder)
    return world


def grow(world, name):
    """One more leaf: a site comes in."""
    world.federation.site(world.federation.hospital, name)


def serve_with(world, folder):
    [world.next_key] = keys_here(folder)
    world.thief = world.key
    world.key = world.next_key
    world.serve(world.file)


@contextmanager
def served_by_thief(world, file):
    """The thief answers with the old key, from a copy of the database made before."""
    world.key = world.thief
    world.serve(file)
    yield
    world.key = world.next_key
    world.serve(world.file)


def test_a_thief_of_the_old_key_cannot_fork_the_log_for_who_followed(world, folder):
    """Stopped by the succession: for that many leaves only the next key signs checkpoints."""
    watch = world.watch()
    watch.demand(world.transport(None))
    old = world.copy("old.sqlite")
    succession.rotate(folder, clock=world.clock)
    serve_with(world, folder)
    seen = watch.demand(world.transport(None))
    with served_by_thief(world, old):
        grow(world, "South")
        grow(world, "West")
        with pytest.raises((SignatureError, LogForkError)):
            watch.demand(world.transport(None))
    assert watch.seen == seen
    assert watch.demand(world.transport(None)) == seen


def test_a_thief_s_fork_is_shown_to_who_had_not_heard_of_the_rotation(world, folder):
    """Shown by the checkpoint that was kept: the log of the next key does not continue the fork."""
    watch = world.watch()
    old = world.copy("old.sqlite")
    succession.rotate(folder, clock=world.clock)
    serve_with(world, folder)
    with served_by_thief(world, old):
        grow(world, "South")
        watch.demand(world.transport(None))
    grow(world, "West")
    with pytest.raises(LogForkError):
        watch.demand(world.transport(None))
    [alarm] = watch.alarms
    assert json.loads(alarm.read_text())["seen"] == watch.seen


def answer_of(world, said, *signers):
    """What a server would answer about its keys that appended this succession to its log."""
    world.federation.organization("One more leaf")
    envelope = sign(make_statement(said.subjects(), said), signers)
    answer = world.transport(None).get("/api/v1/log/keys", {"from": 0})
    leaf = {"leaf": '{"kind":"succession"}', "index": 1, "proof": []}
    answer["statements"] = [{"envelope": envelope.to_value(), "log": leaf}]
    return answer


def forged(world, **changes):
    thief = PrivateKey.generate()
    said = SuccessionPredicate(
        log=world.log_key.name,
        former_key=world.key.public.to_text(),
        public_key=thief.public.to_text(),
        cause="rotated",
        at=world.clock(),
    )
    return said.model_copy(update=changes), thief


def test_a_succession_that_the_old_key_did_not_sign_is_not_followed(world):
    """Stopped by the signature of the key that is followed, which a forger does not have."""
    world.federation.result()
    watch = world.watch()
    seen = watch.demand(world.transport(None))
    said, thief = forged(world)
    with pytest.raises(SignatureError, match="must be"):
        watch.learn(answer_of(world, said, thief))
    assert (watch.seen, watch.keys.current) == (seen, world.log_key)


def test_a_forged_revocation_leads_nobody_to_the_forger(world):
    """Stopped by the person who has to name the next key: the program only says what it was told."""
    watch = world.watch()
    said, thief = forged(world, cause="revoked")
    with pytest.raises(LogKeyRevokedError):
        watch.learn(answer_of(world, said, thief))
    assert watch.keys.current == world.log_key


def test_a_succession_that_is_no_leaf_of_the_log_is_not_followed(world):
    """Stopped by the inclusion proof: a succession is believed at its place in the log only."""
    watch = world.watch()
    said, thief = forged(world)
    answer = answer_of(world, said, world.key, thief)
    answer["checkpoint"] = sign_checkpoint(Checkpoint(world.log_key.name, 9, bytes(32)), thief)
    with pytest.raises(Exception, match=r"proof|leaf|root"):
        watch.learn(answer)
    assert watch.keys.current == world.log_key


def test_a_bundle_whose_checkpoint_the_old_key_signed_afterwards_is_refused(rotated):
    """Stopped by step 1: after its succession, the old key signs no checkpoint."""
    result = rotated.federation.result(0.7)
    bundle = rotated.bundle(result)
    checkpoint = Checkpoint.from_text(bundle.checkpoint.partition("\n\n")[0] + "\n")
    fake = bundle.model_copy(update={"checkpoint": sign_checkpoint(checkpoint, rotated.thief)})
    for key in (rotated.log_key, NoteKey(rotated.log_key.name, rotated.key.public)):
        verdict = verify_bundle(fake, key)
        assert {each.step for each in verdict.failed} == {1}
        assert not verdict.results
        assert verify_bundle(bundle, key).results


def test_a_grant_of_the_old_key_is_worth_nothing_after_the_rotation(rotated, tmp_path):
    """Stopped by the site: the log has no leaf that shows the grant was signed in time."""
    true = Envelope.from_value(rotated.federation.grant().grant)
    said = read_statement(true.content, GrantPredicate).predicate
    late = said.model_copy(update={"nonce": "x" * 32})
    watch = LogWatch(tmp_path / "site", rotated.log_key.to_text())
    verifier = GrantVerifier(
        watch, rotated.transport(None), said.site_id, said.site_key_id, rotated.clock
    )
    inputs = ExecutionInputs.model_validate(said.model_dump())
    assert verifier.verify(true, inputs).predicate == said
    stolen = sign(make_statement(late.subjects(), late), rotated.thief)
    with pytest.raises(NotFoundError):
        verifier.verify(stolen, inputs)


def test_a_server_that_lost_its_next_key_signs_nothing_with_the_old_one(world, folder):
    """Stopped by the server: who signs looks at the log first, and says which key it lacks."""
    old_key = (folder / KEY_FILE).read_bytes()
    succession.rotate(folder, clock=world.clock)
    assert (folder / KEY_FILE).read_bytes() != old_key
    with pytest.raises(UnavailableError, match="lacks it"):
        grow(world, "South")
    answer = world.http.get("/readyz")
    assert answer.status_code == 503


def test_an_old_succession_cannot_be_used_for_another_log(world, folder):
    """Stopped by the log's name, which every succession bears."""
    other = PrivateKey.generate()
    said, _ = forged(world, log="medperf-log-0000", public_key=other.public.to_text())
    envelope = sign_succession(said, other, world.key)
    bundle = world.bundle(world.federation.result())
    first = bundle.statements[0]
    leaf = first.log.model_copy(update={"leaf": '{"kind":"succession"}'})
    moved = first.model_copy(update={"envelope": envelope, "log": leaf})
    given = Bundle(checkpoint=bundle.checkpoint, statements=(moved, *bundle.statements))
    assert {each.step for each in verify_bundle(given, world.log_key).failed} >= {1}
