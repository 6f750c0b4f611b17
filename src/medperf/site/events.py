"""What a site's log says: past-tense events with fields from a list, and nothing else.

Logs travel: to a screen, a file, a support request. So file names below data folders, container
output, labels and texts of containers' errors have no field to be in.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

FIELDS = frozenset(
    {
        "job",
        "dataset",
        "benchmark_id",
        "model_id",
        "dataset_id",
        "execution_id",
        "agreement_id",
        "result_id",
        "state",
        "action",
        "code",
        "task",
        "count",
        "attempts",
        "retry_s",
        "duration_s",
        "reused",
        "site_id",
        "server",
        "pid",
    }
)
_OURS = {"event", "level", "timestamp"}


def site_log(stream: TextIO | None = None, *, strict: bool = False) -> Any:
    """A logger that writes JSON lines; with ``strict`` an unknown field is an error."""

    def only_known(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        unknown = set(event) - FIELDS - _OURS
        if unknown and strict:
            raise AssertionError(f"log fields that are not on the list: {sorted(unknown)}")
        return {key: value for key, value in event.items() if key not in unknown}

    return structlog.wrap_logger(
        structlog.PrintLogger(stream or sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            only_known,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
