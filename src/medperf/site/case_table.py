"""Read the per-case table that an evaluator left: a stranger's file that decides released numbers.

Nothing in it is believed beyond its own rows: it may be huge, broken, binary, or made to mislead.
Only the columns that the plan needs are read, and they must hold numbers. What is wrong is told by
line and column, never by quoting it.
"""

import csv
import io
import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from medperf.domain.benchmarks import AnalysisPlan
from medperf.domain.case_table import (
    CASE,
    FAILURE,
    FILE_NAME,
    PATIENT,
    CaseTable,
    Evidence,
    columns_of,
)
from medperf.domain.errors import EmptyInputError, MalformedFileError
from medperf.domain.results import MissingEstimate
from medperf.site.stray_files import read_text

MAX_BYTES = 128 * 1024 * 1024
MAX_CASES = 200_000
MAX_COLUMNS = 10_000
MAX_NAME_LENGTH = 256
_REASONS = frozenset(get_args(MissingEstimate.model_fields["reason"].annotation))
_WHAT = f"evaluator's {FILE_NAME}"


def read_case_table(path: Path, plan: AnalysisPlan) -> CaseTable:
    """Read what the plan needs of the table; columns it lacks are left for others to miss.

    Raises:
        EmptyInputError: there is no table, or no case in it.
        MalformedFileError: it is no table, or holds what it must not; the message says where.
    """
    text = read_text(path, max_bytes=MAX_BYTES, what=_WHAT)
    rows = _Rows(plan)
    try:
        lines = csv.reader(io.StringIO(text, newline=""), strict=True)
        rows.start(next(lines, []))
        for cells in lines:
            if cells:
                rows.take(cells, lines.line_num)
    except csv.Error as error:
        raise MalformedFileError(f"the {_WHAT} is not CSV: {error}") from error
    return rows.table()


@dataclass(slots=True)
class _Rows:
    """Collects rows under a header, column by column."""

    plan: AnalysisPlan
    n_columns: int = 0
    places: dict[str, int] = field(default_factory=dict)
    metrics: list[tuple[Evidence, tuple[str, ...]]] = field(default_factory=list)
    cases: set[str] = field(default_factory=set)
    patients: list[str] = field(default_factory=list)
    usable: list[bool] = field(default_factory=list)
    groups: dict[str, list[str]] = field(default_factory=dict)
    columns: dict[str, "array[float]"] = field(default_factory=dict)

    def start(self, header: Sequence[str]) -> None:
        if len(header) > MAX_COLUMNS:
            raise MalformedFileError(f"the {_WHAT} has more than {MAX_COLUMNS} columns")
        self.n_columns = len(header)
        needed = [CASE, PATIENT, FAILURE, *(group.name for group in self.plan.subgroups)]
        for name in needed:
            if name not in header:
                raise MalformedFileError(f"the {_WHAT} has no column '{name}'")
        self.metrics = [
            (evidence, columns)
            for evidence, columns in _columns(self.plan)
            if all(column in header for column in columns)
        ]
        needed += [column for _, columns in self.metrics for column in columns]
        for name in needed:
            if header.count(name) > 1:
                raise MalformedFileError(f"the {_WHAT} has the column '{name}' twice")
            self.places[name] = header.index(name)
        self.groups = {group.name: [] for group in self.plan.subgroups}
        self.columns = {column: array("d") for _, columns in self.metrics for column in columns}

    def take(self, cells: Sequence[str], line: int) -> None:
        if len(cells) != self.n_columns:
            raise MalformedFileError(f"the {_WHAT} has another number of cells in line {line}")
        if len(self.patients) >= MAX_CASES:
            raise MalformedFileError(f"the {_WHAT} has more than {MAX_CASES} cases")
        case, patient = (self._name(cells, column, line) for column in (CASE, PATIENT))
        if case in self.cases:
            raise MalformedFileError(f"the {_WHAT} names a case again in line {line}")
        self.cases.add(case)
        self.patients.append(patient)
        usable = not cells[self.places[FAILURE]]
        self.usable.append(usable)
        for variable, values in self.groups.items():
            values.append(cells[self.places[variable]][:MAX_NAME_LENGTH])
        for evidence, columns in self.metrics:
            numbers = [self._number(cells, column, line, usable=usable) for column in columns]
            if any(map(math.isnan, numbers)) and not all(map(math.isnan, numbers)):
                raise MalformedFileError(
                    f"the {_WHAT} has a number in one column of a metric and none in another, "
                    f"line {line}, column '{columns[0]}'"
                )
            if not _is_possible(evidence, numbers):
                raise MalformedFileError(
                    f"the {_WHAT} has what {evidence} cannot be made of in line {line}, "
                    f"column '{columns[0]}'"
                )
            for column, number in zip(columns, numbers, strict=True):
                self.columns[column].append(number)

    def table(self) -> CaseTable:
        if not self.patients:
            raise EmptyInputError(f"the {_WHAT} holds no case")
        return CaseTable(
            patients=tuple(self.patients),
            usable=self.usable,
            subgroups={name: tuple(values) for name, values in self.groups.items()},
            columns=self.columns,
        )

    def _name(self, cells: Sequence[str], column: str, line: int) -> str:
        name = cells[self.places[column]]
        if not name or len(name) > MAX_NAME_LENGTH or not name.isprintable():
            raise MalformedFileError(
                f"the {_WHAT} has no plain name in line {line}, column '{column}'"
            )
        return name

    def _number(self, cells: Sequence[str], column: str, line: int, *, usable: bool) -> float:
        text = cells[self.places[column]]
        if not usable or not text or text in _REASONS:
            return math.nan
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise MalformedFileError(
                f"the {_WHAT} has no finite number in line {line}, column '{column}'"
            )
        return number


def _columns(plan: AnalysisPlan) -> Iterator[tuple[Evidence, tuple[str, ...]]]:
    for metric in plan.metrics:
        if metric.evidence is not None:
            for label in (None, *(plan.classes if metric.per_class else ())):
                yield metric.evidence, columns_of(metric.name, metric.evidence, label)


def _is_possible(evidence: Evidence, numbers: Sequence[float]) -> bool:
    if math.isnan(numbers[0]) or evidence is Evidence.MEAN:
        return True
    # Of a ratio the denominator and of a concordance the weight: both stand second.
    return numbers[0] in {0.0, 1.0} if evidence is Evidence.AUROC else numbers[1] >= 0
