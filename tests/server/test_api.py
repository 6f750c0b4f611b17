"""What holds for every route: filters, pages, errors, limits, idempotency, constant SQL."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from server_fixtures import Federation, PersonActor, SettableClock
from sqlalchemy import event
from starlette.testclient import TestClient

from medperf.domain import errors
from medperf.domain.people import OrganizationForm
from medperf.domain.results import Result
from medperf.server.app import ROUTERS
from medperf.server.db.prepared import Prepared
from medperf.server.db.session import Database
from medperf.server.problems import STATUS, status_of

LISTS = [
    "organizations",
    "users",
    "sites",
    "invitations",
    "access-tokens",
    "containers",
    "models",
    "benchmarks",
    "datasets",
    "associations",
    "executions",
    "results",
    "audit-events",
]
FILTERS = {
    "organizations": {"name"},
    "users": {"organization_id"},
    "sites": {"organization_id", "name"},
    "invitations": {"state"},
    "access-tokens": set(),
    "containers": {"role", "state", "name", "organization_id", "mine"},
    "models": {"state", "name", "organization_id", "container_id", "benchmark_id", "mine"},
    "benchmarks": {"state", "name", "organization_id", "mine"},
    "datasets": {
        "state", "name", "preparator_id", "site_id", "benchmark_id", "fingerprint", "mine",
    },
    "associations": {"kind", "state", "benchmark_id", "dataset_id", "model_id"},
    "executions": {"state", "benchmark_id", "model_id", "dataset_id", "site_id"},
    "results": {"state", "benchmark_id", "model_id", "dataset_id", "site_id", "execution_id"},
    "audit-events": {"subject", "actor", "action"},
}  # fmt: skip


def test_whoever_asks_for_what_is_not_there_hears_what_this_is(http: TestClient) -> None:
    for path in ("/", "/api/v1", "/api/v1/api/v1/server"):
        answer = http.get(path)
        assert (answer.status_code, answer.json()["detail"]) == (404, f"this server has no {path}")
        assert "address alone" in answer.json()["hint"]
        assert "/api/v1/openapi.json" in answer.json()["hint"]


# --- filters and pages ---


@pytest.mark.parametrize("noun", LISTS)
def test_an_unknown_filter_is_an_error_that_lists_the_known(
    federation: Federation, http: TestClient, noun: str
) -> None:
    answer = http.get(f"/api/v1/{noun}?colour=red", headers=federation.admin.headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown-filter")
    listed = set(answer.json()["detail"].split("it has: ")[1].split(", "))
    assert listed == FILTERS[noun] | {"limit", "cursor", "newest"}


@pytest.mark.parametrize("noun", LISTS)
def test_every_filter_narrows_a_list(federation: Federation, http: TestClient, noun: str) -> None:
    federation.result()
    for name in FILTERS[noun]:
        nothing = {
            "state": "withdrawn", "role": "trainer", "kind": "model", "mine": "false",
            "fingerprint": "sha256:" + "0" * 64,
        }.get(name, "999999")  # fmt: skip
        if name == "state":
            nothing = {"invitations": "open", "executions": "expired"}.get(noun, nothing)
        answer = http.get(f"/api/v1/{noun}?{name}={nothing}", headers=federation.admin.headers)
        assert answer.status_code == 200, answer.text
        everything = http.get(f"/api/v1/{noun}", headers=federation.admin.headers).json()
        if name not in {"kind", "mine"}:
            assert answer.json()["items"] == [] != everything or everything["items"] == []


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=201", "limit=x", "limit=-1", "cursor=nonsense", "cursor=%00", "mine=maybe",
        "newest=yes",
        "site_id=1.5", "site_id=99999999999999999999999", "state=finished", "fingerprint=abc",
        "site_id=%D9%A1", "site_id=1&site_id=2",
    ],
)  # fmt: skip
def test_a_value_that_no_filter_takes_is_an_error(
    federation: Federation, http: TestClient, query: str
) -> None:
    answer = http.get(f"/api/v1/datasets?{query}", headers=federation.hana.headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request")


@pytest.mark.parametrize("is_newest", [False, True])
def test_pages_follow_each_other_without_gap_or_overlap(
    federation: Federation, http: TestClient, *, is_newest: bool
) -> None:
    for number in range(7):
        federation.organization(f"Organization {number}")
    seen, cursor = [], None
    for _ in range(10):
        more = f"&cursor={cursor}" if cursor else ""
        page = http.get(
            f"/api/v1/organizations?limit=3&newest={str(is_newest).lower()}{more}",
            headers=federation.hana.headers,
        ).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    whole = [each.id for each in federation.hana.client.organizations.list()]
    assert whole == sorted(whole)
    assert seen == (whole[::-1] if is_newest else whole)
    assert len(whole) == 12


def test_mine_is_what_belongs_to_ones_organization(federation: Federation) -> None:
    mine = {c.id for c in federation.cara.client.containers.list(mine="true")}
    others = {c.id for c in federation.cara.client.containers.list(mine="false")}
    assert mine.isdisjoint(others)
    assert {c.id for c in federation.cara.client.containers.list()} == mine | others
    assert others


# --- errors ---


@pytest.mark.parametrize("error", sorted(errors.walk(), key=lambda e: e.code), ids=lambda e: e.code)
def test_every_error_has_a_status(error: type[errors.MedPerfError]) -> None:
    assert status_of(error) in {400, 401, 403, 404, 409, 413, 422, 500, 503}


def test_every_family_has_a_status_of_its_own_choice() -> None:
    assert set(errors.MedPerfError.__subclasses__()) - {errors.CancelledError} <= STATUS.keys()


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/nothing", 404, "not-found"),
        ("GET", "/api/v1/models/999", 404, "not-found"),
        ("GET", "/api/v1/models/0", 400, "invalid-request"),
        ("GET", "/api/v1/models/abc", 400, "invalid-request"),
        ("GET", "/api/v1/models/99999999999999999999", 400, "invalid-request"),
        ("PUT", "/api/v1/models/1", 405, "invalid-request"),
        ("POST", "/api/v1/models/1/explode", 404, "not-found"),
    ],
)
def test_errors_are_problem_documents(
    federation: Federation, http: TestClient, method: str, path: str, status: int, code: str
) -> None:
    answer = http.request(method, path, headers=federation.vera.headers)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert problem["title"]
    assert problem["hint"]


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"[]", b"null", b"", b'{"name": 5}', b'{"name": "a", "more": 1}', b"\xff\xfe",
        b'{"name": "\\u0000"}', b'{"name": "' + b"x" * 500 + b'"}', b"[" * 50_000,
    ],
)  # fmt: skip
def test_a_malformed_body_is_one_clear_error(
    federation: Federation, http: TestClient, body: bytes
) -> None:
    answer = http.post(
        "/api/v1/organizations",
        content=body,
        headers={**federation.admin.headers, "Content-Type": "application/json"},
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request")


def test_a_fault_names_its_place(federation: Federation, http: TestClient) -> None:
    form = {"name": "x", "role": "model", "config": {}, "image_digest": "latest"}
    answer = http.post("/api/v1/containers", json=form, headers=federation.vera.headers)
    assert {"place": "image_digest"}.items() <= answer.json()["context"]["faults"][0].items()


def test_numbers_that_no_database_can_hold_are_invalid(
    federation: Federation, http: TestClient
) -> None:
    form = {"name": "x", "container_id": 10**30}
    answer = http.post("/api/v1/models", json=form, headers=federation.vera.headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request")


def test_a_body_that_is_too_large_is_refused_unread(
    federation: Federation, http: TestClient
) -> None:
    answer = http.post(
        "/api/v1/organizations", content=b" " * (17 * 2**20), headers=federation.admin.headers
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")


def test_nobody_gets_an_answer_without_saying_who_they_are(http: TestClient) -> None:
    for router in ROUTERS:
        for route in router.routes:
            if route.path in {"/server", "/invitations/redeem", "/sites/enroll"}:
                continue
            if route.path.startswith("/log/"):
                continue  # the log is there to be followed by anybody
            path = route.path.replace("{number}", "1").replace("{key_id}", "x")
            for method in route.methods:
                answer = http.request(method, "/api/v1" + path, json={"reason": ""})
                # A form is checked first; what it must be is public.
                assert answer.status_code in {401, 400}, (method, path, answer.text)


# --- idempotency ---


def _post(http: TestClient, person: PersonActor, key: str, name: str, path: str = "organizations"):
    return http.post(
        f"/api/v1/{path}",
        json={"name": name},
        headers={**person.headers, "Idempotency-Key": key},
    )


def test_a_post_that_is_sent_twice_is_done_once(federation: Federation, http: TestClient) -> None:
    first = _post(http, federation.admin, "k1", "Once")
    second = _post(http, federation.admin, "k1", "Once")
    assert (first.status_code, first.content) == (second.status_code, second.content)
    named = [o for o in federation.admin.client.organizations.list() if o.name == "Once"]
    assert len(named) == 1


def test_a_key_is_good_for_one_request(federation: Federation, http: TestClient) -> None:
    _post(http, federation.admin, "k1", "One")
    other = _post(http, federation.admin, "k1", "Other")
    assert (other.status_code, other.json()["code"]) == (409, "conflict")


def test_keys_of_different_people_do_not_meet(federation: Federation, http: TestClient) -> None:
    second_admin = federation.person(federation.committee, "Otto", is_admin=True)
    _post(http, federation.admin, "k1", "One")
    assert _post(http, second_admin, "k1", "Other").status_code == 201


def test_a_request_that_failed_may_be_sent_again(federation: Federation, http: TestClient) -> None:
    assert _post(http, federation.hana, "k1", "Ours").status_code == 403
    assert _post(http, federation.hana, "k1", "Ours").status_code == 403
    assert _post(http, federation.admin, "k1", "Ours").status_code == 201


def test_an_answer_with_a_secret_is_not_kept(
    federation: Federation, http: TestClient, database: Database
) -> None:
    form = {"kind": "site", "organization_id": federation.hospital.id, "name": "South"}
    given = {**federation.admin.headers, "Idempotency-Key": "k1"}
    first = http.post("/api/v1/invitations", json=form, headers=given)
    second = http.post("/api/v1/invitations", json=form, headers=given)
    assert (first.status_code, second.status_code) == (201, 409)
    assert "secret" in second.json()["detail"]
    with database.reading() as connection:
        kept = connection.exec_driver_sql("SELECT answer FROM idempotency_keys").scalars().all()
    assert not any(first.json()["token"] in (answer or "") for answer in kept)


def test_keys_are_forgotten_after_a_day(
    federation: Federation, http: TestClient, clock: SettableClock, database: Database
) -> None:
    _post(http, federation.admin, "k1", "One")
    clock.advance(hours=25)
    _post(http, federation.admin, "k2", "Two")
    with database.reading() as connection:
        kept = connection.exec_driver_sql("SELECT key FROM idempotency_keys").scalars().all()
    assert kept == ["k2"]


# --- statements ---


@contextmanager
def counting(database: Database) -> Iterator[Callable[[], int]]:
    statements = []

    def note(_c, _cursor, statement, *_more) -> None:
        statements.append(statement)

    def noting(to_the_driver) -> Callable[..., Any]:
        def prepared(*given) -> Any:
            note(*given)
            return to_the_driver(*given)

        return prepared

    event.listen(database.engine, "before_cursor_execute", note)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Prepared, "all", noting(Prepared.all))
        patch.setattr(Prepared, "many", noting(Prepared.many))
        yield lambda: len(statements)
    event.remove(database.engine, "before_cursor_execute", note)


@pytest.mark.parametrize("noun", LISTS)
def test_the_number_of_sql_statements_does_not_grow_with_the_rows(
    federation: Federation, http: TestClient, database: Database, noun: str
) -> None:
    federation.result()
    counts = set()
    for limit in (1, 200):
        with counting(database) as n:
            answer = http.get(f"/api/v1/{noun}?limit={limit}", headers=federation.cara.headers)
        assert answer.status_code == 200
        counts.add(n())
    assert len(counts) == 1
    assert counts.pop() <= 3


def test_a_leaderboard_takes_the_same_statements_for_more_models(
    federation: Federation, database: Database
) -> None:
    def approve(result: Result) -> None:
        federation.cara.client.results.act(result.id, "approve")

    def statements() -> int:
        with counting(database) as n:
            federation.cara.client.benchmarks.leaderboard(federation.benchmark_record.id)
        return n()

    approve(federation.result())
    before = statements()
    assert statements() == before - 1, "the documents are not read again"
    model = federation.model(federation.vera, "Second")
    federation.associate(federation.vera, federation.cara, federation.benchmark_record, model)
    again = federation.run(federation.north, federation.benchmark_record, model, federation.cases)
    approve(again)
    assert statements() == before


def test_work_takes_the_same_statements_for_more_pairs(
    federation: Federation, database: Database
) -> None:
    def statements() -> int:
        with counting(database) as n:
            federation.north.client.executions.work()
        return n()

    before = statements()
    model = federation.model(federation.vera, "Second")
    federation.associate(federation.vera, federation.cara, federation.benchmark_record, model)
    assert statements() == before


def test_metrics_count_requests_by_route_and_executions_by_state(
    federation: Federation, http: TestClient
) -> None:
    federation.execution()
    federation.admin.client.organizations.get(1)
    text = http.get("/metrics").text
    assert 'medperf_executions{state="granted"} 1.0' in text
    assert "medperf_agents_waiting 0.0" in text
    assert '/organizations/{number}",status="200"' in text
    assert "/organizations/1" not in text


def test_registering_answers_with_the_thing_that_can_be_looked_up(federation: Federation) -> None:
    client = federation.admin.client.organizations
    made = client.register(OrganizationForm(name="Made"))
    assert client.get(made.id) == made
