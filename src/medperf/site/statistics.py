"""The statistics a preparator writes: what describes a dataset when it is registered."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from medperf.domain.errors import MedPerfError, StepOutputError
from medperf.site.worklist import Report
from medperf.site.yaml_files import read_table

MAX_STATISTICS_BYTES = 256 * 1024


def read_statistics(path: Path, *, log_path: Path) -> dict[str, Any]:
    """Read what a ``statistics`` task wrote: a table with at least one number in it.

    Raises:
        StepOutputError: it is something else; the message names the log.
    """
    try:
        statistics = read_table(path, max_bytes=MAX_STATISTICS_BYTES, what="statistics file")
    except MedPerfError as error:
        raise StepOutputError(f"{error.detail}; the log is {log_path}") from error
    if not any(_numbers(statistics)):
        raise StepOutputError(f"the statistics file holds no number; the log is {log_path}")
    return statistics


def count_cases(statistics: Mapping[str, Any], report: Report | None, data: Path) -> int:
    """How many cases a dataset has.

    What the preparator says counts: ``n_cases`` of its statistics, else the cases of its report.
    Without either, each entry of the data folder is taken for a case.
    """
    said = statistics.get("n_cases")
    if isinstance(said, int) and not isinstance(said, bool) and said >= 0:
        return said
    if report is not None:
        return len(report.cases)
    return sum(1 for _ in data.iterdir()) if data.is_dir() else 1


def _numbers(value: Any) -> Iterator[bool]:
    if isinstance(value, Mapping):
        for child in value.values():
            yield from _numbers(child)
    elif isinstance(value, list):
        for child in value:
            yield from _numbers(child)
    else:
        yield isinstance(value, int | float) and not isinstance(value, bool)
