"""A starter for an evaluator: predictions and reference labels in, typed results out.

Replace ``case_value`` by your own metric. Try it here with

    python3 main.py evaluate --predictions predictions --labels labels \
        --output_path results.yaml --local_outputs_path local --parameters_file parameters.yaml

``results.yaml`` is checked and may leave the hospital: only what the benchmark's analysis plan
declares, numbers only. ``cases.csv`` in the local outputs stays there. Where the plan says that a
metric is the mean of its column there (``evidence: mean``), the hospital computes it again from it,
with its uncertainty; docs/reference/results.md says how columns are called.
"""

import argparse
import csv
import os
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path("/mlcommons/volumes")


def case_value(label: str, probability: float, parameters: dict[str, Any]) -> float:
    """The metric of one case: here 1 if the decision is right, else 0 (their mean is accuracy)."""
    said_positive = probability >= parameters["threshold"]
    return float(said_positive == (label == parameters["positive_class"]))


def evaluate(options: argparse.Namespace, parameters: dict[str, Any]) -> int:
    """Score every case that has a usable prediction; count the others, never drop them."""
    case_column = parameters["case_column"]
    labels = read_rows(options.labels / "labels.csv")
    answers = {row[case_column]: row for row in read_rows(options.predictions / "predictions.csv")}
    values: dict[str, float] = {}
    for row in labels:
        case = row[case_column]
        try:
            probability = float(answers[case][parameters["probability_column"]])
        except (KeyError, ValueError):
            continue
        values[case] = case_value(row[parameters["label_column"]], probability, parameters)
    results: dict[str, Any] = {
        "schema": "medperf.results/v1",
        "n_cases": len(labels),
        "n_failed": len(labels) - len(values),
        "metrics": [],
    }
    if values:
        mean = sum(values.values()) / len(values)
        results["metrics"].append({"name": "accuracy", "value": mean, "n": len(values)})
    else:
        results["missing"] = [{"name": "accuracy", "reason": "no_cases"}]
    options.output_path.parent.mkdir(parents=True, exist_ok=True)
    options.output_path.write_text(yaml.safe_dump(results, sort_keys=False), encoding="utf-8")
    write_cases(options.local_outputs_path, [row[case_column] for row in labels], values)
    print(f"evaluated {len(values)} of {len(labels)} cases", flush=True)
    return 0


def write_cases(folder: Path, cases: list[str], values: dict[str, float]) -> None:
    """One row per case, also without a value. Name real patients where they have several cases."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "cases.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["case", "patient", "accuracy", "failure"])
        for case in cases:
            failure = "" if case in values else "no_prediction"
            writer.writerow([case, case, values.get(case, ""), failure])


def read_rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        sys.exit(f"error: there is no {path}")
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def mount(key: str, place: str) -> Path:
    """Where the platform put a mount: it says so, in case a sandbox has no root of its own."""
    return Path(os.environ.get(f"MEDPERF_{key.upper()}", ROOT / place))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    task = parser.add_subparsers(dest="task", required=True).add_parser("evaluate")
    for flag, place in {
        "predictions": "predictions",
        "labels": "labels",
        "output_path": "results/results.yaml",
        "local_outputs_path": "local_outputs",
        "parameters_file": "parameters/parameters_file.yaml",
    }.items():
        task.add_argument(f"--{flag}", type=Path, default=mount(flag, place))
    options = parser.parse_args(arguments)
    return evaluate(options, yaml.safe_load(options.parameters_file.read_text(encoding="utf-8")))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
