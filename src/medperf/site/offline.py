"""Answers in the server's place, from what a courier brought; everything else goes to the outbox.

Four kinds of question need more than the answer to the very same one:

- ``/work``: whatever the agent heard before; and what was granted and is not used up is work too.
- ``/executions``, asked for grants: each pair has its own answer, whichever others are asked too.
- ``/log/consistency``, from the newest checkpoint that was brought: the log did not grow since.
- a list: the rows of a brought list that the same and more filters would leave.
"""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from medperf.client.log_watch import KEYS, size_of
from medperf.client.offline import Asked
from medperf.client.paging import BASE
from medperf.domain.clock import Clock
from medperf.domain.errors import AwaitingCourierError, NotCarriedError
from medperf.domain.identifiers import parse_time
from medperf.site.store.mailbox import Given, Mailbox

WORK, GRANTS, GROWTH = f"{BASE}/work", f"{BASE}/executions", f"{BASE}/log/consistency"
_PAGING = frozenset({"limit", "cursor"})
_PAIR = ("benchmark_id", "model_id", "dataset_id")
_NOTHING_NEW_S = 1.0
_OK, _CREATED = 200, 201

Wire = dict[str, Any]


class OfflineServer:
    """Answers requests of one site."""

    def __init__(
        self, mailbox: Mailbox, clock: Clock, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._mailbox = mailbox
        self._clock = clock
        self._sleep = sleep

    def answer(self, asked: Asked) -> tuple[int, bytes]:
        """Answer a request.

        Raises:
            AwaitingCourierError: it waits in the outbox for a courier.
            NotCarriedError: it is a question whose answer was not brought; the next bundle will.
        """
        path = urlsplit(asked.target).path
        if asked.method != "GET":
            return self._grants(asked.body) if asked.target == GRANTS else self._say(asked)
        rules = {WORK: self._work, GROWTH: self._growth}
        found = rules.get(path, self._found)(asked.target)
        if found is None:
            self._mailbox.want(asked.target)
            raise NotCarriedError(
                f"no work bundle brought {asked.target}; the next one is asked to"
            )
        return found

    def _say(self, asked: Asked) -> tuple[int, bytes]:
        given = self._mailbox.say(asked)
        if given is None:
            raise AwaitingCourierError(
                f"{asked.method} {asked.target} waits in the outbox for a courier"
            )
        return given.status, given.answer

    # --- questions whose answer was brought ---

    def _found(self, target: str) -> tuple[int, bytes] | None:
        exact = self._mailbox.carried("GET", target)
        if exact:
            return exact[0].status, exact[0].answer
        return self._list(target)

    def _growth(self, target: str) -> tuple[int, bytes] | None:
        exact = self._mailbox.carried("GET", target)
        if exact:
            return exact[0].status, exact[0].answer
        asked = dict(parse_qsl(urlsplit(target).query))
        for given in (*self._mailbox.carried_below(GROWTH), *self._mailbox.carried_below(KEYS)):
            checkpoint = str(json.loads(given.answer).get("checkpoint", ""))
            if checkpoint and asked == {"from": str(size_of(checkpoint))}:
                return _OK, json.dumps({"checkpoint": checkpoint, "proof": []}).encode()
        return None

    def _work(self, target: str) -> tuple[int, bytes] | None:
        brought = self._mailbox.carried_below(WORK)
        if not brought:
            return None
        work = json.loads(brought[0].answer)
        asked = dict(parse_qsl(urlsplit(target).query))
        if int(asked.get("after", -1)) >= work.get("version", 0):
            # The long poll of an agent that runs on: nothing is new until somebody comes.
            self._sleep(min(float(asked.get("wait_s", 0)), _NOTHING_NEW_S))
        if brought[0].status == _OK:
            offered = {_pair(item): item for item in work["items"]}
            for pair, answer in self._granted().items():
                if self._is_live(answer) and answer["execution"]["id"] not in work["revoked"]:
                    offered.setdefault(pair, {**answer["pair"], "priority": 0})
            work["items"] = list(offered.values())
        return brought[0].status, json.dumps(work).encode()

    def _list(self, target: str) -> tuple[int, bytes] | None:
        split = urlsplit(target)
        asked = {k: v for k, v in parse_qsl(split.query) if k not in _PAGING}
        for filters, rows in _listings(self._mailbox.carried_below(split.path)):
            if filters.items() <= asked.items():
                rest = {name: asked[name] for name in asked.keys() - filters.keys()}
                if any(name not in row for row in rows for name in rest):
                    continue
                kept = [row for row in rows if all(str(row[n]) == v for n, v in rest.items())]
                return _OK, json.dumps({"items": kept, "next_cursor": None}).encode()
        return None

    # --- grants ---

    def _grants(self, body: bytes) -> tuple[int, bytes]:
        brought = self._granted()
        answers = [
            self._grant(pair, brought.get(_pair(pair))) for pair in json.loads(body)["pairs"]
        ]
        return _CREATED, json.dumps({"answers": answers}).encode()

    def _grant(self, pair: Wire, answer: Wire | None) -> Wire:
        if answer is not None and (answer["grant"] is None or self._is_live(answer)):
            return answer
        if answer is None:
            detail = "no work bundle brought a grant for this yet"
        else:
            expired = answer["execution"]["expires_at"]
            detail = (
                f"the grant that was brought expired at {expired}; the next bundle brings another"
            )
        error = AwaitingCourierError(detail)
        problem = {"code": error.code, "detail": error.detail, "hint": error.advice}
        return {"pair": pair, "execution": None, "grant": None, "problem": problem}

    def _granted(self) -> dict[tuple[int, ...], Wire]:
        found = {}
        for given in self._mailbox.carried("POST", GRANTS):
            if given.status == _CREATED:
                for answer in json.loads(given.answer)["answers"]:
                    found[_pair(answer["pair"])] = answer
        return found

    def _is_live(self, answer: Wire) -> bool:
        if answer["execution"] is None or answer["grant"] is None:
            return False
        return bool(parse_time(answer["execution"]["expires_at"]) > self._clock())


def _pair(item: Wire) -> tuple[int, ...]:
    return tuple(item[name] for name in _PAIR)


def _listings(brought: list[Given]) -> Iterator[tuple[dict[str, str], list[Wire]]]:
    """Whole lists with the filters they were asked with; a list with a page missing is none."""
    pages: dict[tuple[tuple[str, str], ...], dict[str, Wire]] = {}
    for given in brought:
        if given.status != _OK:
            continue
        query = dict(parse_qsl(urlsplit(given.target).query))
        filters = tuple(sorted((k, v) for k, v in query.items() if k not in _PAGING))
        pages.setdefault(filters, {})[query.get("cursor", "")] = json.loads(given.answer)
    for asked, by_cursor in pages.items():
        rows: list[Wire] = []
        cursor: str | None = ""
        while cursor is not None and cursor in by_cursor:
            page = by_cursor.pop(cursor)
            rows += page.get("items", [])
            cursor = page.get("next_cursor")
        if cursor is None:
            yield dict(asked), rows
