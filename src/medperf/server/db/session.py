"""The one place where connections are opened and transactions begin and end.

Readers never wait. Writers go one at a time on both databases: SQLite has one write lock anyway,
and on PostgreSQL an advisory lock gives the same guarantee, so what a service has checked stays
true until it commits. A coordination server writes a few hundred times a second at most.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError, ProgrammingError

from medperf.domain.errors import DuplicateError, InvalidRequestError, UnavailableError
from medperf.server.db.turns import Turns

_KINDS = ("sqlite:///", "postgresql+psycopg://")
THREADS = 8
"""Connections a process holds at most; as many threads may use them."""

BUSY_TIMEOUT_MS = 10_000
_WRITER_LOCK = 0x4D656450  # any number that every process of the server agrees on
_LOCK_TIMEOUT_MS = 10_000
_ADVICE = "Check that the database runs, and database_url in server.yaml; then try again."


class Database:
    """A SQLite file or a PostgreSQL database, by URL.

    With ``for_operator`` errors say why it does not answer; what clients hear names no host.
    """

    def __init__(self, url: str, *, for_operator: bool = False) -> None:
        if url.startswith(("postgresql://", "postgres://")):
            url = "postgresql+psycopg://" + url.split("://", 1)[1]
        if not url.startswith(_KINDS) or url.endswith(":memory:"):
            raise InvalidRequestError(
                "a database's URL is sqlite:///<file> or postgresql://...,"
                f" not {url.partition(':')[0]!r}"
            )
        self.url = url
        self._for_operator = for_operator
        self.engine = _engine(url)
        self._turn = _turns(self.engine)
        self._writing, self._steady = self.engine, self.engine
        if not self.is_sqlite:  # which has one level
            self._writing = self.engine.execution_options(isolation_level="READ COMMITTED")
            self._steady = self.engine.execution_options(isolation_level="REPEATABLE READ")

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded database."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for statements that change nothing; each sees what is committed."""
        with self._translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection whose statements all see one moment of the database."""
        with self._translated(), self._steady.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN")
            yield connection
            connection.rollback()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that holds the writer's lock and commits when the block ends.

        Raises:
            DuplicateError: if a unique constraint is broken.
            UnavailableError: if the database is away or the lock is not had in time.
        """
        with self._translated(), self._turn(), self._writing.connect() as connection:
            try:
                self._take_lock(connection)
                yield connection
                connection.commit()
            except BaseException:
                connection.rollback()
                raise

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """A connection for changes of the schema, which begin and end their own transactions."""
        with self._translated(), self._writing.connect() as connection:
            yield connection
            connection.commit()

    def close(self) -> None:
        """Close every connection; one that is in use is closed when it is given back."""
        event.listen(self.engine, "checkin", _close_connection)
        self.engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError as error:
            raise DuplicateError(
                "this exists already, or names something that does not",
                constraint=_constraint(error),
            ) from error
        except (DataError, OverflowError) as error:
            raise InvalidRequestError(
                "a number is too large or a text holds a zero byte; the database cannot keep it"
            ) from error
        except (OperationalError, ProgrammingError) as error:
            if self._for_operator:
                reason = " ".join(str(error.orig).split())
                raise UnavailableError(
                    f"the database cannot be used: {reason}", hint=_ADVICE
                ) from error
            if isinstance(error, ProgrammingError):
                raise
            raise UnavailableError("the database does not answer now") from error

    def _take_lock(self, connection: Connection) -> None:
        if self.is_sqlite:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(
                text(
                    f"SELECT set_config('lock_timeout', '{_LOCK_TIMEOUT_MS}', true),"
                    f" pg_advisory_xact_lock({_WRITER_LOCK})"
                )
            )


def _turns(engine: Engine) -> Callable[[], AbstractContextManager[None]]:
    # PostgreSQL's advisory lock wakes those who wait, one after the other.
    if engine.dialect.name != "sqlite":
        return nullcontext
    return Turns(Path(str(engine.url.database)), BUSY_TIMEOUT_MS / 1000).turn


def _engine(url: str) -> Engine:
    options: dict[str, Any] = {
        "pool_size": THREADS,
        "max_overflow": 2,
    }
    if url.startswith("sqlite"):
        # The driver begins nothing by itself: a write transaction starts with BEGIN IMMEDIATE.
        options["connect_args"] = {"isolation_level": None, "check_same_thread": False}
    else:
        # Readers are in autocommit and have nothing to roll back when they give a connection back.
        options["isolation_level"] = "AUTOCOMMIT"
        options["skip_autocommit_rollback"] = True
        # Statements are few and prepared: planning one anew can take longer than running it.
        options["connect_args"] = {
            "connect_timeout": 10,
            "options": "-c plan_cache_mode=force_generic_plan -c jit=off",
        }
    engine = create_engine(url, **options)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        # With WAL a power cut may cost the last commits but never consistency; a grant that is lost
        # here would still be believed by its site, so every commit reaches the disk.
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _close_connection(connection: Any, record: Any) -> None:
    if connection is not None:
        record.invalidate()


def _constraint(error: DBAPIError) -> str:
    name = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
    return name or str(error.orig).rsplit(": ", maxsplit=1)[-1]
