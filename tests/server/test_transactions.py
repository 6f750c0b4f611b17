"""One call, one transaction, and its commit comes before the first byte of the answer."""

import sqlite3
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest
from server_fixtures import Federation, PersonActor
from sqlalchemy import event
from starlette.testclient import TestClient

from medperf.domain.errors import DuplicateError, UnavailableError
from medperf.domain.people import OrganizationForm
from medperf.server.db.queries import rows
from medperf.server.db.session import Database
from medperf.server.db.tables import audit_events, organizations


def _headers(person: PersonActor) -> dict[str, str]:
    return {"Authorization": f"Bearer {person.secret}"}


def _names(database: Database) -> set[str]:
    with database.reading() as connection:
        return {row["name"] for row in rows(connection, organizations)}


@contextmanager
def _failing_commit(database: Database):
    def refuse(_connection: object) -> None:
        raise RuntimeError("the disk is gone")

    event.listen(database.engine, "commit", refuse)
    yield
    event.remove(database.engine, "commit", refuse)


def test_the_commit_is_done_before_the_answer_starts(
    federation: Federation, template, database: Database
) -> None:
    """At the moment the answer starts, another connection sees what was written."""
    seen = []

    async def watching(scope, receive, send):
        async def watched(message):
            if message["type"] == "http.response.start":
                seen.append("Early" in _names(database))
            await send(message)

        await template.app(scope, receive, watched)

    client = TestClient(watching)
    client.portal = template.http.portal
    answer = client.post(
        "/api/v1/organizations", json={"name": "Early"}, headers=_headers(federation.admin)
    )
    assert (answer.status_code, seen) == (201, [True])


def test_a_failing_commit_is_a_500_and_nothing_was_sent_before(
    federation: Federation, http: TestClient, database: Database
) -> None:
    with _failing_commit(database):
        answer = http.post(
            "/api/v1/organizations", json={"name": "Lost"}, headers=_headers(federation.admin)
        )
    assert answer.status_code == 500
    assert answer.json()["code"] == "error"
    assert "disk" not in answer.text
    assert "Lost" not in _names(database)


def test_after_a_failing_commit_the_next_call_works(
    federation: Federation, http: TestClient, database: Database
) -> None:
    for _ in range(12):  # more often than there are connections
        with _failing_commit(database):
            http.post(
                "/api/v1/organizations", json={"name": "X"}, headers=_headers(federation.admin)
            )
    assert federation.organization("Again").name == "Again"


def test_every_write_leaves_an_audit_event_of_the_same_transaction(
    federation: Federation, database: Database
) -> None:
    def count() -> int:
        with database.reading() as connection:
            return len(rows(connection, audit_events))

    before = count()
    federation.organization("Audited")
    assert count() == before + 1
    with pytest.raises(DuplicateError):
        federation.organization("Audited")
    assert count() == before + 1


def test_the_audit_says_who_did_what_to_which(federation: Federation) -> None:
    model = federation.model(federation.vera, "Second")
    asked = federation.ask(federation.vera, federation.benchmark_record, model)
    federation.cara.client.associations.act(asked.id, "reject", "too slow")
    [event_] = federation.admin.client.audit_events.list(
        subject=f"association:{asked.id}", action="association.reject"
    )
    assert event_.actor == f"user:{federation.cara.user.id}"
    assert event_.details == {"reason": "too slow"}


def test_every_act_is_audited(federation: Federation) -> None:
    federation.cara.client.results.act(federation.result().id, "approve")
    actions = {event_.action for event_ in federation.admin.client.audit_events.list()}
    assert actions >= {
        "organization.register",
        "invitation.issue",
        "invitation.redeem",
        "site.enroll",
        "container.register",
        "container.submit",
        "model.submit",
        "benchmark.approve",
        "dataset.submit",
        "association.register",
        "association.approve",
        "execution.grant",
        "execution.start",
        "execution.complete",
        "result.submit",
        "result.approve",
    }


def test_a_database_that_is_away_is_unavailable(federation: Federation, template) -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/none")
    former = template.app.state.program
    template.app.state.program = replace(former, database=away)
    try:
        with pytest.raises(UnavailableError):
            federation.admin.client.organizations.register(OrganizationForm(name="Nowhere"))
        assert template.http.get("/readyz").status_code == 503
        assert template.http.get("/healthz").status_code == 200
    finally:
        template.app.state.program = former
        away.close()


def test_a_connection_in_use_when_the_database_is_closed_is_closed_when_given_back(databases):
    database = Database(databases.empty())
    with database.reading() as connection:
        raw = connection.connection.dbapi_connection
        database.close()
    with pytest.raises((sqlite3.ProgrammingError, psycopg.OperationalError), match="closed"):
        raw.execute("SELECT 1")
