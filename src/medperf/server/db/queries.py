"""How each noun is read: its columns, who may see it, its filters; and what services read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any
from unicodedata import normalize

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Integer,
    Table,
    and_,
    bindparam,
    literal_column,
    or_,
    select,
)

from medperf.domain.errors import InvalidRequestError, NotFoundError
from medperf.domain.identifiers import is_digest
from medperf.server.call import Caller, Wire
from medperf.server.db.prepared import Prepared

LARGEST_ID = 2**63 - 1

ORGANIZATION = bindparam("caller_organization", type_=Integer)
USER = bindparam("caller_user", type_=Integer)
SITE = bindparam("caller_site", type_=Integer)
IS_ADMIN = bindparam("caller_is_admin", type_=Boolean)

ONE_BY_ONE: ColumnElement[int] = literal_column("0", Integer)
"""An offset for the inside of an EXISTS that is cheap for one row.

PostgreSQL would else compute it for all rows at once, which pays for a whole table and not for one
page of it."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition that a list may be narrowed by; the value is the parameter ``filter_<name>``."""

    condition: ColumnElement[bool]
    parse: Callable[[str, str], Any]
    is_flag: bool = False


def whole_number(name: str, text: str) -> int:
    """A number from 1 that is given as text.

    Raises:
        InvalidRequestError: if it is none.
    """
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) <= LARGEST_ID:
        raise InvalidRequestError(f"{name} is a number from 1, not {text[:40]!r}")
    return int(text)


def _text(_name: str, text: str) -> str:
    return normalize("NFC", text)  # as names are kept


def _digest(name: str, text: str) -> str:
    if not is_digest(text):
        raise InvalidRequestError(f"{name} is a digest such as sha256:..., not {text[:80]!r}")
    return text


def flag(name: str, text: str) -> bool:
    """Whether something is wanted, given as text.

    Raises:
        InvalidRequestError: if it is neither true nor false.
    """
    if text.lower() not in {"true", "false"}:
        raise InvalidRequestError(f"{name} is true or false, not {text[:40]!r}")
    return text.lower() == "true"


def by_id(column: ColumnElement[Any], name: str | None = None) -> Filter:
    """Things whose column has this number."""
    return Filter(column == value_of(name or str(column.key), Integer()), whole_number)


def by_text(column: ColumnElement[Any]) -> Filter:
    """Things whose column is this text."""
    return Filter(column == value_of(str(column.key)), _text)


def by_digest(column: ColumnElement[Any]) -> Filter:
    """Things whose column is this digest."""
    return Filter(column == value_of(str(column.key)), _digest)


def by_choice(column: ColumnElement[Any], choices: Sequence[str]) -> Filter:
    """Things whose column is one of a closed list; another value is an error."""

    def parse(name: str, text: str) -> str:
        if text not in choices:
            raise InvalidRequestError(f"{name} is one of {', '.join(choices)}, not {text[:40]!r}")
        return text

    return Filter(column == value_of(str(column.key)), parse)


def by_relation(condition: ColumnElement[bool]) -> Filter:
    """Things related to the number; the condition refers to it by `value_of`."""
    return Filter(condition, whole_number)


def mine(organization: ColumnElement[Any]) -> Filter:
    """Things of the caller's own organization, or of the others."""
    own = organization == ORGANIZATION
    wanted = value_of("mine", Boolean())
    return Filter(or_(and_(wanted, own), and_(~wanted, ~own)), flag, is_flag=True)


def one_of(column: ColumnElement[Any], *words: str) -> ColumnElement[bool]:
    """Whether a column is one of a few fixed words, which stand in the statement itself.

    A list of parameters would be expanded anew at every execution.
    """
    return column.in_([literal_column(f"'{word}'") for word in words])


def unindexed(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The column, for a condition that must not choose the index of a page.

    A page reads things in the order of their numbers and stops when it is full. Several conditions,
    of which one must hold, tempt SQLite to collect everything by their indexes and sort it instead.
    """
    return column + literal_column("0")


def value_of(name: str, type_: Any = None) -> Any:
    """The value of a filter, inside a condition."""
    return bindparam(f"filter_{name}", type_=type_)


@dataclass(frozen=True)
class View:
    """How one noun is read: its wire columns, who sees it, and what it can be filtered by."""

    noun: str
    table: Table
    columns: tuple[ColumnElement[Any], ...]
    visible: ColumnElement[bool]
    filters: Mapping[str, Filter]
    list_columns: tuple[ColumnElement[Any], ...] | None = None
    """Where a list says less than the thing itself."""

    def __hash__(self) -> int:
        return id(self)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, as plain text: other text is slow to write as JSON."""
        return tuple("".join(str(column.key)) for column in self.columns)

    @cached_property
    def list_names(self) -> tuple[str, ...]:
        """The names of the columns of a list."""
        return tuple("".join(str(column.key)) for column in self.list_columns or self.columns)

    def one(self, connection: Connection, caller: Caller, number: int) -> Wire:
        """Read one thing for a service.

        Raises:
            NotFoundError: if there is none with this number that the caller may see.
        """
        found = _one(self).first(connection, {**caller.binds(), "number": number})
        if found is None:
            raise self.not_found(number)
        return dict(zip(self.names, found, strict=True))

    def not_found(self, number: int) -> NotFoundError:
        """What is said where there is nothing to see."""
        return NotFoundError(f"there is no {self.noun} {number} that you may see")


@lru_cache(maxsize=256)
def _one(view: View) -> Prepared:
    return Prepared(
        select(*view.columns).where(view.table.c.id == bindparam("number"), view.visible)
    )


def value(connection: Connection, column: ColumnElement[Any], *conditions: Any) -> Any:
    """Read one value for a service; None if there is no such row."""
    return connection.execute(select(column).where(*conditions)).scalar()


def numbered(connection: Connection, table: Table, number: int) -> Wire | None:
    """Read the whole row of this number for a service, which has made sure as for `row`."""
    found = _numbered(table).first(connection, {"number": number})
    return None if found is None else dict(zip(table.c.keys(), found, strict=True))


@lru_cache(maxsize=64)
def _numbered(table: Table) -> Prepared:
    return Prepared(select(table).where(table.c.id == bindparam("number")))


def row(connection: Connection, table: Table, *conditions: ColumnElement[bool]) -> Wire | None:
    """Read one whole row for a service, which has made sure that the caller may act on it."""
    found = connection.execute(select(table).where(*conditions)).first()
    return None if found is None else dict(found._mapping)  # noqa: SLF001


def rows(connection: Connection, table: Table, *conditions: ColumnElement[bool]) -> list[Wire]:
    """Read whole rows, by number, for a service."""
    found = connection.execute(
        select(table).where(*conditions).order_by(*table.primary_key.columns)
    )
    return [dict(each._mapping) for each in found]  # noqa: SLF001
