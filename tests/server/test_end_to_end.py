"""The real client against the real server on a real port: they agree on everything they say."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from server_fixtures import RunningServer, running

from medperf.domain.benchmarks import ReleasePolicy
from medperf.domain.people import Principal
from medperf.provenance.envelope import Envelope, verify
from medperf.provenance.keys import PublicKey
from medperf.server.executions.waiting import write_down

NOUNS = [
    "organizations",
    "users",
    "sites",
    "invitations",
    "access_tokens",
    "containers",
    "models",
    "benchmarks",
    "datasets",
    "associations",
    "executions",
    "results",
    "audit_events",
]


@pytest.fixture
def server(databases) -> Iterator[RunningServer]:
    with running(databases.empty()) as server:
        yield server


def test_a_benchmark_runs_from_invitation_to_leaderboard(server: RunningServer) -> None:
    federation = server.federation.build(release_policy=ReleasePolicy(audience="public"))
    info = federation.anybody.info()
    granted = federation.grant()
    key = PublicKey.from_text(info.public_key)
    verify(Envelope.model_validate(granted.grant), {info.key_id: key})
    result = federation.result(0.8)
    federation.cara.client.results.act(result.id, "approve", "checked")

    [row] = federation.hana.client.benchmarks.leaderboard(federation.benchmark_record.id).rows
    assert (row.rank, row.model, row.cells[0].value, row.cells[0].n) == (1, "Net", 0.8, 20)
    for actor in (federation.admin, federation.cara, federation.vera, federation.north):
        assert isinstance(actor.client.me(), Principal)
        for noun in NOUNS:
            shelf = getattr(actor.client, noun)
            for item in list(shelf.list()):
                assert shelf.get(item.id).id == item.id


def test_an_agent_that_waits_hears_of_an_approval(server: RunningServer) -> None:
    federation = server.federation.build()
    model = federation.model(federation.vera, "Second")
    asked = federation.ask(federation.vera, federation.benchmark_record, model)
    before = federation.north.client.executions.work()
    heard = []
    waiting = threading.Thread(
        target=lambda: heard.append(
            federation.north.client.executions.work(after=before.version, wait_s=120)
        )
    )
    waiting.start()
    while not len(server.app.state.waiters):
        time.sleep(0.01)
    federation.cara.client.associations.act(asked.id, "approve")
    waiting.join(120)
    [work] = heard
    assert work.version > before.version
    assert model.id in {item.model_id for item in work.items}


def test_waiting_ends_with_the_time_asked_for(server: RunningServer) -> None:
    federation = server.federation.build()
    before = federation.north.client.executions.work()
    after = federation.north.client.executions.work(after=before.version, wait_s=0.05)
    assert after == before


def test_a_server_that_stops_answers_those_who_wait(server: RunningServer) -> None:
    federation = server.federation.build()
    before = federation.north.client.executions.work()
    heard = []
    waiting = threading.Thread(
        target=lambda: heard.append(
            federation.north.client.executions.work(after=before.version, wait_s=120)
        )
    )
    waiting.start()
    while not len(server.app.state.waiters):
        time.sleep(0.01)
    server.app.state.waiters.close()
    waiting.join(120)
    assert heard == [before]


def test_a_site_is_seen_when_it_asks_for_work(server: RunningServer) -> None:
    federation = server.federation.build()
    federation.north.client.executions.work()
    write_down(server.app.state.program, server.app.state.waiters.take_seen())
    assert federation.hana.client.sites.get(federation.north.record.id).last_seen_at is not None
    assert federation.vera.client.sites.get(federation.north.record.id).last_seen_at is None


def test_a_body_sent_in_pieces_is_limited_too(server: RunningServer) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=120) as connection:
        connection.sendall(
            b"POST /api/v1/invitations/redeem HTTP/1.1\r\nHost: x\r\n"
            b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        # It may stop listening before all is sent, which is the point.
        with suppress(OSError):
            for _ in range(400):
                connection.sendall(piece)
        answer = connection.recv(65536)
    assert b" 413 " in answer.splitlines()[0]


def test_two_servers_in_one_process_do_not_mix(databases) -> None:
    with running(databases.empty()) as one, running(databases.empty()) as other:
        one.federation.organization("Only here")
        names = {each.name for each in other.federation.admin.client.organizations.list()}
        assert names == {"Operator"}
