"""Reads the table of cases that an evaluator left beside its results, for the gate alone.

The file comes out of a container. Whatever is wrong with it, nothing breaks: there are no rows
then, cohorts are known by their size only, and the site's people are told.
"""

import csv
import hmac
import io
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from medperf.domain.case_table import CASE, FAILURE, FILE_NAME, PATIENT
from medperf.domain.errors import MalformedFileError
from medperf.policy.cohorts import PATIENT_BYTES
from medperf.policy.screening import CaseRow
from medperf.site.stray_files import read_text

MAX_BYTES = 128 * 1024**2


def read_rows(path: Path, key: bytes) -> list[CaseRow]:
    """Read ``cases.csv``: a row per case with ``case``, ``patient``, ``failure`` and more columns.

    Args:
        path: the file; it need not be there.
        key: the site's secret, under which cases and patients are hashed.

    Raises:
        MalformedFileError: there is a file, and it is no such table.
    """
    if not path.exists():
        return []
    try:
        text = read_text(path, max_bytes=MAX_BYTES, what=FILE_NAME)
        rows = [_row(cells, key) for cells in _cells(io.StringIO(text, newline=""))]
    except (csv.Error, ValueError) as error:
        raise MalformedFileError(f"{FILE_NAME} is not a table: {error}") from None
    if len({row.tag for row in rows}) < len(rows):
        raise MalformedFileError(f"{FILE_NAME} names a case twice")
    return rows


def tag_of(key: bytes, patient: str, case: str) -> bytes:
    """What stands for a case in the ledger; it begins with what stands for its patient."""
    return _hash(key, "patient", patient) + _hash(key, "case", case)


def _cells(stream: Iterator[str]) -> Iterator[Mapping[str, str]]:
    reader = csv.DictReader(stream, strict=True, restkey=CASE, restval="")
    if CASE not in (reader.fieldnames or ()):
        raise ValueError("there is no column 'case'")
    for cells in reader:
        if not isinstance(cells[CASE], str) or not cells[CASE]:
            raise ValueError(f"line {reader.line_num} names no case or has too many cells")
        yield cells


def _row(cells: Mapping[str, str], key: bytes) -> CaseRow:
    patient = cells.get(PATIENT) or cells[CASE]
    numbers = {name: _number(text) for name, text in cells.items()}
    return CaseRow(
        tag=tag_of(key, patient, cells[CASE]),
        patient=patient,
        is_usable=not cells.get(FAILURE),
        subgroups=cells,
        numbers={name: number for name, number in numbers.items() if number is not None},
    )


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _hash(key: bytes, kind: str, name: str) -> bytes:
    return hmac.digest(key, f"{kind}:{name}".encode(), "sha256")[:PATIENT_BYTES]
