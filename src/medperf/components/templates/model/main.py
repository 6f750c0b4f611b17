"""A starter for a model: the prepared data in, one prediction per case out.

Replace ``predict`` by your own. Try it here with

    python3 main.py infer --data_path data --output_path predictions \
        --parameters_file parameters.yaml

Your container has no network, reads its inputs only, and may write to its output and to /tmp.
"""

import argparse
import csv
import math
import os
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path("/mlcommons/volumes")


def predict(row: dict[str, str], parameters: dict[str, Any]) -> float:
    """The probability that the case is positive, from 0 to 1."""
    distance = float(row[parameters["column"]]) - parameters["midpoint"]
    return 1 / (1 + math.exp(-parameters["slope"] * distance))


def infer(options: argparse.Namespace, parameters: dict[str, Any]) -> int:
    """Predict every case. A case left out counts as failed, so leave none out silently."""
    table = options.data_path / "data.csv"
    if not table.is_file():
        print(f"error: there is no {table}", file=sys.stderr)
        return 2
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    options.output_path.mkdir(parents=True, exist_ok=True)
    target = options.output_path / "predictions.csv"
    with target.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["case_id", "probability"])
        for number, row in enumerate(rows, start=1):
            writer.writerow([row[parameters["case_column"]], predict(row, parameters)])
            if number % 100 == 0:
                print(f"predicted {number} of {len(rows)} cases", flush=True)
    print(f"predicted {len(rows)} cases", flush=True)
    return 0


def mount(key: str, place: str) -> Path:
    """Where the platform put a mount: it says so, in case a sandbox has no root of its own."""
    return Path(os.environ.get(f"MEDPERF_{key.upper()}", ROOT / place))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    task = parser.add_subparsers(dest="task", required=True).add_parser("infer")
    for flag, place in {
        "data_path": "data",
        "output_path": "predictions",
        "parameters_file": "parameters/parameters_file.yaml",
    }.items():
        task.add_argument(f"--{flag}", type=Path, default=mount(flag, place))
    options = parser.parse_args(arguments)
    return infer(options, yaml.safe_load(options.parameters_file.read_text(encoding="utf-8")))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
