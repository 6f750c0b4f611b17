"""The site's SQLite file: one connection, short transactions, versioned tables.

Agent threads share a `Store`; the command line opens its own on the same file. WAL lets both work
at once: readers never wait, and writers wait for one another up to ``BUSY_TIMEOUT_S``. So keep
transactions short and do no other I/O inside one.

Each store module owns its tables and says so with a `Component`: a name and the scripts that made
and changed its tables. A script that was released is never edited; a change is one script more.
"""

import shutil
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from medperf.domain.errors import ConflictError, DiskFullError, MedPerfError, UnavailableError

BUSY_TIMEOUT_S = 20.0
_LOOK_EVERY_S = 0.01
_LEAST_BYTES = 256 * 1024
"""With less free space the files that SQLite makes beside its own do not fit."""

Row = sqlite3.Row


@dataclass(frozen=True, slots=True)
class Component:
    """The tables of one store module, as the scripts that bring them up to date."""

    name: str
    scripts: tuple[str, ...]


class Store:
    """One open store. Safe to use from many threads; close it when done."""

    def __init__(self, path: Path, components: Iterable[Component]) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._connection = _connect(path)
        self._version = 0
        try:
            _migrate(self._connection, components)
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """Everything inside happens, or nothing of it does; inside another one it joins that.

        With ``durable`` it also survives a power failure from the moment the block ends; without,
        only the end of the process (the last moments before a power failure may be lost).

        Raises:
            DiskFullError: there is no space left; nothing was changed.
            UnavailableError: another process kept the file locked for too long.
        """
        with self._lock, named_errors(self.path):
            if self._connection.in_transaction:
                yield self._connection
                return
            connection = self._connection
            if durable:
                connection.execute("PRAGMA synchronous = FULL")
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite may have rolled back by itself
                    connection.execute("ROLLBACK")
                raise
            finally:
                if durable:
                    connection.execute("PRAGMA synchronous = NORMAL")

    def rows(self, query: str, values: Sequence[Any] | dict[str, Any] = ()) -> list[Row]:
        """Every row that a query answers."""
        with self._lock, named_errors(self.path):
            return self._connection.execute(query, values).fetchall()

    def row(self, query: str, values: Sequence[Any] | dict[str, Any] = ()) -> Row | None:
        """The first row that a query answers, if there is one."""
        with self._lock, named_errors(self.path):
            found: Row | None = self._connection.execute(query, values).fetchone()
            return found

    def changed_elsewhere(self) -> bool:
        """Whether another process wrote to the file since this was last asked; very cheap."""
        with self._lock, named_errors(self.path):
            version = int(self._connection.execute("PRAGMA data_version").fetchone()[0])
            changed, self._version = version != self._version, version
            return changed


def _connect(path: Path) -> sqlite3.Connection:
    with named_errors(path):
        connection = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = Row
        try:
            path.chmod(0o600)
            _write_ahead(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            connection.close()
            raise
        return connection


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Turn WAL on; a new file is locked for it, and SQLite itself does not wait for that lock."""
    until = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if _kind(error) != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_LOOK_EVERY_S)
        else:
            return


def _migrate(connection: sqlite3.Connection, components: Iterable[Component]) -> None:
    with named_errors(None):
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS versions (component TEXT PRIMARY KEY, version INTEGER)"
            )
            for component in components:
                _bring_up_to_date(connection, component)
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise


def _bring_up_to_date(connection: sqlite3.Connection, component: Component) -> None:
    found = connection.execute(
        "SELECT version FROM versions WHERE component = ?", (component.name,)
    ).fetchone()
    version = found["version"] if found else 0
    if version > len(component.scripts):
        raise ConflictError(
            f"the site's store was written by a newer MedPerf (its {component.name} tables have"
            f" version {version}, this program knows {len(component.scripts)})",
            hint="Use the newer program; an older one cannot read this store.",
        )
    for script in component.scripts[version:]:
        for statement in _statements(script):
            connection.execute(statement)
    connection.execute(
        "INSERT OR REPLACE INTO versions VALUES (?, ?)", (component.name, len(component.scripts))
    )


def _statements(script: str) -> Iterator[str]:
    # executescript() would commit; a trigger holds semicolons, so SQLite itself says what is whole.
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement


@contextmanager
def named_errors(path: Path | None) -> Iterator[None]:
    """Say in our words what SQLite means by an error that is not about a statement's content.

    Raises:
        DiskFullError: there is no space left.
        UnavailableError: another process keeps the file locked.
        MedPerfError: the file cannot be used.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        raise _named(error, path) from error


def _named(error: sqlite3.OperationalError, path: Path | None) -> MedPerfError:
    where = path or "the store"
    code = _kind(error)
    # Where SQLite cannot even make the files beside its own, it tells of an input or output error.
    is_stuck = code in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN} and _is_full(path)
    if code == sqlite3.SQLITE_FULL or is_stuck:
        return DiskFullError(f"no space is left for {where}")
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return UnavailableError(f"another process keeps {where} locked")
    return MedPerfError(f"{where} cannot be used: {error}", hint="Check the file and its disk.")


def _is_full(path: Path | None) -> bool:
    try:
        return path is not None and shutil.disk_usage(path.parent).free < _LEAST_BYTES
    except OSError:
        return False


def _kind(error: sqlite3.OperationalError) -> int:
    """The primary result code; the upper bits say more."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF
