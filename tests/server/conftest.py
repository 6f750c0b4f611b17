"""Fixtures: the same federation on SQLite and on PostgreSQL, in-process.

The federation is built once per database and session; each test gets a copy of the database and the
same people, sites and clients.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import pytest
from anyio.from_thread import start_blocking_portal
from fastapi import FastAPI
from leaderboard_arena import Arena
from leaderboard_arena import arena as build_arena
from server_databases import (  # noqa: F401 - fixtures
    KINDS,
    Kept,
    PostgresDatabases,
    SqliteDatabases,
    databases,
    postgresql_databases,
    sqlite_databases,
)
from server_fixtures import Federation, SettableClock, new_federation
from starlette.testclient import TestClient

from medperf.client.transport import Credential, Transport
from medperf.provenance.keys import PrivateKey
from medperf.server.app import build_app
from medperf.server.db.migrate import upgrade
from medperf.server.db.session import Database
from medperf.server.log.signing import LogSigner
from medperf.server.settings import ServerSettings


class InProcess(TestClient):
    """Requests without a network, where a time-out means nothing."""

    def request(self, method, url, *, timeout=None, **more):
        return super().request(method, url, **more)


@dataclass
class Template:
    """A federation that was built once, and the app that it talks to."""

    app: FastAPI
    http: TestClient
    clock: SettableClock
    federation: Federation
    databases: SqliteDatabases | PostgresDatabases
    kept: Kept
    url: str = ""

    @property
    def database(self) -> Database:
        return self.app.state.program.database

    def stand_on(self, kept: Kept) -> None:
        """Have the app go on from some content, in a database of its own."""
        self.url = self.databases.fresh(kept)
        program = self.app.state.program
        # The copy goes its own way from here, which the signer of another copy would call a fork.
        identity = replace(program.identity, log=LogSigner(program.identity.keys))
        self.app.state.program = replace(program, database=Database(self.url), identity=identity)

    def leave(self) -> None:
        """Close and forget the database that the app stands on."""
        self.database.close()
        self.databases.discard(self.url)


def _template(databases: SqliteDatabases | PostgresDatabases) -> Iterator[Template]:  # noqa: F811 - a fixture
    url, clock, key = databases.empty(), SettableClock(), PrivateKey.generate()
    settings = ServerSettings(name="Test", database_url=url)
    app = build_app(settings, key, clock=clock)
    upgrade(app.state.program.database)
    with start_blocking_portal() as portal:
        # One event loop for all requests, and no watcher: tests that need it run a real server.
        http = InProcess(app, raise_server_exceptions=False)
        http.portal = portal

        def transport(credential: Credential | None) -> Transport:
            return Transport("http://testserver", credential, http=http, attempts=1)

        federation = new_federation(app, transport).build()
        app.state.program.database.close()
        kept = databases.keep(url)
        yield Template(app, http, clock, federation, databases, kept)


@pytest.fixture(scope="session")
def sqlite_template(sqlite_databases: SqliteDatabases) -> Iterator[Template]:  # noqa: F811 - a fixture
    yield from _template(sqlite_databases)


@pytest.fixture(scope="session")
def postgresql_template(postgresql_databases: PostgresDatabases) -> Iterator[Template]:  # noqa: F811 - a fixture
    yield from _template(postgresql_databases)


@pytest.fixture(params=KINDS)
def template(request: pytest.FixtureRequest) -> Iterator[Template]:
    """The template of one kind, standing on a fresh copy of its database."""
    template: Template = request.getfixturevalue(f"{request.param}_template")
    former, start = template.app.state.program, template.clock.now
    template.stand_on(template.kept)
    yield template
    template.leave()
    template.app.state.program = former
    template.clock.now = start


@pytest.fixture
def federation(template: Template) -> Federation:
    """A committee, a vendor and a hospital, everything approved."""
    return copy.copy(template.federation)


@pytest.fixture(scope="session")
def arenas() -> dict[object, tuple[Kept, datetime, Arena]]:
    """Arenas that were built in this session, each with its database."""
    return {}


@pytest.fixture
def arena(template: Template, arenas) -> Callable[..., Arena]:
    """`leaderboard_arena.arena`, built once for each policy: a test gets a copy of its own."""

    def given(sites: int = 3, **policy: object) -> Arena:
        key = (id(template), sites, *sorted(policy.items()))
        if key not in arenas:
            made = build_arena(copy.copy(template.federation), sites, **policy)
            template.database.close()
            arenas[key] = template.databases.keep(template.url), template.clock.now, made
        kept, now, made = arenas[key]
        template.leave()
        template.stand_on(kept)
        template.clock.now = now
        return made.copied()

    return given


@pytest.fixture
def clock(template: Template) -> SettableClock:
    """The clock of the server and of all sites."""
    return template.clock


@pytest.fixture
def http(template: Template) -> TestClient:
    """Plain HTTP, for what no client would send."""
    return template.http


@pytest.fixture
def database(template: Template) -> Database:
    """The server's database."""
    return template.database


@pytest.fixture
def as_json() -> Callable[[Federation], dict[str, str]]:
    """Headers of a person."""
    return lambda person: {"Authorization": f"Bearer {person.secret}"}
