"""The committee's preparator: three kinds of export become one table, one labels file, one report.

``prepare`` can be run again and again: a person corrects the export (or lists a case in
``excluded_cases.txt`` beside it), and the next run takes in what was outstanding. It ends with
status 1 while a case waits for a person, and 2 when the export as a whole cannot be read.
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
sys.path.insert(0, str(Path(__file__).resolve().parent))

from exports import (  # noqa: E402 - the path comes first
    BadExportError,
    CaseReport,
    PreparedCase,
    features,
    read_cases,
)

ROOT = Path("/mlcommons/volumes")
PARAMETERS_FILE = "parameters/parameters_file.yaml"
OUTSTANDING, UNREADABLE = 1, 2


def prepare(options: argparse.Namespace, parameters: Mapping[str, Any]) -> int:
    """Unify the export; write the report even when cases are outstanding."""
    cases = dict(read_cases(options.data_path, options.labels_path, parameters))
    if not cases:
        raise BadExportError("the export holds no case")
    ready = {name: case.prepared for name, case in cases.items() if case.prepared}
    _write_prepared(ready, options, parameters)
    _write_report(cases, options.report_file)
    for status, count in sorted(Counter(case.status_name for case in cases.values()).items()):
        print(f"{count} of {len(cases)} cases: {status}", flush=True)
    return OUTSTANDING if any(case.status < 0 for case in cases.values()) else 0


def sanity_check(options: argparse.Namespace, parameters: Mapping[str, Any]) -> int:
    """Say on stderr everything that is wrong with the prepared data."""
    data = _read(options.data_path / "data.csv")
    labels = _read(options.labels_path / "labels.csv")
    faults = []
    if {row["case_id"] for row in data} != {row["case_id"] for row in labels}:
        faults.append("data.csv and labels.csv do not hold the same cases")
    if any(row["diagnosis"] not in parameters["classes"] for row in labels):
        faults.append("labels.csv holds an unknown class")
    for feature in features(parameters):
        low, high = parameters["plausible"].get(feature, (0, 1e6))
        if not all(low <= float(row[feature]) <= high for row in data):
            faults.append(f"data.csv: {feature} is outside {low} to {high}")
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    return OUTSTANDING if faults else 0


def statistics(options: argparse.Namespace, parameters: Mapping[str, Any]) -> int:
    """Counts and means that describe the dataset when it is registered."""
    data = _read(options.data_path / "data.csv")
    labels = _read(options.labels_path / "labels.csv")
    document = {
        "n_cases": len(data),
        "classes": dict(sorted(Counter(row["diagnosis"] for row in labels).items())),
        "texture_groups": dict(sorted(Counter(row["texture_group"] for row in labels).items())),
        "feature_means": {
            feature: float(f"{fmean(float(row[feature]) for row in data):.4g}")
            for feature in features(parameters)
        },
    }
    _write_yaml(options.output_path, document)
    return 0


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


def _write_prepared(
    cases: Mapping[str, PreparedCase], options: argparse.Namespace, parameters: Mapping[str, Any]
) -> None:
    columns = features(parameters)
    _write_csv(
        options.output_path / "data.csv",
        ["case_id", *columns],
        ([name, *(repr(case.values[c]) for c in columns)] for name, case in cases.items()),
    )
    _write_csv(
        options.output_labels_path / "labels.csv",
        ["case_id", "patient_id", "diagnosis", "texture_group"],
        ([name, name, case.diagnosis, case.texture_group] for name, case in cases.items()),
    )


def _write_report(cases: Mapping[str, CaseReport], path: Path) -> None:
    columns = {
        "status": {name: case.status for name, case in cases.items()},
        "status_name": {name: case.status_name for name, case in cases.items()},
        "comment": {name: case.comment for name, case in cases.items()},
        "data_path": dict.fromkeys(cases, "data.csv"),
        "labels_path": dict.fromkeys(cases, "labels.csv"),
    }
    _write_yaml(path, columns)


def _write_csv(path: Path, columns: list[str], rows: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def _write_yaml(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


def _read(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise BadExportError(f"there is no {path.name}; run prepare first")
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    if not rows:
        raise BadExportError(f"{path.name} holds no case")
    return rows


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
