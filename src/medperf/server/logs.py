"""Structured logs: one JSON object per line, with fields from a closed list.

A field that is not listed is dropped and named in ``dropped``, so nothing personal (tokens, e-mail
addresses, names) gets into a log by accident; tests make it an error.
"""

import logging
import sys
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

FIELDS = frozenset(
    {
        "event",
        "level",
        "at",
        "method",
        "route",
        "status",
        "duration_ms",
        "code",
        "error",
        "processes",
        "process",
        "address",
        "database",
        "version",
    }
)


def configure_logs(stream: TextIO | None = None) -> None:
    """Write the program's and uvicorn's events as JSON lines."""
    output = stream or sys.stderr
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            only_listed_fields,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(output),
        cache_logger_on_first_use=False,
    )


def only_listed_fields(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Keep the fields of the list, and name those that were dropped."""
    kept: dict[str, Any] = {name: value for name, value in event.items() if name in FIELDS}
    dropped = sorted(event.keys() - FIELDS)
    if dropped:
        kept["dropped"] = dropped
    return kept
