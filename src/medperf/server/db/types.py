"""How values are kept, the same on SQLite and PostgreSQL.

Times are the platform's RFC 3339 text (fixed width, so text order is time order) and documents are
JSON text: what is stored is what is sent, and nothing in SQL looks inside a document.
"""

from datetime import datetime
from typing import Any

import orjson
from pydantic_core import from_json, to_json
from sqlalchemy import BigInteger, Dialect, Integer, String, Text, TypeDecorator

from medperf.domain.identifiers import format_time

BigId = BigInteger().with_variant(Integer(), "sqlite")
"""Numbers of things; SQLite counts up only in a column that is exactly INTEGER."""


class TimeText(TypeDecorator[Any]):
    """A moment: given as an aware datetime, read as text."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Write a moment as the platform does everywhere."""
        return format_time(value) if isinstance(value, datetime) else value


class JsonText(TypeDecorator[Any]):
    """A document: given and read as plain values."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Write it as JSON; None is no document."""
        return None if value is None else to_json(value, inf_nan_mode="constants").decode()

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002
        """Read it."""
        return None if value is None else from_json(value)


class StoredJson(JsonText):
    """A document as it is stored, for an answer that holds it and looks at nothing in it."""

    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002
        """Leave it as it is; orjson writes it unread."""
        return None if value is None else orjson.Fragment(value)
