"""A vendor's model: reads ``data.csv``, writes ``predictions.csv``. It needs numpy only.

The weights are ``weights.json`` in the additional files where there are any, else beside this file.
"""

import argparse
import csv
import json
import os
import sys
from pathlib import Path

import numpy as np

sys.dont_write_bytecode = True  # the folder is read-only, and its bytes are its digest
sys.path.insert(0, str(Path(__file__).resolve().parent))

from inference import probability_of_malignant  # noqa: E402 - the path comes first

ROOT = Path("/mlcommons/volumes")


def infer(data_path: Path, output_path: Path, additional_files: Path) -> int:
    """Predict every case of ``data_path``; answers with the exit status."""
    table = data_path / "data.csv"
    if not table.is_file():
        print(f"error: {data_path} holds no data.csv", file=sys.stderr)
        return 2
    given = additional_files / "weights.json"
    path = given if given.is_file() else Path(__file__).resolve().parent / "weights.json"
    weights = json.loads(path.read_text(encoding="utf-8"))
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    missing = [feature for feature in weights["features"] if not rows or feature not in rows[0]]
    if missing:
        print(f"error: data.csv has no case or no column '{missing[0]}'", file=sys.stderr)
        return 2
    values = np.array([[float(row[feature]) for feature in weights["features"]] for row in rows])
    probabilities = probability_of_malignant(weights, values)
    output_path.mkdir(parents=True, exist_ok=True)
    with (output_path / "predictions.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["case_id", "probability_malignant"])
        writer.writerows(
            [row["case_id"], repr(float(p))] for row, p in zip(rows, probabilities, strict=True)
        )
    print(f"predicted {len(rows)} cases", flush=True)
    return 0


def mount(key: str, place: str) -> Path:
    """Where the platform put a mount: it says so, in case a sandbox has no root of its own."""
    return Path(os.environ.get(f"MEDPERF_{key.upper()}", ROOT / place))


def main(arguments: list[str]) -> int:
    """Run the task; its folders are the mounted ones unless flags say otherwise."""
    parser = argparse.ArgumentParser()
    task = parser.add_subparsers(dest="task", required=True).add_parser("infer")
    for flag, place in {
        "data_path": "data",
        "output_path": "predictions",
        "additional_files": "additional_files",
    }.items():
        task.add_argument(f"--{flag}", type=Path, default=mount(flag, place))
    options = parser.parse_args(arguments)
    return infer(options.data_path, options.output_path, options.additional_files)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
