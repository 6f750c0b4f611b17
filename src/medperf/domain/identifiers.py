"""Names for content and moments: digests, numbers, aware UTC times."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any
from unicodedata import category, normalize

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer
from pydantic_core import PydanticCustomError

from medperf.domain.errors import InvalidRequestError

DIGEST_PATTERN = r"^(sha256|blake3):[0-9a-f]{64}$"
LONGEST_NAME = 120
NAME_SIGNS = " ._()+-'\N{RIGHT SINGLE QUOTATION MARK}&,\N{EN DASH}"
_DIGEST = re.compile(DIGEST_PATTERN)

Digest = Annotated[str, Field(pattern=DIGEST_PATTERN, examples=["sha256:" + "0" * 64])]
"""``algorithm:hex``; sha256 for what other tools name too, blake3 for datasets."""


def require_name(text: str) -> str:
    """A name as it is kept: letters of any script, composed (NFC), digits, and a few signs.

    Nothing that steers a terminal or turns a line around, nor begins an option or a formula.

    Raises:
        InvalidRequestError: it is none; the message says what names are made of.
    """
    name = normalize("NFC", text)
    if not 0 < len(name) <= LONGEST_NAME or _kind(name[0]) not in "LN" or not _is_clean(name):
        raise InvalidRequestError(
            f"{text[:LONGEST_NAME]!r} is no name: it begins with a letter or digit, and has at most"
            f" {LONGEST_NAME} letters, digits, spaces and {' '.join(NAME_SIGNS.strip())}"
        )
    return name


def _is_clean(name: str) -> bool:
    return all(_kind(char) in "LMN" or char in NAME_SIGNS for char in name)


def _kind(char: str) -> str:
    return category(char)[0]


def _named(text: str) -> str:
    try:
        return require_name(text)
    except InvalidRequestError as error:
        raise PydanticCustomError("name", "{detail}", {"detail": error.detail}) from None


Name = Annotated[str, AfterValidator(_named), Field(json_schema_extra={"maxLength": LONGEST_NAME})]
"""A short name a person can type and a terminal can show."""

Id = Annotated[int, Field(ge=1)]
"""Public numbers are small integers: people type them."""


def is_digest(text: str) -> bool:
    """Whether ``text`` is a digest in the platform's notation."""
    return _DIGEST.match(text) is not None


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a time needs its zone; write it in UTC, ending in Z")
    return moment.astimezone(UTC)


def _parse(value: Any) -> Any:
    return parse_time(value) if isinstance(value, str) else value


def parse_time(text: str) -> datetime:
    """Read an RFC 3339 time.

    Raises:
        ValueError: if it is not one or names no zone.
    """
    return _aware(datetime.fromisoformat(text))


def format_time(moment: datetime) -> str:
    """Write a time as the platform does everywhere: UTC, microseconds, ``Z``."""
    return _aware(moment).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


UtcTime = Annotated[
    datetime,
    BeforeValidator(_parse),
    AfterValidator(_aware),
    PlainSerializer(format_time, when_used="json"),
]
