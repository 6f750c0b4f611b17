"""Tables from files: CSV, JSON records or Parquet become rows of text under named columns."""

import csv
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medperf.domain.errors import EmptyInputError, MalformedFileError, NotSupportedError

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text. ``name`` is the file's, for messages."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def require(self, *columns: str) -> None:
        """Refuse the table unless it has these columns.

        Raises:
            MalformedFileError: if one is missing; the message lists what there is.
        """
        for column in columns:
            if column not in self.columns:
                there = ", ".join(self.columns)
                raise MalformedFileError(f"{self.name} has no column '{column}'; it has: {there}")


def read_table(folder: Path, file_name: str, *, may_be_empty: bool = False) -> Table:
    """Read ``file_name`` in ``folder`` (or ``folder`` itself, if it is a file).

    Raises:
        EmptyInputError: if the folder or file is missing or empty, or holds no rows although it
            must.
        MalformedFileError: if the file is not what its ending says.
        NotSupportedError: if nothing here can read this kind of file.
    """
    path = folder if folder.is_file() else folder / file_name
    if not path.is_file():
        raise EmptyInputError(_absence(folder, file_name))
    if path.stat().st_size == 0:
        raise EmptyInputError(f"{path.name} is empty")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        known = ", ".join(sorted(_READERS))
        raise NotSupportedError(f"{path.name} is of no known kind; known: {known}")
    table = reader(path)
    if not table.rows and not may_be_empty:
        raise EmptyInputError(f"{path.name} holds no rows")
    return table


def by_case(table: Table, column: str) -> dict[str, Row]:
    """The rows by the case in ``column``.

    Raises:
        MalformedFileError: if a row names no case, or two rows name the same.
    """
    rows: dict[str, Row] = {}
    for number, row in enumerate(table.rows, start=1):
        case = row[column]
        if not case:
            raise MalformedFileError(f"{table.name}, row {number}: '{column}' is empty")
        if case in rows:
            raise MalformedFileError(f"{table.name} holds the case '{case}' twice")
        rows[case] = row
    return rows


def all_by_case(table: Table, column: str) -> dict[str, list[Row]]:
    """As ``by_case``, where a case has any number of rows."""
    rows: dict[str, list[Row]] = {}
    for row in table.rows:
        rows.setdefault(row[column], []).append(row)
    return rows


def _absence(folder: Path, file_name: str) -> str:
    if not folder.is_dir():
        return f"there is no folder {folder}"
    there = sorted(entry.name for entry in folder.iterdir())
    if not there:
        return f"the folder {folder} is empty; it must hold {file_name}"
    return f"{folder} holds no {file_name}; it holds: {', '.join(there[:5])}"


def _read_csv(path: Path) -> Table:
    rows: list[Row] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            lines = csv.reader(stream, strict=True)
            columns = tuple(cell.strip() for cell in next(lines, []))
            _check_columns(path.name, columns)
            for cells in lines:
                if not cells:
                    continue
                if len(cells) != len(columns):
                    raise MalformedFileError(
                        f"{path.name}, line {lines.line_num}: {len(cells)} cells under "
                        f"{len(columns)} columns"
                    )
                rows.append(dict(zip(columns, (cell.strip() for cell in cells), strict=True)))
    except (csv.Error, UnicodeDecodeError) as fault:
        raise MalformedFileError(f"{path.name} is not CSV in UTF-8: {fault}") from fault
    return Table(path.name, columns, tuple(rows))


def _read_json(path: Path) -> Table:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as fault:
        raise MalformedFileError(f"{path.name} is not JSON: {fault}") from fault
    if not isinstance(document, list) or not all(isinstance(row, dict) for row in document):
        raise MalformedFileError(f"{path.name} must be a list of records")
    return _from_records(path.name, document)


def _read_parquet(path: Path) -> Table:
    try:
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as fault:
        raise NotSupportedError(
            f"{path.name} needs pyarrow, which is not installed here; write CSV instead"
        ) from fault
    try:
        records = parquet.read_table(path).to_pylist()
    except (OSError, ValueError) as fault:
        raise MalformedFileError(f"{path.name} is not Parquet: {fault}") from fault
    return _from_records(path.name, records)


def _from_records(name: str, records: Iterable[Mapping[str, Any]]) -> Table:
    rows = [{key: _text(value) for key, value in record.items()} for record in records]
    columns = tuple(dict.fromkeys(key for row in rows for key in row))
    return Table(name, columns, tuple({key: row.get(key, "") for key in columns} for row in rows))


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _check_columns(name: str, columns: tuple[str, ...]) -> None:
    if len(set(columns)) < len(columns):
        twice = next(column for column in columns if columns.count(column) > 1)
        raise MalformedFileError(f"{name} has the column '{twice}' twice")


_READERS: Mapping[str, Callable[[Path], Table]] = {
    ".csv": _read_csv,
    ".json": _read_json,
    ".parquet": _read_parquet,
}
