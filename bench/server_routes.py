"""Requests per second, and the time of the slowest twentieth, with a thousand rows of each noun.

Two server processes and eight connections, on SQLite and on PostgreSQL.
MedPerf's figures were recorded on this class of machine with the same numbers of rows, processes
and connections; a third process here makes the load, so all three share the cores. How busy the
machine is just now shows in the first row: a server that answers at once, measured in turns.
"""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.scenes.cast import Cast
from bench.scenes.load import Measured, Request, put_load
from bench.scenes.plain import plain_server
from bench.scenes.population import Population, populate, result_posts
from bench.scenes.processes import ServerProcesses, load_note, postgresql, server_processes
from bench.table import Row, show
from medperf.server.settings import ServerSettings

SECONDS = 1.0
ROUNDS = 5
N_POSTS = 600
LIMIT = 32
PLAIN = "a server that answers at once"
POST = "POST result"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What MedPerf's server did, requests per second and p95 in ms (None: not recorded)."""

    sqlite: float
    postgresql: float
    sqlite_p95_ms: float | None = None
    postgresql_p95_ms: float | None = None


RECORDED = {
    "list datasets": Recorded(330, 156, 29, 64),
    "list models": Recorded(104, 55),
    "list results": Recorded(239, 149),
    "dataset detail": Recorded(540, 188),
    "model detail": Recorded(476, 211),
    POST: Recorded(215, 136),
}
TARGET = {"sqlite": 3.0, "postgresql": 5.0}
"""How many times as many reads are asked for; a result does more here than there."""


def main() -> None:
    for kind in TARGET:
        with ExitStack() as stack:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            url = stack.enter_context(postgresql()) if kind == "postgresql" else None
            server = stack.enter_context(server_processes(place / "server", database_url=url))
            cast = Cast(server.folder, server.url)
            population = populate(cast, ServerSettings.load(server.folder).database_url)
            plain = stack.enter_context(plain_server())
            measured = _measure(server, population, plain)
            cast.close()
        show(
            f"Server routes, {kind}, 2 processes, 8 connections, 1,000 rows of each",
            _rows(kind, measured),
            ["server CPU is without the database's own processes", load_note()],
        )


def _measure(server: ServerProcesses, population: Population, plain: str) -> dict[str, "_Timed"]:
    person = f"Bearer {population.cast.committee.secret}"
    paths = {
        "list datasets": [f"datasets?limit={LIMIT}"],
        "list models": [f"models?limit={LIMIT}"],
        "list results": [f"results?limit={LIMIT}"],
        "dataset detail": [f"datasets/{number}" for number in population.dataset_ids],
        "model detail": [f"models/{number}" for number in population.model_ids],
        "result detail": [f"results/{number}" for number in population.result_ids],
    }
    reads = {
        name: [Request("GET", f"/api/v1/{path}", person) for path in some]
        for name, some in paths.items()
    }
    reads = {PLAIN: [Request("GET", "/", person)], **reads}
    urls = {name: plain if name == PLAIN else server.url for name in reads}
    for name, requests in reads.items():  # statements are compiled, pages are in memory
        put_load(urls[name], requests, seconds=0.5)
    found: dict[str, list[_Timed]] = {name: [] for name in reads}
    for _ in range(ROUNDS):  # in turns, so that a busy moment of the machine hits every route
        for name, requests in reads.items():
            found[name].append(_timed(server, urls[name], requests, seconds=SECONDS))
    posts = result_posts(population, N_POSTS + 60)
    put_load(server.url, posts[:60])
    measured = {name: _middle(some) for name, some in found.items()}
    measured[POST] = _timed(server, server.url, posts[60:])
    return measured


@dataclass(frozen=True, slots=True)
class _Timed:
    """Answers, and the processor time that the server took for each."""

    load: Measured
    cpu_ms: float


def _timed(
    server: ServerProcesses, url: str, requests: Sequence[Request], *, seconds: float | None = None
) -> _Timed:
    before = server.cpu_s()
    load = put_load(url, requests, seconds=seconds)
    return _Timed(load, (server.cpu_s() - before) / load.n_answers * 1000)


def _middle(some: Sequence[_Timed]) -> _Timed:
    return sorted(some, key=lambda one: one.load.per_s)[len(some) // 2]


def _rows(kind: str, measured: dict[str, _Timed]) -> list[Row]:
    rows = []
    for name, one in measured.items():
        recorded = RECORDED.get(name)
        beside = getattr(recorded, kind) if recorded else None
        p95 = getattr(recorded, f"{kind}_p95_ms") if recorded else None
        target = f"> {TARGET[kind]:g}" if beside and name != POST else ""
        rows.append(Row(name, one.load.per_s, "requests/s", beside, "MedPerf, recorded", target))
        rows.append(
            Row("  p95", one.load.p95_ms, "ms", p95, "MedPerf, recorded", "< 1" if p95 else "")
        )
        if name != PLAIN:
            rows.append(Row("  server CPU", one.cpu_ms, "ms/request"))
    return rows


if __name__ == "__main__":
    main()
