"""Lists, page after page, as the JSON the server sent."""

from collections.abc import Iterator
from typing import Any

from medperf.client.transport import Transport
from medperf.domain.errors import MedPerfError

BASE = "/api/v1"
PAGE_SIZE = 100


def rows(
    transport: Transport, path: str, *, limit: int | None = None, **filters: Any
) -> Iterator[dict[str, Any]]:
    """Yield what GET ``/api/v1/{path}`` lists, by number; filters that are None are left out.

    Raises:
        UnknownFilterError: the server has no such filter.
    """
    cursor, seen = None, 0
    while True:
        size = PAGE_SIZE if limit is None else min(PAGE_SIZE, limit - seen)
        page = transport.get(f"{BASE}/{path}", {**filters, "limit": size, "cursor": cursor})
        if not isinstance(page, dict) or "items" not in page:
            raise MedPerfError(
                f"{transport.url} answered something else than a list of {path}",
                hint="Check the server's address.",
            )
        yield from page["items"]
        seen += len(page["items"])
        cursor = page.get("next_cursor")
        if cursor is None or (limit is not None and seen >= limit):
            return


def newest(
    transport: Transport, path: str, *, limit: int | None, **filters: Any
) -> tuple[list[dict[str, Any]], bool]:
    """The newest of what GET ``/api/v1/{path}`` lists, by number, and whether there are older ones.

    Without a limit, all of it.

    Raises:
        UnknownFilterError: the server has no such filter.
    """
    if limit is None:
        return list(rows(transport, path, **filters)), False
    found = list(rows(transport, path, limit=limit + 1, **filters, newest="true"))
    return found[:limit][::-1], len(found) > limit
