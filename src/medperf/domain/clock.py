"""Time is an argument: whoever needs the clock is given one."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Answers with the current aware UTC time."""


def system_clock() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)
