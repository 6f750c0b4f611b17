"""Bringing a database to the schema of this version."""

from collections.abc import Callable
from functools import lru_cache

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from medperf.domain.errors import NotSupportedError
from medperf.server.db.session import Database


def upgrade(database: Database, revision: str = "head") -> None:
    """Apply the migrations that are missing; nothing if there are none.

    Raises:
        NotSupportedError: the database is of a newer version.
    """
    with database.migrating() as connection:
        _run(connection, lambda config: command.upgrade(config, revision))


def downgrade(database: Database, revision: str) -> None:
    """Take migrations back, down to a revision or ``base``."""
    with database.migrating() as connection:
        _run(connection, lambda config: command.downgrade(config, revision))


def current(database: Database) -> str | None:
    """The revision a database is at; None for an empty one."""
    with database.reading() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def is_current(database: Database) -> bool:
    """Whether a database has the schema of this version."""
    return current(database) == head()


@lru_cache(maxsize=1)
def head() -> str | None:
    """The revision of this version."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "medperf.server.db:migrations")
    config.set_main_option("path_separator", "os")
    return config


def _run(connection: Connection, act: Callable[[Config], None]) -> None:
    config = _config()
    config.attributes["connection"] = connection
    try:
        act(config)
    except CommandError as error:
        raise NotSupportedError(
            f"this version of MedPerf does not know the database's schema: {error}",
            hint="Use the version that wrote it, or a newer one.",
        ) from error
