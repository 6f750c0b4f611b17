"""Attacks of whoever holds the server: on its database, its log and its key."""

import json

import pytest
from sqlalchemy import text

from medperf.client.log_watch import size_of
from medperf.domain.errors import LogForkError, MedPerfError
from medperf.provenance.checkpoint import log_key


def change(world, sql, **given):
    database = world.database()
    with database.writing() as connection:
        connection.execute(text(sql), given)
    database.close()


def test_a_result_edited_in_the_database_is_not_what_is_proven(world):
    """Stopped by the site's signature: a bundle holds the signed statement, not the row."""
    result = world.federation.result(0.9)
    change(world, "UPDATE results SET document = replace(document, '0.9', '0.99')")
    [verified] = world.verdict(world.bundle(result)).results
    assert verified.statement.predicate.result["metrics"][0]["value"] == 0.9


def test_a_statement_edited_in_the_log_breaks_its_leaf(world):
    """Stopped by the leaf, which names the digest of the envelope."""
    result = world.federation.result()
    changed = "UPDATE log_leaves SET envelope = replace(envelope, :old, :new) WHERE subject = :s"
    statement = world.bundle(result).statements[-1].envelope
    old = statement.payload[:40]
    new = old[:-1] + ("A" if old[-1] != "A" else "B")
    change(world, changed, old=old, new=new, s=f"result:{result.id}")
    verdict = world.verdict(world.bundle(result))
    assert not verdict.results
    assert 2 in {finding.step for finding in verdict.failed}


def test_a_leaf_edited_in_the_database_breaks_its_proof(world):
    """Stopped by the Merkle tree: the proof no longer leads from the leaf to the signed root."""
    result = world.federation.result()
    change(
        world,
        "UPDATE log_leaves SET entry = replace(entry, '2026-03-01', '2026-03-02')"
        " WHERE subject = :s",
        s=f"result:{result.id}",
    )
    assert 2 in {finding.step for finding in world.verdict(world.bundle(result)).failed}


def test_a_server_put_back_to_an_old_backup_is_found_by_the_next_client(world):
    """Stopped by the checkpoint that every client keeps; both signed notes stay as evidence."""
    watch = world.watch()
    old = world.copy("old.sqlite")
    world.federation.result()
    seen = watch.demand(world.transport(None))
    world.serve(old)
    with pytest.raises(LogForkError):
        watch.demand(world.transport(None))
    [alarm] = watch.alarms
    kept = json.loads(alarm.read_text())
    assert kept["seen"] == seen
    assert kept["given"] != seen
    assert watch.seen == seen


def test_two_histories_for_two_visitors_are_found_when_either_sees_the_other(world):
    """Stopped by the consistency proof, which a server that forked its log cannot give."""
    watch = world.watch()
    fork = world.copy("fork.sqlite")
    world.federation.result(0.9)
    watch.demand(world.transport(None))
    world.serve(fork)
    world.federation.result(0.1)
    world.federation.organization("Filler")
    world.federation.site(world.federation.hospital, "South")
    world.federation.site(world.federation.hospital, "West")
    with pytest.raises(LogForkError):
        watch.demand(world.transport(None))


def test_dropping_a_bad_result_shows_to_the_site_that_holds_its_inclusion(world):
    """Stopped by the inclusion: the site has kept a checkpoint that contains its result."""
    watch = world.watch("site")
    without = world.copy("without.sqlite")
    watch.demand(world.transport(None))
    result = world.federation.result(0.1)
    from medperf.provenance.envelope import Envelope

    digest = Envelope.from_value(result.statement).digest
    watch.accept_inclusion(world.transport(None), result.inclusion, digest)
    world.serve(without)
    with pytest.raises(LogForkError):
        watch.demand(world.transport(None))


def test_a_server_does_not_sign_a_fork_by_accident(world, tmp_path):
    """Stopped by the checkpoint kept beside the database: an operator's mistake signs nothing."""
    signed_log = tmp_path / "log-checkpoint"
    old = world.copy("old.sqlite")
    world.federation.result()
    world.serve(world.file, signed_log)
    world.watch().demand(world.transport(None))
    world.serve(old, signed_log)
    with pytest.raises(LogForkError, match="earlier state"):
        world.transport(None).get("/api/v1/log/consistency", {"from": 0})


def test_a_inclusion_for_another_statement_is_refused(world):
    """Stopped by the site, which compares the leaf with the envelope that it signed."""
    result = world.federation.result()
    with pytest.raises(MedPerfError, match="another statement"):
        world.watch().accept_inclusion(
            world.transport(None), result.inclusion, "sha256:" + "0" * 64
        )


def test_a_checkpoint_signed_with_another_key_is_refused(world):
    """Stopped by the log's key, which was pinned at login and at enrollment."""
    from medperf.provenance.keys import PrivateKey

    watch = world.watch()
    world.key = PrivateKey.generate()
    world.serve(world.file)
    with pytest.raises(MedPerfError):
        watch.demand(world.transport(None))
    assert log_key(world.key.public) != world.log_key


class Meanwhile:
    """A connection on whose answer something else happens before it is looked at, once."""

    def __init__(self, transport, happen):
        self._transport, self._happen = transport, happen

    def get(self, *asked):
        answer = self._transport.get(*asked)
        happen, self._happen = self._happen, lambda: None
        happen()
        return answer


def test_what_another_process_of_the_same_people_sees_meanwhile_is_no_fork(world):
    """An agent and its people's commands share what was seen; each asked before the other kept."""
    world.watch().demand(world.transport(None))
    world.federation.organization("Grown")
    world.federation.model(world.federation.vera, "Grown")
    world.federation.site(world.federation.hospital, "South")

    def another():
        world.federation.site(world.federation.hospital, "East")
        world.watch().demand(world.transport(None))

    watch = world.watch()
    note = watch.demand(Meanwhile(world.transport(None), another))
    assert note == watch.seen == world.watch().demand(world.transport(None))
    assert not watch.alarms


def test_an_older_checkpoint_that_is_accepted_late_takes_nothing_back(world):
    watch = world.watch()
    shown = watch.demand(world.transport(None))
    world.federation.site(world.federation.hospital, "South")

    def another():
        world.federation.site(world.federation.hospital, "East")
        world.watch().demand(world.transport(None))

    later = world.watch("other").demand(world.transport(None))
    watch.accept_checkpoint(Meanwhile(world.transport(None), another), later)
    assert size_of(shown) < size_of(later) < size_of(watch.seen)
    assert not watch.alarms
