"""One statement for who asks and what they see answers as two statements would."""

import json
from collections.abc import Iterator
from datetime import timedelta

import orjson
import pytest
from server_fixtures import Federation, SettableClock
from sqlalchemy import Connection
from starlette.testclient import TestClient

from medperf.domain.errors import NotFoundError, UnauthenticatedError
from medperf.domain.identifiers import format_time
from medperf.server.agreements.queries import AGREEMENTS
from medperf.server.ai_models.queries import MODELS
from medperf.server.associations.queries import ASSOCIATIONS
from medperf.server.audit.queries import AUDIT_EVENTS
from medperf.server.benchmarks.queries import BENCHMARKS
from medperf.server.containers.queries import CONTAINERS
from medperf.server.datasets.queries import DATASETS
from medperf.server.db import view_queries
from medperf.server.db.bearer_queries import Bearer, person
from medperf.server.db.prepared import Prepared
from medperf.server.db.queries import View
from medperf.server.db.session import Database
from medperf.server.executions.queries import EXECUTIONS
from medperf.server.identity import digest_of_secret
from medperf.server.people.queries import ACCESS_TOKENS, INVITATIONS, ORGANIZATIONS, USERS
from medperf.server.results.queries import RESULTS
from medperf.server.sites.queries import SITES

VIEWS = [
    ACCESS_TOKENS, AGREEMENTS, ASSOCIATIONS, AUDIT_EVENTS, BENCHMARKS, CONTAINERS, DATASETS,
    EXECUTIONS, INVITATIONS, MODELS, ORGANIZATIONS, RESULTS, SITES, USERS,
]  # fmt: skip
PEOPLE = ["admin", "cara", "hana", "vera"]


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.reading() as connection:
        yield connection


def bearer_of(federation: Federation, who: str, clock: SettableClock) -> Bearer:
    secret = getattr(federation, who).headers["Authorization"].removeprefix("Bearer ")
    return Bearer(digest_of_secret(secret), format_time(clock()))


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.noun)
@pytest.mark.parametrize("who", PEOPLE)
def test_a_bearer_sees_what_the_person_sees(
    federation: Federation, database: Database, clock: SettableClock, view: View, who: str
) -> None:
    federation.result()
    bearer = bearer_of(federation, who, clock)
    with database.reading() as connection:
        caller = person(connection, bearer)
        for asked in ({}, {"limit": "1"}, {"limit": "2", "cursor": "Mg"}, {"newest": "true"}):
            pages = [view_queries.page(view, connection, one, asked) for one in (caller, bearer)]
            assert orjson.dumps(pages[0]) == orjson.dumps(pages[1])
        for number in range(1, 8):
            assert _one(view, connection, caller, number) == _one(view, connection, bearer, number)


def _one(view: View, connection: Connection, who, number: int) -> bytes | None:
    try:
        return orjson.dumps(view_queries.one(view, connection, who, number))
    except NotFoundError:
        return None


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.noun)
def test_a_view_says_what_a_service_reads(
    federation: Federation, connection: Connection, clock: SettableClock, view: View
) -> None:
    caller = person(connection, bearer_of(federation, "admin", clock))
    items = view_queries.page(view, connection, caller, {})["items"]
    for item in items:
        seen = view_queries.one(view, connection, caller, item["id"])
        assert json.loads(orjson.dumps(seen)) == view.one(connection, caller, item["id"])


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.noun)
def test_a_token_of_nobody_sees_nothing(
    federation: Federation, connection: Connection, clock: SettableClock, view: View
) -> None:
    nobody = Bearer("0" * 64, format_time(clock()))
    with pytest.raises(UnauthenticatedError, match="unknown, expired or revoked"):
        view_queries.page(view, connection, nobody, {})
    with pytest.raises(UnauthenticatedError, match="unknown, expired or revoked"):
        view_queries.one(view, connection, nobody, 1)


@pytest.mark.parametrize("asked", ["colour=red", "limit=x", "cursor=!", "state=odd"])
def test_a_token_of_nobody_is_told_so_before_anything_else(
    federation: Federation, http: TestClient, asked: str
) -> None:
    codes = []
    for secret in ("nobodys", federation.cara.headers["Authorization"].removeprefix("Bearer ")):
        given = {"Authorization": f"Bearer {secret}"}
        codes.append(http.get(f"/api/v1/datasets?{asked}", headers=given).status_code)
    assert codes == [401, 400]


def test_a_token_is_good_until_it_expires(
    federation: Federation, http: TestClient, clock: SettableClock
) -> None:
    given = federation.cara.headers
    assert http.get("/api/v1/datasets", headers=given).status_code == 200
    clock.now += timedelta(days=4000)
    for path in ("datasets", "datasets/1", "me"):
        answer = http.get(f"/api/v1/{path}", headers=given)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize("path", ["models", "models/1", "results", "results/1"])
def test_who_asks_and_what_they_see_are_one_statement(
    federation: Federation, http: TestClient, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    federation.result()
    statements = []
    to_the_driver = Prepared.all

    def noted(*given):
        statements.append(given)
        return to_the_driver(*given)

    monkeypatch.setattr(Prepared, "all", noted)
    assert http.get(f"/api/v1/{path}", headers=federation.cara.headers).status_code == 200
    assert len(statements) == 1
