"""A statement that is compiled once and then goes straight to the driver.

SQLAlchemy builds every statement here and knows the types. To run one through it costs more than
driver and database together need for a row that is found by its number, most of all on PostgreSQL;
what happens at every request is prepared instead: finding out who asks, one thing, a page of them,
and what every write adds.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Delete, Dialect, Insert, Select, Update
from sqlalchemy.exc import DBAPIError

Process = Callable[[Any], Any]
K = TypeVar("K")
Statement = Select[Any] | Insert | Update | Delete


class Prepared:
    """A statement whose parameters come with each run.

    Args:
        statement: to run; a write names the columns that it gets values for.
        columns: that an INSERT or UPDATE sets, each from the parameter of its name.
    """

    def __init__(self, statement: Statement, columns: Iterable[str] = ()) -> None:
        self._statement = statement
        self._columns = list(columns) or None
        self._compiled: dict[str, _Compiled] = {}

    def all(self, connection: Connection, given: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Run it: the rows, each with the values of the selected columns in their order.

        Raises:
            sqlalchemy.exc.DBAPIError: the database or the driver refused, in SQLAlchemy's words.
        """
        compiled = self._compiled_for(connection.dialect)
        driver: Any = connection.connection.dbapi_connection
        try:
            done = driver.execute(compiled.text, compiled.parameters(given))
            found = done.fetchall() if compiled.has_rows else ()
        except connection.dialect.loaded_dbapi.Error as error:
            raise _in_words_of_sqlalchemy(connection, compiled.text, error) from error
        return compiled.read(found)

    def many(self, connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
        """Run it once for each of these parameters; it answers nothing.

        Raises:
            sqlalchemy.exc.DBAPIError: as for all.
        """
        compiled = self._compiled_for(connection.dialect)
        driver: Any = connection.connection.dbapi_connection
        try:
            driver.cursor().executemany(compiled.text, [compiled.parameters(row) for row in rows])
        except connection.dialect.loaded_dbapi.Error as error:
            raise _in_words_of_sqlalchemy(connection, compiled.text, error) from error

    def first(self, connection: Connection, given: Mapping[str, Any]) -> Sequence[Any] | None:
        """The first row, or None; for a statement that finds one at most.

        Raises:
            sqlalchemy.exc.DBAPIError: as for all.
        """
        return next(iter(self.all(connection, given)), None)

    def _compiled_for(self, dialect: Dialect) -> "_Compiled":
        known = self._compiled.get(dialect.name)
        if known is None:
            known = _compile(self._statement, dialect, self._columns)
            self._compiled[dialect.name] = known
        return known


def _in_words_of_sqlalchemy(connection: Connection, text: str, error: Any) -> DBAPIError:
    dialect = connection.dialect
    if dialect.is_disconnect(error, connection.connection.dbapi_connection, None):
        connection.invalidate(error)
    kind = dialect.loaded_dbapi.Error
    said: DBAPIError = DBAPIError.instance(text, None, error, kind, hide_parameters=True)
    return said


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A statement in the words of one kind of database."""

    text: str
    constants: Mapping[str, Any]
    """The values that stand in the statement itself, by parameter."""
    order: tuple[str, ...] | None
    """The parameters one after the other, where the driver does not take names."""
    writers: tuple[tuple[str, Process], ...]
    readers: tuple[tuple[int, Process], ...]
    has_rows: bool

    def parameters(self, given: Mapping[str, Any]) -> Mapping[str, Any] | Sequence[Any]:
        values = {**self.constants, **given}
        for name, process in self.writers:
            values[name] = process(values[name])
        return values if self.order is None else [values[name] for name in self.order]

    def read(self, found: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
        if not self.readers:
            return found
        rows = [list(row) for row in found]
        for place, process in self.readers:
            for row in rows:
                row[place] = process(row[place])
        return rows


def _compile(statement: Statement, dialect: Dialect, columns: list[str] | None) -> _Compiled:
    compiled: Any = statement.compile(dialect=dialect, column_keys=columns)
    selected = tuple(statement.exported_columns)
    binds = {name: compiled.binds[name] for name in compiled.params}
    writers = dict(
        _those_that_process(
            (name, bind.type.dialect_impl(dialect).bind_processor(dialect))
            for name, bind in binds.items()
        )
    )
    constants = {name: bind.effective_value for name, bind in binds.items() if not bind.required}
    return _Compiled(
        text=str(compiled),
        constants={
            name: writers[name](constant) if name in writers else constant
            for name, constant in constants.items()
        },
        order=tuple(compiled.positiontup) if compiled.positional else None,
        writers=tuple(each for each in writers.items() if each[0] not in constants),
        readers=tuple(
            _those_that_process(
                (place, column.type.dialect_impl(dialect).result_processor(dialect, None))
                for place, column in enumerate(selected)
            )
        ),
        has_rows=bool(selected),
    )


def _those_that_process(found: Iterable[tuple[K, Process | None]]) -> list[tuple[K, Process]]:
    return [(key, process) for key, process in found if process is not None]
