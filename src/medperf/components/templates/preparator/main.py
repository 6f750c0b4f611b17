"""A starter for a preparator: raw CSV files in, one checked table, its labels and a report out.

The three tasks are called as ``main.py prepare``, ``main.py sanity_check``, ``main.py statistics``,
with the hospital's folders mounted where container_config.yaml says. Flags replace the mounts, so
that you can try a task here:

    python3 main.py prepare --data_path raw --labels_path raw_labels --output_path out/data \
        --output_labels_path out/labels --report_file out/report.yaml \
        --parameters_file parameters.yaml
"""

import argparse
import csv
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

ROOT = Path("/mlcommons/volumes")
PLACES = {  # task -> flag -> where the platform mounts it
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


def prepare(options: argparse.Namespace, parameters: dict[str, Any]) -> int:
    """Check every row. What a person must correct is in the report; the rest is prepared."""
    case_column, label_column = parameters["case_column"], parameters["label_column"]
    labels = {row[case_column]: row[label_column] for row in read_rows(options.labels_path)}
    rows = {row[case_column]: row for row in read_rows(options.data_path)}
    comments = {case: complaint(row, labels.get(case), parameters) for case, row in rows.items()}
    ready = [case for case, comment in comments.items() if not comment]
    write_rows(options.output_path / "data.csv", [rows[case] for case in ready])
    write_rows(
        options.output_labels_path / "labels.csv",
        [{case_column: case, label_column: labels[case]} for case in ready],
    )
    # A table, column -> case -> value. A negative status waits for a person.
    report = {
        "status": {case: -1 if comment else 1 for case, comment in comments.items()},
        "status_name": {case: "INVALID" if c else "PREPARED" for case, c in comments.items()},
        "comment": comments,
        "data_path": dict.fromkeys(comments, "data.csv"),
        "labels_path": dict.fromkeys(comments, "labels.csv"),
    }
    write_yaml(options.report_file, report)
    print(f"prepared {len(ready)} of {len(rows)} cases", flush=True)
    # Non-zero means: not finished, run me again once the outstanding cases are corrected.
    return 0 if len(ready) == len(rows) else 1


def complaint(row: dict[str, str], label: str | None, parameters: dict[str, Any]) -> str:
    """What is wrong with a case, without repeating its values; empty if nothing is."""
    if label not in parameters["classes"]:
        return "there is no label, or it is not one of the classes"
    for column in parameters["numeric_columns"]:
        try:
            float(row.get(column, ""))
        except ValueError:
            return f"'{column}' is not a number"
    return ""


def sanity_check(options: argparse.Namespace, parameters: dict[str, Any]) -> int:
    """Look at what was prepared as a whole; non-zero refuses it."""
    case_column = parameters["case_column"]
    data = {row[case_column] for row in read_rows(options.data_path)}
    labels = {row[case_column] for row in read_rows(options.labels_path)}
    if data != labels:
        print("error: data and labels do not hold the same cases", file=sys.stderr)
        return 1
    return 0


def statistics(options: argparse.Namespace, parameters: dict[str, Any]) -> int:
    """Aggregates that describe the dataset when it is registered: they leave the hospital."""
    labels = Counter(row[parameters["label_column"]] for row in read_rows(options.labels_path))
    write_yaml(options.output_path, {"n_cases": labels.total(), "classes": dict(labels)})
    return 0


def read_rows(folder: Path) -> list[dict[str, str]]:
    """The rows of every CSV file in a folder."""
    rows = []
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows += list(csv.DictReader(stream))
    if not rows:
        sys.exit(f"error: {folder} holds no CSV file with rows")
    return rows


def write_rows(path: Path, rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows(rows)


def write_yaml(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


def mount(key: str, place: str) -> Path:
    """Where the platform put a mount: it says so, in case a sandbox has no root of its own."""
    return Path(os.environ.get(f"MEDPERF_{key.upper()}", ROOT / place))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    tasks = parser.add_subparsers(dest="task", required=True)
    for name, places in PLACES.items():
        task = tasks.add_parser(name)
        for flag, place in {**places, "parameters_file": "parameters/parameters_file.yaml"}.items():
            task.add_argument(f"--{flag}", type=Path, default=mount(flag, place))
    options = parser.parse_args(arguments)
    parameters = yaml.safe_load(options.parameters_file.read_text(encoding="utf-8"))
    run = {"prepare": prepare, "sanity_check": sanity_check, "statistics": statistics}
    return run[options.task](options, parameters)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
