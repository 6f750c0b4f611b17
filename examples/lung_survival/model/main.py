"""A vendor's model: reads ``data.csv``, writes ``predictions.csv``. It needs numpy only."""

import argparse
import csv
import json
import os
import sys
from pathlib import Path

import numpy as np

sys.dont_write_bytecode = True  # the folder is read-only, and its bytes are its digest
sys.path.insert(0, str(Path(__file__).resolve().parent))

from inference import predict  # noqa: E402 - the path comes first

HERE = Path(__file__).resolve().parent
ROOT = Path("/mlcommons/volumes")


def infer(data_path: Path, output_path: Path) -> int:
    """Predict every case of ``data_path``; answers with the exit status."""
    table = data_path / "data.csv"
    if not table.is_file():
        print(f"error: {data_path} holds no data.csv", file=sys.stderr)
        return 2
    weights = json.loads((HERE / "weights.json").read_text(encoding="utf-8"))
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    names = weights["covariates"]
    missing = [name for name in names if not rows or name not in rows[0]]
    if missing:
        print(f"error: data.csv has no case or no column '{missing[0]}'", file=sys.stderr)
        return 2
    cells = [[float(row[name]) if row[name] else np.nan for name in names] for row in rows]
    risk, survival = predict(weights, np.array(cells).reshape(len(rows), len(names)))
    output_path.mkdir(parents=True, exist_ok=True)
    with (output_path / "predictions.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["case_id", "risk", *(f"survival_{time}" for time in weights["times"])])
        for row, own_risk, own_survival in zip(rows, risk, survival, strict=True):
            writer.writerow(
                [row["case_id"], repr(float(own_risk)), *map(repr, own_survival.tolist())]
            )
    print(f"predicted {len(rows)} cases", flush=True)
    return 0


def main(arguments: list[str]) -> int:
    """Run the task; its folders are the mounted ones unless flags say otherwise."""
    parser = argparse.ArgumentParser()
    task = parser.add_subparsers(dest="task", required=True).add_parser("infer")
    for flag, place in {"data_path": "data", "output_path": "predictions"}.items():
        # Where a sandbox has no root of its own, mounts lie elsewhere; the platform says where.
        default = Path(os.environ.get(f"MEDPERF_{flag.upper()}", ROOT / place))
        task.add_argument(f"--{flag}", type=Path, default=default)
    options = parser.parse_args(arguments)
    return infer(options.data_path, options.output_path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
