"""The committee's preparator: two kinds of export become one table, one labels file, one report.

``prepare`` can be run again: a row that was outstanding is taken in once the export is mended, or
left out when ``excluded_cases.txt`` beside the data names its patient. What is unknown about a
patient stays unknown; models fill it as they like.
"""

import argparse
import csv
import os
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml

sys.dont_write_bytecode = True  # the folder is read-only, and its bytes are its digest

ROOT = Path("/mlcommons/volumes")
PARAMETERS_FILE = "parameters/parameters_file.yaml"
OUTSTANDING, UNREADABLE = 1, 2
Row = dict[str, str]


class BadExportError(Exception):
    """The export as a whole cannot be read."""


class BadRowError(Exception):
    """One patient waits for a person."""


def prepare(options: argparse.Namespace, parameters: Mapping[str, Any]) -> int:
    """Unify the export; write the report even when patients are outstanding."""
    export, rows = _open(options.data_path, parameters)
    outcomes = {
        row[export["patient"]]: row
        for row in _read(options.labels_path / export["labels_file"], export["delimiter"])
    }
    listed = options.data_path / "excluded_cases.txt"
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []
    excluded = {line.partition("#")[0].strip() for line in lines}
    ready: list[tuple[str, dict[str, float | None], float, int]] = []
    comments: dict[str, tuple[int, str, str]] = {}
    for row in rows:
        name = row[export["patient"]]
        if name in excluded:
            comments[name] = (1, "EXCLUDED", "")
            continue
        try:
            ready.append((name, *_unified(row, outcomes.get(name), export, parameters)))
            comments[name] = (1, "DONE", "")
        except BadRowError as fault:
            comments[name] = (-1, "NEEDS_ATTENTION", str(fault))
    _write_prepared(ready, options, parameters)
    _write_report(comments, options.report_file)
    return OUTSTANDING if any(status < 0 for status, _, _ in comments.values()) else 0


def sanity_check(options: argparse.Namespace, parameters: Mapping[str, Any]) -> int:
    """Say on stderr everything that is wrong with the prepared data."""
    data = _read(options.data_path / "data.csv", ",")
    labels = _read(options.labels_path / "labels.csv", ",")
    faults = []
    if [row["case_id"] for row in data] != [row["case_id"] for row in labels]:
        faults.append("data.csv and labels.csv do not hold the same cases")
    if any(row["died"] not in {"0", "1"} or float(row["time_days"]) <= 0 for row in labels):
        faults.append("labels.csv holds a time that is not positive, or an unknown outcome")
    faults += [
        f"data.csv: {name} is unknown for everybody"
        for name in parameters["covariates"]
        if not any(row[name] for row in data)
    ]
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    return OUTSTANDING if faults else 0


def statistics(options: argparse.Namespace, parameters: Mapping[str, Any]) -> int:
    """What describes the dataset when it is registered."""
    data = _read(options.data_path / "data.csv", ",")
    labels = _read(options.labels_path / "labels.csv", ",")
    known = {name: [float(r[name]) for r in data if r[name]] for name in parameters["covariates"]}
    document = {
        "n_cases": len(labels),
        "n_deaths": sum(row["died"] == "1" for row in labels),
        "means": {name: float(f"{fmean(cells):.4g}") for name, cells in known.items()},
        "unknown": {name: len(data) - len(cells) for name, cells in known.items()},
    }
    _write_yaml(options.output_path, document)
    return 0


def _unified(
    row: Row, outcome: Row | None, export: Mapping[str, Any], parameters: Mapping[str, Any]
) -> tuple[dict[str, float | None], float, int]:
    if outcome is None:
        raise BadRowError("there is no follow-up")
    values = {
        name: _number(row[column], name, export, parameters)
        for name, column in export["columns"].items()
    }
    if values["age_years"] is None or values["is_female"] is None:
        raise BadRowError("age or sex is unknown")
    days = _number(outcome[export["time"]], "time_days", export, parameters)
    died = export["died_words"].get(outcome[export["died"]])
    if days is None or died is None:
        raise BadRowError(f"'{export['time']}' or '{export['died']}' of the follow-up is unknown")
    return values, round(days), died


def _number(
    cell: str, name: str, export: Mapping[str, Any], parameters: Mapping[str, Any]
) -> float | None:
    if cell in {"", export["unknown"]}:
        return None
    words = export.get("words", {}).get(name)
    try:
        value = float(words[cell] if words else cell.replace(",", "."))
    except (KeyError, ValueError):
        raise BadRowError(f"'{name}' cannot be read") from None
    value = round(value * export.get("factors", {}).get(name, 1), 3)
    low, high = parameters["plausible"][name]
    if not low <= value <= high:
        raise BadRowError(f"'{name}' is outside {low} to {high}; check its unit")
    return value


def _open(folder: Path, parameters: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[Row]]:
    known = [export for export in parameters["exports"] if (folder / export["data_file"]).is_file()]
    if len(known) != 1:
        names = ", ".join(export["data_file"] for export in parameters["exports"])
        raise BadExportError(f"the raw data folder must hold exactly one of {names}")
    (export,) = known
    rows = _read(folder / export["data_file"], export["delimiter"])
    lacking = {export["patient"], *export["columns"].values()} - set(rows[0])
    if lacking:
        raise BadExportError(f"{export['data_file']} has no column '{min(lacking)}'")
    return export, rows


def _write_prepared(
    ready: list[tuple[str, dict[str, float | None], float, int]],
    options: argparse.Namespace,
    parameters: Mapping[str, Any],
) -> None:
    names = parameters["covariates"]
    _write_csv(
        options.output_path / "data.csv",
        ["case_id", *names],
        ([name, *(_cell(values[key]) for key in names)] for name, values, _, _ in ready),
    )
    _write_csv(
        options.output_labels_path / "labels.csv",
        ["case_id", "patient_id", "time_days", "died", "sex"],
        (
            [name, name, f"{days:g}", died, "female" if values["is_female"] else "male"]
            for name, values, days, died in ready
        ),
    )


def _write_report(comments: Mapping[str, tuple[int, str, str]], path: Path) -> None:
    columns = {
        "status": {name: each[0] for name, each in comments.items()},
        "status_name": {name: each[1] for name, each in comments.items()},
        "comment": {name: each[2] for name, each in comments.items()},
        "data_path": dict.fromkeys(comments, "data.csv"),
        "labels_path": dict.fromkeys(comments, "labels.csv"),
    }
    _write_yaml(path, columns)
    for name, count in sorted(Counter(each[1] for each in comments.values()).items()):
        print(f"{count} of {len(comments)} patients: {name}", flush=True)


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _write_csv(path: Path, columns: list[str], rows: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def _write_yaml(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


def _read(path: Path, delimiter: str) -> list[Row]:
    if not path.is_file():
        raise BadExportError(f"there is no {path.name}")
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter=delimiter))
    if not rows:
        raise BadExportError(f"{path.name} holds no patient")
    return rows


TASKS = {"prepare": prepare, "sanity_check": sanity_check, "statistics": statistics}
FOLDERS = {
    "prepare": {
        "data_path": "raw_data",
        "labels_path": "raw_labels",
        "output_path": "data",
        "output_labels_path": "labels",
        "report_file": "report/report.yaml",
    },
    "sanity_check": {"data_path": "data", "labels_path": "labels"},
    "statistics": {
        "data_path": "data",
        "labels_path": "labels",
        "output_path": "statistics/statistics.yaml",
    },
}


def main(arguments: list[str]) -> int:
    """Run one task; its folders are the mounted ones unless flags say otherwise."""
    parser = argparse.ArgumentParser()
    tasks = parser.add_subparsers(dest="task", required=True)
    for name, folders in FOLDERS.items():
        task = tasks.add_parser(name)
        for key, place in {**folders, "parameters_file": PARAMETERS_FILE}.items():
            # Where a sandbox has no root of its own, mounts lie elsewhere; the platform says where.
            default = Path(os.environ.get(f"MEDPERF_{key.upper()}", ROOT / place))
            task.add_argument(f"--{key}", type=Path, default=default)
    options = parser.parse_args(arguments)
    parameters = yaml.safe_load(options.parameters_file.read_text(encoding="utf-8"))
    try:
        return TASKS[options.task](options, parameters)
    except BadExportError as fault:
        print(f"error: {fault}", file=sys.stderr)
        return UNREADABLE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
