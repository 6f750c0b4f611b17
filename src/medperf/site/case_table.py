"""Read the per-case table that an evaluator left: a stranger's file that decides what is released.

Nothing in it is believed beyond its own rows: it may be huge, broken, binary, or made to mislead.
Only the columns that the plan names are read. What is wrong is told by line and column, never by
quoting it.

A plan with evidence has the site compute numbers from the table, and so everything it names must be
there and hold numbers. Otherwise the table only says which cases a number is about: then a column
``case`` will do, cases without a column ``patient`` are of one patient each, and a cell in the
column of a metric that is no number is none.
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
    OF_OBJECTS,
    PATIENT,
    CaseTable,
    Evidence,
    FoundObjects,
    columns_of,
    found_in,
    is_possible,
)
from medperf.domain.errors import EmptyInputError, MalformedFileError
from medperf.domain.results import MissingEstimate
from medperf.site.stray_files import read_text

MAX_BYTES = 128 * 1024 * 1024
MAX_CASES = 200_000
MAX_COLUMNS = 10_000
MAX_NAME_LENGTH = 256
MAX_OBJECTS = 1_000_000
_REASONS = frozenset(get_args(MissingEstimate.model_fields["reason"].annotation))
_WHAT = f"evaluator's {FILE_NAME}"


def has_evidence(plan: AnalysisPlan) -> bool:
    """Whether the plan has the site compute numbers from the table."""
    return any(metric.evidence is not None for metric in plan.metrics)


def read_case_table(path: Path, plan: AnalysisPlan) -> CaseTable:
    """Read what the plan names of the table; metrics it lacks are left for others to miss.

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
class _Found:
    """The objects of one column, as they are read."""

    rows: "array[int]" = field(default_factory=lambda: array("l"))
    scores: "array[float]" = field(default_factory=lambda: array("d"))
    hits: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Rows:
    """Collects rows under a header, column by column."""

    plan: AnalysisPlan
    n_columns: int = 0
    places: dict[str, int] = field(default_factory=dict)
    metrics: list[tuple[Evidence, tuple[str, ...]]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    cases: dict[str, str] = field(default_factory=dict)
    usable: list[bool] = field(default_factory=list)
    groups: dict[str, list[str]] = field(default_factory=dict)
    columns: dict[str, "array[float]"] = field(default_factory=dict)
    found: dict[str, "_Found"] = field(default_factory=dict)

    def start(self, header: Sequence[str]) -> None:
        if len(header) > MAX_COLUMNS:
            raise MalformedFileError(f"the {_WHAT} has more than {MAX_COLUMNS} columns")
        self.n_columns = len(header)
        who = [PATIENT, FAILURE, *(group.name for group in self.plan.subgroups)]
        for name in [CASE, *(who if has_evidence(self.plan) else ())]:
            if name not in header:
                raise MalformedFileError(f"the {_WHAT} has no column '{name}'")
        self.metrics = [
            (evidence, columns)
            for evidence, columns in _columns(self.plan)
            if all(column in header for column in columns)
        ]
        self.told = [column for column in _told_columns(self.plan) if column in header]
        numbers = [column for _, columns in self.metrics for column in columns] + self.told
        for name in [CASE, *(name for name in who if name in header), *numbers]:
            if header.count(name) > 1:
                raise MalformedFileError(f"the {_WHAT} has the column '{name}' twice")
            self.places[name] = header.index(name)
        self.groups = {group.name: [] for group in self.plan.subgroups if group.name in self.places}
        self.columns = {column: array("d") for column in numbers}
        self.found = {
            columns[1]: _Found() for evidence, columns in self.metrics if evidence in OF_OBJECTS
        }

    def take(self, cells: Sequence[str], line: int) -> None:
        if len(cells) != self.n_columns:
            raise MalformedFileError(f"the {_WHAT} has another number of cells in line {line}")
        if len(self.cases) >= MAX_CASES:
            raise MalformedFileError(f"the {_WHAT} has more than {MAX_CASES} cases")
        case = self._name(cells, CASE, line)
        if case in self.cases:
            raise MalformedFileError(f"the {_WHAT} names a case again in line {line}")
        self.cases[case] = self._name(cells, PATIENT, line) if PATIENT in self.places else case
        usable = FAILURE not in self.places or not cells[self.places[FAILURE]]
        self.usable.append(usable)
        for variable, values in self.groups.items():
            values.append(cells[self.places[variable]][:MAX_NAME_LENGTH])
        for evidence, columns in self.metrics:
            numbers = [
                self._objects(cells, column, line, usable=usable)
                if column in self.found
                else self._number(cells, column, line, usable=usable)
                for column in columns
            ]
            if any(map(math.isnan, numbers)) and not all(map(math.isnan, numbers)):
                raise MalformedFileError(
                    f"the {_WHAT} has a number in one column of a metric and none in another, "
                    f"line {line}, column '{columns[0]}'"
                )
            if not is_possible(evidence, numbers):
                raise MalformedFileError(
                    f"the {_WHAT} has what {evidence} cannot be made of in line {line}, "
                    f"column '{columns[0]}'"
                )
            for column, number in zip(columns, numbers, strict=True):
                self.columns[column].append(number)
        for column in self.told:
            told = _finite(cells[self.places[column]])
            self.columns[column].append(told if usable and told is not None else math.nan)

    def table(self) -> CaseTable:
        if not self.cases:
            raise EmptyInputError(f"the {_WHAT} holds no case")
        return CaseTable(
            cases=tuple(self.cases),
            patients=tuple(self.cases.values()),
            usable=self.usable,
            subgroups={name: tuple(values) for name, values in self.groups.items()},
            columns=self.columns,
            found={
                name: FoundObjects(each.rows, each.scores, each.hits)
                for name, each in self.found.items()
            },
        )

    def _objects(self, cells: Sequence[str], column: str, line: int, *, usable: bool) -> float:
        """How many objects a cell lists, which are kept."""
        text, kept = cells[self.places[column]], self.found[column]
        if not usable or not text or text in _REASONS:
            return math.nan
        listed = found_in(text)
        digits = {len(hits) for _, hits in listed or ()} | {len(hits) for hits in kept.hits[:1]}
        if listed is None or len(digits) > 1:
            raise MalformedFileError(
                f"the {_WHAT} has no list of found objects in line {line}, column '{column}'"
            )
        if len(kept.hits) + len(listed) > MAX_OBJECTS:
            raise MalformedFileError(
                f"the {_WHAT} has more than {MAX_OBJECTS} objects in column '{column}'"
            )
        for score, hits in listed:
            kept.rows.append(len(self.cases) - 1)
            kept.scores.append(score)
            kept.hits.append(hits)
        return float(len(listed))

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
        number = _finite(text)
        if number is None:
            raise MalformedFileError(
                f"the {_WHAT} has no finite number in line {line}, column '{column}'"
            )
        return number


def _finite(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _columns(plan: AnalysisPlan) -> Iterator[tuple[Evidence, tuple[str, ...]]]:
    for metric in plan.metrics:
        if metric.evidence is not None:
            for label in (None, *(plan.classes if metric.per_class else ())):
                yield metric.evidence, columns_of(metric.name, metric.evidence, label)


def _told_columns(plan: AnalysisPlan) -> Iterator[str]:
    """What says of a metric without evidence which cases count towards it."""
    for metric in plan.metrics:
        if metric.evidence is None:
            for label in (None, *(plan.classes if metric.per_class else ())):
                yield from columns_of(metric.name, Evidence.MEAN, label)
