"""Each method names its route and answers with its record."""

import json

import pytest

from medperf.client.api import ServerClient
from medperf.domain.people import OrganizationForm

ORGANIZATION = {"id": 1, "name": "Hospital A", "created_at": "2026-01-01T00:00:00Z", "new": "field"}


@pytest.fixture
def client(server):
    connection = ServerClient(server.url, sleep=lambda _: None)
    yield connection
    connection.close()


def test_a_form_goes_in_and_a_record_comes_out(server, client, answer):
    server.says(answer(status=201, body=ORGANIZATION))
    assert client.organizations.register(OrganizationForm(name="Hospital A")).id == 1
    assert (server.asked[0].method, server.asked[0].target) == ("POST", "/api/v1/organizations")
    assert json.loads(server.asked[0].body) == {"name": "Hospital A"}


def test_a_list_is_read_as_records(server, client, answer):
    server.says(answer(body={"items": [ORGANIZATION], "next_cursor": None}))
    assert [one.name for one in client.organizations.list()] == ["Hospital A"]


def test_an_act_is_a_post_with_its_reason(server, client, answer):
    server.says(answer(body=ORGANIZATION))
    client.organizations.act(1, "withdraw", "closed")
    assert server.asked[0].target == "/api/v1/organizations/1/withdraw"
    assert json.loads(server.asked[0].body) == {"reason": "closed"}


def test_waiting_for_work_waits_longer_than_the_server_does(server, client, answer):
    server.says(answer(body={"version": 4, "items": []}))
    assert client.executions.work(after=3, wait_s=25).version == 4
    assert server.asked[0].target == "/api/v1/work?after=3&wait_s=25"
