"""Reads from the table answer as the framework does, which answers whatever is not in it."""

import pytest
from server_fixtures import Federation
from starlette.testclient import TestClient

from medperf.server.app import ROUTERS
from medperf.server.db import view_queries
from medperf.server.routing import NounRouter


def test_the_table_has_every_list_and_everything_with_a_number() -> None:
    direct = {path for each in ROUTERS if isinstance(each, NounRouter) for path in each.direct}
    assert {"/datasets", "/datasets/{number}", "/results", "/results/{number}"} <= direct
    assert not any(path.endswith(("/bundle", "/leaderboard")) for path in direct)


def test_the_framework_gives_the_same_answer(federation: Federation, http: TestClient) -> None:
    # The table does not know a number with a leading zero.
    number = federation.hospital.id
    given = federation.cara.headers
    direct = http.get(f"/api/v1/organizations/{number}", headers=given)
    by_framework = http.get(f"/api/v1/organizations/0{number}", headers=given)
    assert direct.status_code == 200
    assert direct.content == by_framework.content
    assert direct.headers == by_framework.headers


@pytest.mark.parametrize("number", ["0", "-1", "x", "1.5", "٣", "9" * 18, "9" * 19, "9" * 40])
def test_a_number_that_is_none_is_told_so(
    federation: Federation, http: TestClient, number: str
) -> None:
    answer = http.get(f"/api/v1/datasets/{number}", headers=federation.cara.headers)
    assert (answer.status_code, answer.json()["code"]) in {
        (400, "invalid-request"),
        (404, "not-found"),
    }


def test_other_methods_are_answered_by_the_framework(
    federation: Federation, http: TestClient
) -> None:
    answer = http.delete("/api/v1/datasets/1", headers=federation.cara.headers)
    assert answer.status_code == 405


def test_a_read_that_breaks_is_one_clear_error(
    federation: Federation, http: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_given: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(view_queries, "one", broken)
    answer = http.get("/api/v1/datasets/1", headers=federation.cara.headers)
    assert (answer.status_code, answer.json()["code"]) == (500, "error")


def test_requests_are_counted_by_the_template_of_their_path(
    federation: Federation, http: TestClient
) -> None:
    http.get("/api/v1/datasets/12345", headers=federation.cara.headers)
    told = http.get("/metrics").text
    assert 'route="/api/v1/datasets/{number}"' in told
    assert "12345" not in told
