"""Tasks whose predictions are one row per case: labels and predictions joined by the case."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medperf.components.evaluator.sections import Section
from medperf.components.evaluator.tables import Row, Table, by_case, read_table
from medperf.components.evaluator.tasks.base import EMPTY, NOT_A_NUMBER, Failure, Member
from medperf.domain.errors import MalformedFileError

# Sums of float32 probabilities, and of values written with three decimals, are off by this much.
ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class PredictionsFile:
    """Where the predictions are, and the column with the case."""

    file: str
    case: str

    @classmethod
    def parse(cls, section: Section) -> "PredictionsFile":
        """Read the two keys that every such task has under ``predictions``."""
        return cls(section.optional_text("file") or "predictions.csv", section.text("case"))

    def read(
        self, folder: Path, members: Sequence[Member], columns: Sequence[str]
    ) -> tuple[Table, dict[str, Row]]:
        """The predictions by case.

        Raises:
            MalformedFileError: if a column is missing, a case occurs twice, or no prediction
                belongs to any case.
        """
        table = read_table(folder, self.file)
        table.require(self.case, *columns)
        rows = by_case(table, self.case)
        if not any(member.case in rows for member in members):
            raise MalformedFileError(
                f"no case of {table.name} is among the reference labels; compare the case columns"
            )
        return table, rows


def require_labels(members: Sequence[Member], *columns: str) -> None:
    """Refuse a labels table without these columns.

    Raises:
        MalformedFileError: if one is missing.
    """
    for column in columns:
        if members and column not in members[0].row:
            there = ", ".join(members[0].row)
            raise MalformedFileError(f"the labels have no column '{column}'; they have: {there}")


def number_in(row: Mapping[str, str], column: str) -> float | Failure:
    """A finite number, or why there is none."""
    text = row[column]
    if not text:
        return Failure(EMPTY, f"'{column}' is empty")
    try:
        number = float(text)
    except ValueError:
        return Failure(NOT_A_NUMBER, f"'{column}' holds {text!r}")
    if number - number != 0:  # neither infinite nor NaN
        return Failure(NOT_A_NUMBER, f"'{column}' holds {text!r}")
    return number


def reference_number(member: Member, column: str) -> float:
    """A number of the labels table.

    Raises:
        MalformedFileError: if there is none: a reference label is the site's to mend.
    """
    found = number_in(member.row, column)
    if isinstance(found, Failure):
        raise MalformedFileError(f"the labels of case '{member.case}': {found.detail}")
    return found


def probability_in(name: str, case: str, row: Mapping[str, str], column: str) -> float | Failure:
    """A number from 0 to 1.

    Raises:
        MalformedFileError: if it is a number outside: then the whole column means something else.
    """
    number = number_in(row, column)
    if isinstance(number, Failure):
        return number
    if not -ROUNDING <= number <= 1 + ROUNDING:
        raise MalformedFileError(
            f"{name}: case '{case}' has {number:g} in '{column}', which is no probability"
        )
    return min(max(number, 0.0), 1.0)
