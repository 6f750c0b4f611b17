"""Lists arrive page after page, and no more of them than was asked for."""

import pytest

from medperf.client.paging import newest, rows
from medperf.client.transport import Transport
from medperf.domain import errors


@pytest.fixture
def transport(server):
    connection = Transport(server.url, sleep=lambda _: None)
    yield connection
    connection.close()


def _page(answer, *numbers, then=None):
    return answer(body={"items": [{"id": n} for n in numbers], "next_cursor": then})


def test_pages_follow_one_another(server, transport, answer):
    server.says(_page(answer, 1, 2, then="after-2"), _page(answer, 3))
    assert [row["id"] for row in rows(transport, "models", state="operation")] == [1, 2, 3]
    assert [asked.target for asked in server.asked] == [
        "/api/v1/models?state=operation&limit=100",
        "/api/v1/models?state=operation&limit=100&cursor=after-2",
    ]


def test_no_more_is_asked_for_than_is_wanted(server, transport, answer):
    server.says(_page(answer, 1, 2, then="after-2"))
    assert [row["id"] for row in rows(transport, "models", limit=2)] == [1, 2]
    assert server.asked[0].target == "/api/v1/models?limit=2"
    assert len(server.asked) == 1


def test_an_unknown_filter_is_the_servers_error(server, transport, answer, as_problem):
    server.says(answer(status=422, body=as_problem(errors.UnknownFilterError("no filter x"))))
    with pytest.raises(errors.UnknownFilterError, match="no filter x"):
        list(rows(transport, "models", x=1))


def test_an_answer_that_is_no_list_is_an_error(server, transport, answer):
    server.says(answer(body={"message": "welcome"}))
    with pytest.raises(errors.MedPerfError, match="something else than a list of models"):
        list(rows(transport, "models"))


def test_the_newest_come_last(server, transport, answer):
    server.says(_page(answer, 9, 7, then="before-7"), _page(answer, 3, then="before-3"))
    found, has_older = newest(transport, "models", limit=2, state="operation")
    assert [row["id"] for row in found] == [7, 9]
    assert has_older
    assert server.asked[0].target == "/api/v1/models?state=operation&newest=true&limit=3"


def test_where_all_fit_there_are_no_older_ones(server, transport, answer):
    server.says(_page(answer, 9, 7))
    assert newest(transport, "models", limit=2) == ([{"id": 7}, {"id": 9}], False)


def test_without_a_limit_all_of_them_come(server, transport, answer):
    server.says(_page(answer, 3, 7, then="after-7"), _page(answer, 9))
    assert newest(transport, "models", limit=None) == ([{"id": 3}, {"id": 7}, {"id": 9}], False)
