"""A mailbox in the server's place: what was brought is answered, what is said waits."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medperf.client.carrying import CarriedAnswer
from medperf.client.offline import Asked, offline_client
from medperf.domain.datasets import DatasetForm
from medperf.domain.errors import AwaitingCourierError, NotCarriedError, NotFoundError
from medperf.domain.identifiers import format_time
from medperf.site.offline import GRANTS, OfflineServer
from medperf.site.store import mailbox
from medperf.site.store.connection import Store
from medperf.site.store.mailbox import Mailbox

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def clock():
    return NOW


class Desk:
    """A mailbox, and the client above it."""

    def __init__(self, path):
        self.store = Store(path, (mailbox.TABLES,))
        self.mailbox = Mailbox(self.store, clock)
        server = OfflineServer(self.mailbox, clock, sleep=lambda _: None)
        self.server = server
        self.client = offline_client("https://example.org/below", None, server.answer)
        self.transport = self.client.transport

    def bring(self, *answers, awaited=()):
        self.mailbox.take_in(answers, awaited, NOW)

    def close(self):
        self.client.close()
        self.store.close()


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path / "store.db")
    yield made
    made.close()


def answer(target, body, *, method="GET", status=200, key="", request=b""):
    return CarriedAnswer(
        method=method,
        target=f"/api/v1/{target}",
        request_body=request,
        idempotency_key=key,
        status=status,
        body=json.dumps(body).encode(),
        signature="",
    )


def test_an_act_waits_once_however_often_it_is_asked_for(desk):
    for _ in range(3):
        with pytest.raises(AwaitingCourierError):
            desk.transport.post("/api/v1/datasets/3/submit", {"reason": ""})
    [request] = desk.mailbox.outgoing()
    assert request.target == "/api/v1/datasets/3/submit"
    assert json.loads(request.body) == {"reason": ""}


def test_an_answer_is_given_until_the_bundle_after_the_one_that_brought_it(desk):
    with pytest.raises(AwaitingCourierError):
        desk.transport.post("/api/v1/datasets/3/submit")
    [request] = desk.mailbox.outgoing()
    brought = answer("datasets/3/submit", {"id": 3}, method="POST", key=request.idempotency_key)
    desk.bring(awaited=[brought])
    assert desk.transport.post("/api/v1/datasets/3/submit") == {"id": 3}
    assert desk.transport.post("/api/v1/datasets/3/submit") == {"id": 3}
    desk.bring()
    with pytest.raises(AwaitingCourierError):
        desk.transport.post("/api/v1/datasets/3/submit")


def test_an_answer_that_nobody_heard_yet_waits_longer(desk):
    with pytest.raises(AwaitingCourierError):
        desk.transport.post("/api/v1/x")
    [request] = desk.mailbox.outgoing()
    desk.bring(awaited=[answer("x", 1, method="POST", key=request.idempotency_key)])
    desk.bring()
    assert desk.transport.post("/api/v1/x") == 1


def test_an_error_that_was_brought_is_raised_as_if_it_came_now(desk):
    problem = {"code": "not-found", "detail": "no dataset 9", "hint": "", "context": {}}
    desk.bring(answer("datasets/9", problem, status=404))
    with pytest.raises(NotFoundError, match="no dataset 9"):
        desk.client.datasets.get(9)


def test_a_question_without_an_answer_is_asked_for_the_next_time(desk):
    with pytest.raises(NotCarriedError):
        desk.client.datasets.get(9)
    assert desk.mailbox.wanted() == ("/api/v1/datasets/9",)
    desk.bring()
    assert desk.mailbox.wanted() == ()


def test_a_list_with_a_page_missing_is_no_list(desk):
    first = {"items": [{"id": 1, "site_id": 3}], "next_cursor": "c"}
    second = {"items": [{"id": 2, "site_id": 3}], "next_cursor": None}
    desk.bring(answer("datasets?site_id=3&limit=100", first))
    with pytest.raises(NotCarriedError):
        desk.transport.get("/api/v1/datasets", {"site_id": 3, "limit": 5})
    desk.bring(
        answer("datasets?site_id=3&limit=100", first),
        answer("datasets?site_id=3&limit=100&cursor=c", second),
    )
    page = desk.transport.get("/api/v1/datasets", {"site_id": 3, "limit": 5})
    assert [row["id"] for row in page["items"]] == [1, 2]


rows = st.lists(
    st.fixed_dictionaries(
        {"id": st.integers(1, 9), "site_id": st.just(3), "state": st.sampled_from(["a", "b"])}
    ),
    max_size=8,
)


@given(rows=rows, state=st.sampled_from(["a", "b", "c"]), number=st.integers(1, 9))
def test_more_filters_leave_the_rows_they_would_leave_online(tmp_path_factory, rows, state, number):
    desk = Desk(tmp_path_factory.mktemp("desk") / "store.db")
    desk.bring(answer("datasets?site_id=3&limit=100", {"items": rows, "next_cursor": None}))
    asked = {"site_id": 3, "state": state, "id": number}
    found = desk.transport.get("/api/v1/datasets", asked)["items"]
    assert found == [row for row in rows if (row["state"], row["id"]) == (state, number)]
    with pytest.raises(NotCarriedError):
        desk.transport.get("/api/v1/datasets", {"state": state})
    with pytest.raises(NotCarriedError):
        desk.transport.get("/api/v1/datasets", {**asked, "unknown": 1} if rows else {})
    desk.close()


def granted(model, hours, **more):
    pair = {"benchmark_id": 1, "model_id": model, "dataset_id": 2}
    execution = {"id": model, "expires_at": format_time(NOW + timedelta(hours=hours))}
    return {"pair": pair, "execution": execution, "grant": {}, "problem": None, **more}


def test_each_pair_gets_its_own_grant_and_an_expired_one_is_as_none(desk):
    brought = {"answers": [granted(1, 5), granted(2, -1)]}
    desk.bring(answer("executions", brought, method="POST", status=201))
    pairs = [granted(model, 0)["pair"] for model in (3, 2, 1)]
    status, body = desk.server.answer(
        Asked("POST", GRANTS, json.dumps({"pairs": pairs}).encode(), None, "")
    )
    assert status == 201
    none, late, live = json.loads(body)["answers"]
    assert live["grant"] == {}
    assert none["problem"]["code"] == late["problem"]["code"] == "awaiting-courier"
    assert "expired" in late["problem"]["detail"]


def test_what_is_granted_and_unused_is_work(desk):
    work = {"version": 4, "items": [], "revoked": [3]}
    brought = {"answers": [granted(1, 5), granted(2, -1), granted(3, 5)]}
    desk.bring(
        answer("work?after=-1&wait_s=0", work),
        answer("executions", brought, method="POST", status=201),
    )
    heard = desk.client.executions.work(after=4, wait_s=20)
    assert [item.model_id for item in heard.items] == [1]


def test_the_log_did_not_grow_since_the_checkpoint_that_was_brought(desk):
    growth = {"checkpoint": "log\n7\nroot\n", "proof": ["x"]}
    desk.bring(answer("log/consistency?from=5", growth))
    assert desk.client.log.consistency(5).proof == ("x",)
    assert desk.client.log.consistency(7).proof == ()
    with pytest.raises(NotCarriedError):
        desk.client.log.consistency(6)


def test_nothing_is_sent_by_a_client_without_a_network(desk):
    """No address is looked up: the host does not exist."""
    form = DatasetForm.model_construct(name="x")
    with pytest.raises(AwaitingCourierError):
        desk.client.datasets.register(form)
