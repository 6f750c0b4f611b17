"""What routes answer from a view: one thing, or a page of a list.

Both show only what whoever asks may see, with documents as they are stored: nothing here looks into
them. Statements are built once per noun and set of filters; who asks and the values come as
parameters.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, select, type_coerce

from medperf.domain.errors import InvalidRequestError, UnknownFilterError
from medperf.server.call import Caller, Wire
from medperf.server.db.bearer_queries import Bearer, no_good, person, seen_by_bearer
from medperf.server.db.prepared import Prepared
from medperf.server.db.queries import LARGEST_ID, View, flag, whole_number
from medperf.server.db.types import BigId, JsonText, StoredJson

DEFAULT_LIMIT = 32
LARGEST_LIMIT = 200
_PAGING = ("limit", "cursor", "newest")


def one(view: View, connection: Connection, who: Caller | Bearer, number: int) -> Wire:
    """One thing.

    Raises:
        NotFoundError: if there is none with this number that they may see.
        UnauthenticatedError: if a bearer's token is no good.
    """
    found = _one(view).rows(connection, who, {"number": number})
    if not found:
        raise view.not_found(number)
    return _named(view.names, found[0])


def page(
    view: View, connection: Connection, who: Caller | Bearer, asked: Mapping[str, str]
) -> Wire:
    """A page, by number: from the lowest, or from the highest where the newest are asked for.

    Raises:
        UnknownFilterError: if something is asked for that is no filter of this noun.
        InvalidRequestError: if a value is not of its filter's kind.
        UnauthenticatedError: if a bearer's token is no good.
    """
    try:
        wanted = _parse(view, asked)
    except InvalidRequestError:
        if isinstance(who, Bearer):
            person(connection, who)  # whoever is nobody hears that first
        raise
    limit, is_newest = wanted.pop("limit"), wanted.pop("newest")
    after = wanted.pop("cursor") or (LARGEST_ID if is_newest else 0)
    given = {f"filter_{name}": value for name, value in wanted.items()}
    found = _page(view, tuple(sorted(wanted)), is_newest=is_newest).rows(
        connection, who, {**given, "after": after, "size": limit + 1}
    )
    items = [_named(view.list_names, each) for each in found[:limit]]
    more = len(found) > limit
    return {"items": items, "next_cursor": _cursor(items[-1]["id"]) if more else None}


class _Statement:
    """One statement, for somebody who is known already and for a bearer."""

    def __init__(self, statement: Select[Any], *, is_newest: bool = False) -> None:
        self._for_caller = Prepared(statement)
        self._for_bearer = Prepared(seen_by_bearer(statement, is_newest=is_newest))

    def rows(
        self, connection: Connection, who: Caller | Bearer, given: Mapping[str, Any]
    ) -> Sequence[Sequence[Any]]:
        """What they may see; the id comes first, and what nobody asked for last."""
        given = {**who.binds(), **given}
        if isinstance(who, Caller):
            return self._for_caller.all(connection, given)
        found = self._for_bearer.all(connection, given)
        if not found:
            raise no_good()
        return [] if found[0][0] is None else found


@lru_cache(maxsize=256)
def _one(view: View) -> _Statement:
    return _Statement(
        select(*map(_as_stored, view.columns)).where(
            view.table.c.id == bindparam("number"), view.visible
        )
    )


@lru_cache(maxsize=1024)
def _page(view: View, filters: tuple[str, ...], *, is_newest: bool) -> _Statement:
    number: ColumnElement[int] = view.table.c.id
    after: ColumnElement[int] = bindparam("after", type_=BigId)
    return _Statement(
        select(*map(_as_stored, view.list_columns or view.columns))
        .where(number < after if is_newest else number > after, view.visible)
        .where(*(view.filters[name].condition for name in filters))
        .order_by(number.desc() if is_newest else number)
        .limit(bindparam("size")),
        is_newest=is_newest,
    )


def _as_stored(column: ColumnElement[Any]) -> ColumnElement[Any]:
    if not isinstance(column.type, JsonText):
        return column
    return type_coerce(column, StoredJson).label(str(column.key))


def _named(names: Sequence[str], row: Sequence[Any]) -> Wire:
    return dict(zip(names, row, strict=False))


def _parse(view: View, asked: Mapping[str, str]) -> dict[str, Any]:
    parsed: dict[str, Any] = {"limit": DEFAULT_LIMIT, "cursor": None, "newest": False}
    for name, value in asked.items():
        if name == "limit":
            parsed["limit"] = whole_number(name, value)
            if parsed["limit"] > LARGEST_LIMIT:
                raise InvalidRequestError(f"limit is at most {LARGEST_LIMIT}")
        elif name == "cursor":
            parsed["cursor"] = _after(value)
        elif name == "newest":
            parsed["newest"] = flag(name, value)
        elif name in view.filters:
            parsed[name] = view.filters[name].parse(name, value)
        else:
            raise UnknownFilterError(
                f"{view.noun} has no filter {name[:40]!r}; it has:"
                f" {', '.join((*_PAGING, *view.filters))}"
            )
    return parsed


def _cursor(number: int) -> str:
    return urlsafe_b64encode(str(number).encode()).decode().rstrip("=")


def _after(cursor: str) -> int:
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        return whole_number("cursor", text)
    except (binascii.Error, ValueError, InvalidRequestError):
        raise InvalidRequestError("the cursor is not one that this server gave") from None
