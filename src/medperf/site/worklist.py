"""The preparation report as a worklist: which cases wait for a person, and why.

The report is a table, column → {case → value}, that the preparator keeps up to date. Columns:
``status`` (a number; negative needs attention), ``status_name``, ``comment``, ``data_path``,
``labels_path``; others are kept as they are. Only ``status`` must be there.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medperf.domain.errors import MalformedFileError
from medperf.site.yaml_files import read_table

MAX_REPORT_BYTES = 64 * 1024 * 1024
_TEXTS = ("status_name", "comment", "data_path", "labels_path")
_SAID = "preparation report"


@dataclass(frozen=True, slots=True)
class CaseReport:
    """What the preparator says of one case. The paths are those of the container."""

    case: str
    status: float
    status_name: str
    comment: str = ""
    data_path: str = ""
    labels_path: str = ""
    other: Mapping[str, Any] = field(default_factory=dict)

    @property
    def needs_attention(self) -> bool:
        """Whether a person must do something before the case can go on."""
        return self.status < 0


@dataclass(frozen=True, slots=True)
class Report:
    """What the preparator says of all cases, in the order of their names."""

    cases: tuple[CaseReport, ...]

    @property
    def outstanding(self) -> tuple[CaseReport, ...]:
        """The cases that wait for a person."""
        return tuple(case for case in self.cases if case.needs_attention)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many cases there are of each status, the worst status first."""
        first: dict[str, float] = {}
        for case in self.cases:
            first[case.status_name] = min(case.status, first.get(case.status_name, case.status))
        counted = Counter(case.status_name for case in self.cases)
        return {name: counted[name] for name in sorted(counted, key=lambda n: (first[n], n))}


def read_report(path: Path) -> Report | None:
    """Read a report; None when the preparator wrote none.

    Raises:
        MalformedFileError: it is not such a table; the message names the column and the case.
        UnreadableFileError: it cannot be read.
    """
    if not path.exists() or (path.is_file() and path.stat().st_size == 0):
        return None
    table = read_table(path, max_bytes=MAX_REPORT_BYTES, what=_SAID)
    return Report(tuple(_cases(table))) if table else None


def _cases(table: Mapping[str, Any]) -> Iterator[CaseReport]:
    for name, column in table.items():
        if not isinstance(column, dict):
            raise MalformedFileError(
                f"the {_SAID}'s column {name!r} is not a table of cases",
                hint="A report is a table of columns; each column names a value for each case.",
            )
    if "status" not in table:
        raise MalformedFileError(
            f"the {_SAID} has no column 'status'; it has {', '.join(map(repr, table)) or 'none'}",
            hint="Tell the preparator's owner: each case needs a status, a number.",
        )
    known = dict.fromkeys(case for column in table.values() for case in column)
    others = [name for name in table if name not in {"status", *_TEXTS}]
    for case in sorted(known, key=_natural):
        status = _status(table["status"].get(case), case)
        texts = {name: _text(table.get(name, {}).get(case)) for name in _TEXTS}
        yield CaseReport(
            case=case,
            status=status,
            **texts | {"status_name": texts["status_name"] or f"status {status:g}"},
            other={name: table[name][case] for name in others if case in table[name]},
        )


def _status(value: Any, case: str) -> float:
    try:
        status = math.nan if value is None or isinstance(value, bool) else float(value)
    except (ValueError, TypeError):
        status = math.nan
    if math.isfinite(status):
        return status
    raise MalformedFileError(
        f"the {_SAID}'s status of case {case!r} is not a number but {value!r}",
        hint="Tell the preparator's owner: each case needs a status, a number.",
    )


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _natural(case: str) -> tuple[tuple[bool, int, str, str], ...]:
    """Sort ``case 2`` before ``case 10``; a number may be longer than Python would read."""
    return tuple(
        (False, len(number := part.lstrip("0")), number, part)
        if part.isdecimal()
        else (True, 0, part, part)
        for part in re.split(r"(\d+)", case)
        if part
    )
