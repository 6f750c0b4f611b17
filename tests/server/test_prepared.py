"""Prepared statements answer and fail as statements that run through SQLAlchemy do."""

from collections.abc import Iterator

import pytest
from server_databases import PostgresDatabases, postgresql_databases  # noqa: F401 - a fixture
from sqlalchemy import Integer, String, bindparam, cast, exc, select, text

from medperf.domain import errors
from medperf.domain.clock import system_clock
from medperf.server.db.prepared import Prepared
from medperf.server.db.session import Database
from medperf.server.db.tables import organizations, users

BY_NAME = select(organizations).where(
    organizations.c.name == bindparam("wanted"), organizations.c.id > 0
)
AS_NUMBER = Prepared(select(cast(bindparam("text", type_=String), Integer)))


def test_rows_are_those_of_the_ordinary_way(federation, database: Database) -> None:
    given = {"wanted": federation.hospital.name}
    with database.reading() as connection:
        prepared = Prepared(BY_NAME).all(connection, given)
        assert [tuple(row) for row in prepared] == [
            tuple(row) for row in connection.execute(BY_NAME, given)
        ]
    assert len(prepared) == 1


def test_values_go_through_their_types_both_ways(federation, database: Database) -> None:

    statement = select(users.c.is_admin, users.c.created_at).where(
        users.c.is_admin.is_(True), users.c.created_at < bindparam("now")
    )
    with database.reading() as connection:
        found = Prepared(statement).first(connection, {"now": system_clock()})
    assert found is not None
    assert found[0] is True
    assert found[1].endswith("Z")


def test_nothing_found_is_none(federation, database: Database) -> None:
    with database.reading() as connection:
        assert Prepared(BY_NAME).first(connection, {"wanted": "nobody"}) is None


@pytest.fixture
def postgresql(postgresql_databases: PostgresDatabases) -> Iterator[Database]:  # noqa: F811
    """An empty database of the kind that divides and breaks like a server."""
    database = Database(postgresql_databases.empty())
    yield database
    database.close()


def test_an_error_is_one_of_sqlalchemy_and_tells_no_values(postgresql: Database) -> None:
    with postgresql.reading() as connection, pytest.raises(exc.DBAPIError) as raised:
        AS_NUMBER.all(connection, {"text": "a secret"})
    assert raised.value.params is None


def test_a_connection_that_broke_is_not_used_again(postgresql: Database) -> None:
    def broken() -> None:
        with postgresql.reading() as connection:
            pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            with postgresql.reading() as another:
                another.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            AS_NUMBER.all(connection, {"text": "1"})

    with pytest.raises(errors.UnavailableError):
        broken()
    with postgresql.reading() as connection:
        assert AS_NUMBER.first(connection, {"text": "1"}) == (1,)
