"""The log holds every statement and decision, and what rests on it verifies offline."""

import json
from base64 import b64decode

import pytest
from sqlalchemy import func, select

from medperf.domain.errors import NotFoundError
from medperf.domain.executions import Failure
from medperf.provenance.bundle import Bundle
from medperf.provenance.checkpoint import read_checkpoint
from medperf.provenance.envelope import Envelope
from medperf.provenance.log_entry import LogEntry
from medperf.provenance.merkle import leaf_hash, root_of, verify_consistency, verify_inclusion
from medperf.provenance.notes import NoteKey
from medperf.provenance.tiles import read_entries, tiles_of
from medperf.provenance.verify import verify_bundle
from medperf.server.db.tables import log_leaves

BASE = "/api/v1"


@pytest.fixture
def log_key(federation):
    return NoteKey.from_text(federation.anybody.info().log_key)


@pytest.fixture
def checkpoint(http, log_key):
    return lambda: read_checkpoint(http.get(f"{BASE}/log/checkpoint").text, log_key)


@pytest.fixture
def entries(http, checkpoint):
    def read():
        size, found = checkpoint().size, []
        for first in range(0, size, 256):
            width = min(256, size - first)
            part = "" if width == 256 else f".p/{width}"
            path = f"{BASE}/log/tile/entries/{first // 256:03}{part}"
            found += read_entries(http.get(path).content)
        return found

    return read


def bundle_of(http, headers, path):
    answer = http.get(f"{BASE}/{path}/bundle", headers=headers)
    assert answer.status_code == 200, answer.text
    return Bundle.from_bytes(answer.content)


def test_a_result_is_proven_from_its_bundle_alone(federation, http, as_json, log_key):
    result = federation.result()
    federation.cara.client.results.act(result.id, "approve")
    bundle = bundle_of(http, as_json(federation.cara), f"results/{result.id}")
    verdict = verify_bundle(bundle, log_key)
    missing = [(each.step, each.detail) for each in verdict.missing]
    # The test's site names nobody who released it.
    assert missing == [(10, "neither a person nor a policy is named that released it")]
    assert not verdict.failed
    [verified] = verdict.results
    assert [each.name for each in verified.approvals] == ["Ada", "Cara", "Cara"]


def test_the_answer_to_a_result_proves_that_it_is_logged(federation, log_key):
    result = federation.result()
    inclusion = result.inclusion
    checkpoint = read_checkpoint(inclusion.checkpoint, log_key)
    proof = [b64decode(step) for step in inclusion.proof]
    leaf = inclusion.leaf.encode()
    verify_inclusion(leaf_hash(leaf), inclusion.index, checkpoint.size, proof, checkpoint.root)
    assert LogEntry.from_bytes(leaf).kind == "result"


def test_a_result_is_about_its_grant(federation, entries):
    federation.result()
    read = [LogEntry.from_bytes(each) for each in entries()]
    [result] = [each for each in read if each.kind == "result"]
    assert result.about_digest is not None
    assert [each.kind for each in read].count("grant") == 1


def test_the_files_of_the_log_give_its_root(federation, http, checkpoint, entries):
    federation.result()
    seen = checkpoint()
    assert root_of(leaf_hash(each) for each in entries()) == seen.root
    for tile in tiles_of(seen.size):
        answer = http.get(f"{BASE}/log/{tile.path}")
        assert len(answer.content) == 32 * tile.width
        assert "immutable" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("path", ["tile/0/999", "tile/0/000.p/255", "tile/entries/x/1", "tile/9"])
def test_what_the_log_does_not_have_is_not_found(federation, http, path):
    assert http.get(f"{BASE}/log/{path}").json()["code"] == "not-found"


def test_the_log_proves_that_it_only_grew(federation, http, checkpoint):
    before = checkpoint()
    federation.result()
    after = checkpoint()
    answer = http.get(f"{BASE}/log/consistency?from={before.size}").json()
    proof = [b64decode(step) for step in answer["proof"]]
    assert after.size > before.size
    verify_consistency(before.size, before.root, after.size, after.root, proof)


def test_a_proof_from_a_size_never_reached_is_refused(http, checkpoint):
    answer = http.get(f"{BASE}/log/consistency?from={checkpoint().size + 1}")
    assert answer.status_code == 400


def test_a_refused_request_leaves_no_leaf(federation, checkpoint):
    answer = federation.grant()
    before = checkpoint().size
    form = federation.result_form(federation.north, answer, grant_id=answer.execution.id + 1)
    with pytest.raises(NotFoundError):
        federation.north.client.results.submit(form)
    assert checkpoint().size == before


def test_the_log_is_as_long_as_its_numbers_say(federation, database):
    federation.result()
    with database.reading() as connection:
        count, last = connection.execute(
            select(func.count(), func.max(log_leaves.c.leaf)).select_from(log_leaves)
        ).one()
    assert count == last + 1


def test_a_failed_execution_answers_its_grant(federation, entries):
    answer = federation.grant()
    execution, grant = answer.execution, Envelope.from_value(answer.grant)
    federation.north.client.executions.fail(
        execution.id, Failure(code="out-of-memory", step="infer")
    )
    read = [LogEntry.from_bytes(each) for each in entries()]
    [end] = [each for each in read if each.kind == "decision" and each.about_digest]
    assert end.about_digest == grant.payload_digest


def test_only_who_may_see_a_result_gets_its_bundle(federation, http, as_json):
    result = federation.result()
    answer = http.get(f"{BASE}/results/{result.id}/bundle", headers=as_json(federation.olga))
    assert answer.json()["code"] == "not-found"


def test_a_benchmarks_bundle_holds_its_leaderboard(federation, http, as_json, log_key):
    result = federation.result(0.8)
    federation.cara.client.results.act(result.id, "approve")
    path = f"{BASE}/benchmarks/{federation.benchmark_record.id}/bundle"
    answer = http.get(path, headers=as_json(federation.cara))
    [row] = json.loads(answer.content)["leaderboard"]["rows"]
    assert row["cells"][0]["value"] == 0.8
    assert len(verify_bundle(Bundle.from_bytes(answer.content), log_key).results) == 1
