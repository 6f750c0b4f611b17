"""Names for content and moments: digests, numbers, aware UTC times."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

DIGEST_PATTERN = r"^(sha256|blake3):[0-9a-f]{64}$"
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9 ._()+-]{0,119}$"
_DIGEST = re.compile(DIGEST_PATTERN)

Digest = Annotated[str, Field(pattern=DIGEST_PATTERN, examples=["sha256:" + "0" * 64])]
"""``algorithm:hex``; sha256 for what other tools name too, blake3 for datasets."""

Name = Annotated[str, Field(pattern=NAME_PATTERN)]
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
