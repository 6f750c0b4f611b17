"""The cohort: which cases there are, of which patients, in which subgroups."""

import re
from dataclasses import dataclass
from pathlib import Path

from medperf.components.evaluator.sections import CASE, Section
from medperf.components.evaluator.tables import by_case, read_table
from medperf.components.evaluator.tasks.base import Member
from medperf.domain.errors import EmptyInputError, MalformedFileError


@dataclass(frozen=True, slots=True)
class Subgroup:
    """A pre-registered subgroup variable: its column in the labels file and its values."""

    name: str
    column: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CohortSource:
    """A table with a row per case; or, without one, the names of the files with the references."""

    file: str | None
    case: str
    patient: str | None
    files: str | None
    subgroups: tuple[Subgroup, ...]

    @classmethod
    def parse(cls, labels: Section, subgroups: tuple[Subgroup, ...]) -> "CohortSource":
        """Read the keys that every clinical task has under ``labels``.

        Raises:
            MalformedFileError: if one is missing or of a wrong kind.
        """
        files = labels.file_names("files") if labels.holds("files") else None
        if files is not None and not labels.holds("case"):
            if subgroups:
                raise MalformedFileError(
                    "subgroups need a table of the cases: labels.file and labels.case"
                )
            return cls(None, "", None, files, ())
        return cls(
            labels.optional_text("file") or "labels.csv",
            labels.text("case"),
            labels.optional_text("patient"),
            files,
            subgroups,
        )

    def read(self, labels: Path) -> list[Member]:
        """The cases, in the order of the table or of the file names.

        Raises:
            EmptyInputError: if there are none.
            MalformedFileError: if a column is missing or a case occurs twice.
        """
        if self.file is None:
            return self._from_files(labels)
        table = read_table(labels, self.file)
        columns = [self.case, *(s.column for s in self.subgroups)]
        table.require(*columns, *([self.patient] if self.patient else []))
        return [
            Member(
                case=case,
                patient=row[self.patient] if self.patient else case,
                subgroups={s.name: row[s.column] for s in self.subgroups},
                row=row,
            )
            for case, row in by_case(table, self.case).items()
        ]

    def _from_files(self, labels: Path) -> list[Member]:
        before, after = (self.files or "").split(CASE)
        pattern = re.compile(f"{re.escape(before)}([^/]+){re.escape(after)}")
        names = sorted(
            path.relative_to(labels).as_posix() for path in labels.rglob("*") if path.is_file()
        )
        cases = [found[1] for name in names if (found := pattern.fullmatch(name))]
        if not cases:
            raise EmptyInputError(f"{labels} holds no file named like {self.files}")
        return [Member(case, case, {}, {}) for case in cases]
