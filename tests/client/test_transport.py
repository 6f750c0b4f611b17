"""One request, one answer, and every way in which that can go wrong."""

import hashlib
from datetime import UTC, datetime

import httpx2
import pytest

from medperf.client.transport import AccessSecret, SiteCredential, Transport
from medperf.domain import errors
from medperf.provenance.keys import PrivateKey
from medperf.provenance.request_signing import verify_request

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def pauses():
    return []


@pytest.fixture
def transport(server, pauses):
    connection = Transport(server.url + "/", AccessSecret("s3cret"), sleep=pauses.append)
    yield connection
    connection.close()


@pytest.mark.parametrize("cls", list(errors.walk()), ids=lambda cls: cls.__name__)
def test_an_error_arrives_as_the_class_that_was_raised(cls, server, transport, answer, as_problem):
    sent = cls("no such thing", hint="Look elsewhere.", number=7)
    server.says(answer(status=409, body=as_problem(sent)))
    with pytest.raises(errors.MedPerfError) as caught:
        transport.get("/api/v1/models/7")
    assert type(caught.value) is cls
    assert (str(caught.value), caught.value.advice) == ("no such thing", "Look elsewhere.")
    assert caught.value.context["number"] == 7


def test_an_error_of_a_newer_server_keeps_its_words(server, transport, answer):
    server.says(
        answer(status=409, body={"code": "new-kind", "detail": "too new", "hint": "Update."})
    )
    with pytest.raises(errors.MedPerfError, match="too new") as caught:
        transport.get("/x")
    assert caught.value.advice == "Update."


def test_context_that_looks_like_an_argument_does_no_harm(server, transport, answer):
    body = {"code": "conflict", "detail": "no", "context": {"hint": 1, "detail": 2, "a": 3}}
    server.says(answer(status=409, body=body))
    with pytest.raises(errors.ConflictError, match="no") as caught:
        transport.get("/x")
    assert caught.value.context == {"a": 3}


def test_a_post_is_sent_again_with_the_same_idempotency_key(server, transport, answer, pauses):
    server.says(answer(cut=True), answer(status=503, body=b"busy"), answer(body={"id": 1}))
    assert transport.post("/api/v1/models", {"name": "m"}) == {"id": 1}
    keys = {asked.headers["idempotency-key"] for asked in server.asked}
    assert (len(server.asked), len(keys), len(pauses)) == (3, 1, 2)


def test_two_posts_have_two_idempotency_keys(server, transport, answer):
    server.says(answer(body={}))
    transport.post("/x")
    transport.post("/x")
    assert len({asked.headers["idempotency-key"] for asked in server.asked}) == 2


def test_a_patch_is_sent_once(server, transport, answer):
    server.says(answer(status=503, body=b""))
    with pytest.raises(errors.UnavailableError):
        transport.patch("/x", {})
    assert len(server.asked) == 1


def test_what_is_no_passing_trouble_is_not_tried_again(server, transport, answer, as_problem):
    server.says(answer(status=403, body=as_problem(errors.OwnApprovalError())))
    with pytest.raises(errors.OwnApprovalError):
        transport.post("/x")
    assert len(server.asked) == 1


def test_the_server_says_how_long_to_wait(server, transport, answer, pauses):
    server.says(
        answer(status=429, body=b"", headers={"Retry-After": "7"}),
        answer(status=503, body=b"", headers={"Retry-After": "9999"}),
        answer(body=[]),
    )
    assert transport.get("/x") == []
    assert pauses == [7, 30]


def test_an_away_server_is_given_up_after_some_attempts(pauses):
    transport = Transport("http://127.0.0.1:9", attempts=3, sleep=pauses.append)
    with pytest.raises(errors.ServerUnreachableError, match=r"127\.0\.0\.1:9 does not answer"):
        transport.get("/x")
    transport.close()
    assert len(pauses) == 2


def test_an_answer_that_does_not_come_in_time_is_no_answer(server, answer):
    server.says(answer(body={}, after_s=60))
    transport = Transport(server.url, attempts=1)
    with pytest.raises(errors.ServerUnreachableError, match="no answer in time"):
        transport.get("/x", read_timeout_s=0.05)
    transport.close()


@pytest.mark.parametrize("url", ["medperf.example.org", "ftp://x", "http://", ""])
def test_what_is_no_address_is_said_at_once(url, pauses):
    transport = Transport(url, sleep=pauses.append)
    with pytest.raises(errors.InvalidRequestError, match="not the address of a server"):
        transport.get("/x")
    transport.close()
    assert pauses == []


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"<html>Log in to the hotel</html>"), (404, b"nginx"), (400, b'["list"]'), (500, b"{}")],
)
def test_another_program_is_not_taken_for_a_server(status, body, server, transport, answer):
    server.says(answer(status=status, body=body))
    with pytest.raises(errors.MedPerfError, match="not as a MedPerf server does") as caught:
        transport.get("/x")
    assert "address" in caught.value.advice


def test_a_redirection_is_named_and_not_followed_with_the_secret(server, transport, answer):
    server.says(answer(status=302, body=b"", headers={"Location": "https://elsewhere/x"}))
    with pytest.raises(errors.MedPerfError, match="points to https://elsewhere/x"):
        transport.get("/x")
    assert len(server.asked) == 1


def test_an_empty_answer_is_none(server, transport, answer):
    server.says(answer(status=204, body=b""))
    assert transport.post("/x") is None


def test_what_is_not_json_is_never_sent(server, transport):
    with pytest.raises(errors.InvalidRequestError, match="cannot be sent"):
        transport.post("/x", {"value": float("nan")})
    assert server.asked == []


def test_parameters_that_are_none_are_left_out(server, transport, answer):
    server.says(answer(body={}))
    transport.get("/x", {"name": "Böck & Söhne", "state": None})
    assert server.asked[0].target == "/x?name=B%C3%B6ck+%26+S%C3%B6hne"


def test_a_person_shows_a_secret(server, transport, answer):
    server.says(answer(body={}))
    transport.get("/x")
    assert server.asked[0].headers["authorization"] == "Bearer s3cret"


def test_a_site_signs_each_attempt_anew(server, answer):
    key = PrivateKey.from_seed(bytes(32))
    server.says(answer(status=503, body=b""), answer(body={}))
    transport = Transport(server.url, SiteCredential(key, lambda: NOW), sleep=lambda _: None)
    transport.post("/api/v1/x", {"a": 1})
    transport.close()
    for asked in server.asked:
        signed = hashlib.sha256(asked.body).hexdigest()
        known = {key.key_id: key.public}
        who = verify_request(
            asked.headers["authorization"], "POST", "/api/v1/x", signed, keys=known, now=NOW
        )
        assert who == key.key_id


def test_a_proxy_of_the_environment_is_used(server, answer, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    server.says(answer(body={"from": "proxy"}))
    transport = Transport("http://medperf.invalid")
    assert transport.get("/api/v1/server") == {"from": "proxy"}
    transport.close()
    assert server.asked[0].target == "http://medperf.invalid/api/v1/server"


def test_a_client_of_ones_own_can_be_given():
    http = httpx2.Client(transport=httpx2.MockTransport(lambda _: httpx2.Response(200, json=[1])))
    assert Transport("http://any", http=http).get("/x") == [1]
    http.close()


def test_a_connection_beside_another_outlives_it(server, answer):
    server.says(answer(body=1))
    first = Transport(server.url, AccessSecret("s"))
    second = first.beside()
    first.close()
    assert second.get("/x") == 1
    assert server.asked[0].headers["authorization"] == "Bearer s"
    second.close()
    with pytest.raises(RuntimeError):
        second.get("/x")


def test_what_was_given_is_not_closed_from_beside():
    http = httpx2.Client(transport=httpx2.MockTransport(lambda _: httpx2.Response(200, json=[1])))
    first = Transport("http://any", http=http)
    first.beside().close()
    assert first.get("/x") == [1]
    http.close()
