"""Reading one hospital's export: which dialect it is, and its rows as unified values."""

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class BadExportError(Exception):
    """The export as a whole cannot be read; the message says what to correct."""


@dataclass(frozen=True, slots=True)
class PreparedCase:
    """A case that is ready: unified values by feature, its class, and its texture group."""

    values: Mapping[str, float]
    diagnosis: str
    texture_group: str


@dataclass(frozen=True, slots=True)
class CaseReport:
    """Where one case stands. A negative ``status`` waits for a person."""

    status: int
    status_name: str
    comment: str = ""
    prepared: PreparedCase | None = None


class _BadRowError(Exception):
    pass


def features(parameters: Mapping[str, Any]) -> list[str]:
    """The unified column names, in order."""
    return [f"{q}_{s}" for s in parameters["statistics"] for q in parameters["quantities"]]


def recognize(data: Path, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """The dialect whose data file lies in the folder ``data``."""
    found = [export for export in parameters["exports"] if (data / export["data_file"]).is_file()]
    if len(found) == 1:
        return dict(found[0])
    there = ", ".join(sorted(p.name for p in data.iterdir())) if data.is_dir() else ""
    wanted = ", ".join(export["data_file"] for export in parameters["exports"])
    raise BadExportError(
        f"the raw data folder must hold exactly one of {wanted}; it holds {there or 'nothing'}"
    )


def read_cases(
    data: Path, labels: Path, parameters: Mapping[str, Any]
) -> Iterator[tuple[str, CaseReport]]:
    """Yield every case of the export with where it stands, in the order of the export."""
    export = recognize(data, parameters)
    diagnoses = _diagnoses(labels / export["labels_file"], export)
    excluded = _excluded(data / "excluded_cases.txt")
    seen: set[str] = set()
    for line, row in _rows(data / export["data_file"], export):
        patient = (row.get(export["patient"]) or "").strip()
        if not patient:
            # A row that belongs to nobody still has to be seen by somebody.
            yield f"line {line}", CaseReport(-1, "INVALID", f"line {line}: no patient number")
        elif patient in seen:
            yield (
                f"{patient} (line {line})",
                CaseReport(-1, "INVALID", f"line {line}: a second row"),
            )
        elif patient in excluded:
            yield patient, CaseReport(2, "EXCLUDED", "listed in excluded_cases.txt")
        else:
            yield patient, _case(line, row, diagnoses.get(patient), export, parameters)
        seen.add(patient)


def _case(
    line: int,
    row: Mapping[str, str],
    label: str | None,
    export: Mapping[str, Any],
    parameters: Mapping[str, Any],
) -> CaseReport:
    if label is None:
        return CaseReport(-2, "NO_LABEL", f"no row in {export['labels_file']}")
    if label not in export["labels"]:
        known = " or ".join(export["labels"])
        return CaseReport(-2, "NO_LABEL", f"the label in {export['labels_file']} is not {known}")
    try:
        values = _values(row, export, parameters)
    except _BadRowError as fault:
        return CaseReport(-1, "INVALID", f"line {line}: {fault}")
    groups = parameters["texture_groups"]
    texture = values["texture_mean"]
    group = next(g["name"] for g in groups if texture <= g.get("up_to", texture))
    return CaseReport(1, "PREPARED", prepared=PreparedCase(values, export["labels"][label], group))


def _values(
    row: Mapping[str, str], export: Mapping[str, Any], parameters: Mapping[str, Any]
) -> dict[str, float]:
    values = {}
    for statistic in parameters["statistics"]:
        for quantity in parameters["quantities"]:
            column = _column(quantity, statistic, export)
            power = parameters["power_of_length"].get(quantity, 0)
            number = _number(row, column, export.get("decimal", "."))
            feature = f"{quantity}_{statistic}"
            # Ten digits keep all that was measured and drop what the unit's arithmetic added.
            values[feature] = float(f"{number * export['micrometers'] ** power:.10g}")
            low, high = parameters["plausible"].get(feature, (-math.inf, math.inf))
            if not low <= values[feature] <= high:
                raise _BadRowError(f"'{column}' is outside of what is plausible; check its unit")
    return values


def _column(quantity: str, statistic: str, export: Mapping[str, Any]) -> str:
    return str(export["column"]).format(
        quantity=export.get("quantity_names", {}).get(quantity, quantity),
        statistic=export.get("statistic_names", {}).get(statistic, statistic),
    )


def _number(row: Mapping[str, str], column: str, decimal: str) -> float:
    try:
        number = float((row.get(column) or "").replace(decimal, "."))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _BadRowError(f"'{column}' is not a number")
    return number


def _diagnoses(path: Path, export: Mapping[str, Any]) -> dict[str, str]:
    if not path.is_file():
        raise BadExportError(f"the raw labels folder holds no {path.name}")
    return {
        (row.get(export["patient"]) or "").strip(): (row.get(export["label"]) or "").strip()
        for _, row in _rows(path, {**export, "unit_lines": 0})
    }


def _excluded(path: Path) -> set[str]:
    if not path.is_file():
        return set()
    lines = path.read_text(encoding="utf-8").splitlines()
    return {line.split("#")[0].strip() for line in lines} - {""}


def _rows(path: Path, export: Mapping[str, Any]) -> Iterator[tuple[int, dict[str, str]]]:
    encoding = export.get("encoding", "utf-8")
    try:
        with path.open(encoding=encoding, newline="") as stream:
            reader = csv.DictReader(stream, delimiter=export["delimiter"])
            needed = export["patient"]
            if needed not in (reader.fieldnames or ()):
                raise BadExportError(f"{path.name} has no column '{needed}'")
            for number, row in enumerate(reader):
                if number >= export.get("unit_lines", 0):
                    yield reader.line_num, row
    except (UnicodeDecodeError, csv.Error) as fault:
        raise BadExportError(f"{path.name} is not a table in {encoding}: {fault}") from fault
