"""The migrated schema is the declared schema, and every step can be taken back."""

import re

import pytest
from sqlalchemy import inspect, text

from medperf.domain import lifecycle
from medperf.server.db.migrate import current, downgrade, head, is_current, upgrade
from medperf.server.db.session import Database
from medperf.server.db.tables import metadata


@pytest.fixture
def empty(databases):
    opened = []

    def new() -> Database:
        opened.append(Database(databases.empty()))
        return opened[-1]

    yield new
    for database in opened:
        database.close()


def _described(database: Database) -> dict:
    """Everything that a database says of its schema, in an order of its own."""
    found = inspect(database.engine)
    described = {}
    for name in found.get_table_names():
        if name == "alembic_version":
            continue
        described[name] = {
            "columns": sorted(
                (c["name"], str(c["type"]), c["nullable"], str(c["default"]))
                for c in found.get_columns(name)
            ),
            "primary key": found.get_pk_constraint(name),
            "foreign keys": sorted(
                (str(f["name"]), f["constrained_columns"], f["referred_table"])
                for f in found.get_foreign_keys(name)
            ),
            "uniques": sorted(
                (str(u["name"]), u["column_names"]) for u in found.get_unique_constraints(name)
            ),
            "checks": sorted(
                (str(c["name"]), _plain(c["sqltext"])) for c in found.get_check_constraints(name)
            ),
            "indexes": sorted(
                (str(i["name"]), i["column_names"], bool(i["unique"]))
                for i in found.get_indexes(name)
            ),
            "conditions": _conditions(database, name),
        }
    return described


def _plain(sql: str) -> str:
    return re.sub(r"[\s()]+", " ", sql).strip()


def _conditions(database: Database, table: str) -> list[str]:
    """The WHERE of partial indexes, which the inspector does not tell on SQLite."""
    query = (
        f"SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = '{table}'"
        if database.is_sqlite
        else f"SELECT indexdef FROM pg_indexes WHERE tablename = '{table}'"
    )
    with database.reading() as connection:
        found = connection.execute(text(query)).scalars().all()
    return sorted(_plain(sql) for sql in found if sql)


def test_the_migrated_schema_is_the_declared_schema(empty):
    migrated, declared = empty(), empty()
    upgrade(migrated)
    metadata.create_all(declared.engine)
    assert _described(migrated) == _described(declared)
    assert len(_described(migrated)) == len(metadata.tables)


def test_going_down_leaves_nothing(empty):
    database = empty()
    upgrade(database)
    downgrade(database, "base")
    assert _described(database) == {}
    upgrade(database)
    assert is_current(database)


def test_upgrading_twice_changes_nothing(empty):
    database = empty()
    upgrade(database)
    before = _described(database)
    upgrade(database)
    assert (_described(database), current(database)) == (before, head())


def test_an_empty_database_is_not_current(empty):
    assert not is_current(empty())


def test_the_database_knows_every_state_and_no_other():
    for table in lifecycle.ALL:
        if f"{table.noun}s" in metadata.tables:
            [check] = [
                str(c.sqltext)
                for c in metadata.tables[f"{table.noun}s"].constraints
                if str(c.name).endswith("state_known")
            ]
            assert set(re.findall(r"'(\w+)'", check)) == set(table.states)
