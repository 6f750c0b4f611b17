"""Prepared statements answer and fail as statements that run through SQLAlchemy do."""

from collections.abc import Iterator

import pytest
from server_databases import PostgresDatabases, postgresql_databases  # noqa: F401 - a fixture
from server_fixtures import SettableClock
from sqlalchemy import (
    Integer,
    String,
    bindparam,
    cast,
    delete,
    exc,
    insert,
    select,
    text,
    update,
)

from medperf.domain import errors
from medperf.domain.clock import system_clock
from medperf.domain.identifiers import format_time
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


def test_a_write_sets_the_columns_that_it_names_and_answers_what_it_returns(
    database: Database, clock: SettableClock
) -> None:
    columns = {"name": "Written", "created_at": clock()}
    added = Prepared(insert(organizations).returning(organizations.c.id), columns)
    renamed = Prepared(
        update(organizations).where(organizations.c.id == bindparam("number")), ["name"]
    )
    gone = Prepared(delete(organizations).where(organizations.c.name == bindparam("wanted")))
    with database.writing() as connection:
        row = added.first(connection, columns)
        assert row is not None
        assert renamed.all(connection, {"name": "Anew", "number": row[0]}) == ()
    with database.reading() as connection:
        assert Prepared(BY_NAME).all(connection, {"wanted": "Written"}) == []
        [kept] = Prepared(BY_NAME).all(connection, {"wanted": "Anew"})
    assert list(kept) == [row[0], "Anew", format_time(clock())]
    with database.writing() as connection:
        gone.all(connection, {"wanted": "Anew"})
    with database.reading() as connection:
        assert Prepared(BY_NAME).first(connection, {"wanted": "Anew"}) is None


def test_many_rows_are_written_by_one_statement(database: Database, clock: SettableClock) -> None:
    rows = [{"name": f"Number {n}", "created_at": clock()} for n in range(3)]
    with database.writing() as connection:
        Prepared(insert(organizations), ["name", "created_at"]).many(connection, rows)
    with database.reading() as connection:
        for row in rows:
            assert Prepared(BY_NAME).first(connection, {"wanted": row["name"]}) is not None


@pytest.mark.parametrize("by", ["all", "many"])
def test_a_write_that_breaks_a_constraint_changes_nothing(
    federation, database: Database, clock: SettableClock, by: str
) -> None:
    add = Prepared(insert(organizations), ["name", "created_at"])
    rows = [{"name": name, "created_at": clock()} for name in ("New", federation.hospital.name)]

    def write() -> None:
        with database.writing() as connection:
            if by == "many":
                add.many(connection, rows)
            for row in rows:
                add.all(connection, row)

    with pytest.raises(errors.DuplicateError):
        write()
    with database.reading() as connection:
        assert Prepared(BY_NAME).first(connection, {"wanted": "New"}) is None


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
