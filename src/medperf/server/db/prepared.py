"""A statement that is compiled once and then goes straight to the driver.

SQLAlchemy builds every statement here and knows the types. To run one through it costs more than
driver and database together need for a row that is found by its number, most of all on PostgreSQL;
what happens at every request is prepared instead: finding out who asks, one thing, a page of them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Dialect, Select
from sqlalchemy.exc import DBAPIError

Process = Callable[[Any], Any]
K = TypeVar("K")


class Prepared:
    """A SELECT whose parameters come with each run."""

    def __init__(self, statement: Select[Any]) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def all(self, connection: Connection, given: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """The rows, each with the values of the selected columns in their order.

        Raises:
            sqlalchemy.exc.DBAPIError: the database or the driver refused, in SQLAlchemy's words.
        """
        dialect = connection.dialect
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = _compile(self._statement, dialect)
        driver: Any = connection.connection.dbapi_connection
        try:
            found = driver.execute(compiled.text, compiled.parameters(given)).fetchall()
        except dialect.loaded_dbapi.Error as error:
            if dialect.is_disconnect(error, driver, None):
                connection.invalidate(error)
            raise DBAPIError.instance(
                compiled.text, None, error, dialect.loaded_dbapi.Error, hide_parameters=True
            ) from error
        return compiled.read(found)

    def first(self, connection: Connection, given: Mapping[str, Any]) -> Sequence[Any] | None:
        """The first row, or None; for a statement that finds one at most.

        Raises:
            sqlalchemy.exc.DBAPIError: as for all.
        """
        return next(iter(self.all(connection, given)), None)


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


def _compile(statement: Select[Any], dialect: Dialect) -> _Compiled:
    compiled: Any = statement.compile(dialect=dialect)
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
                for place, column in enumerate(statement.selected_columns)
            )
        ),
    )


def _those_that_process(found: Iterable[tuple[K, Process | None]]) -> list[tuple[K, Process]]:
    return [(key, process) for key, process in found if process is not None]
