"""A vendor's model: reads images and boxes, writes a mask per case. No network, no training."""

import argparse
import csv
import os
import sys
from functools import lru_cache
from pathlib import Path

import nibabel
import numpy as np
import yaml
from nibabel.nifti1 import Nifti1Image

sys.dont_write_bytecode = True  # the folder is read-only, and its bytes are its digest
sys.path.insert(0, str(Path(__file__).resolve().parent))

from outlines import outline  # noqa: E402 - the path comes first

nibabel.openers.Opener.default_compresslevel = 1  # masks are mostly zeros
HERE = Path(__file__).resolve().parent
ROOT = Path("/mlcommons/volumes")
AXES = "xyz"


def infer(data_path: Path, output_path: Path) -> int:
    """Outline every case of ``data_path``; answers with the exit status."""
    settings = yaml.safe_load((HERE / "algorithm.yaml").read_text(encoding="utf-8"))
    table = data_path / "cases.csv"
    if not table.is_file():
        print(f"error: {data_path} holds no cases.csv", file=sys.stderr)
        return 2
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    output_path.mkdir(parents=True, exist_ok=True)
    image_of = lru_cache(maxsize=1)(nibabel.load)  # two lesions of a patient share an image
    for number, row in enumerate(rows, start=1):
        image = image_of(data_path / "images" / row["image"])
        box = tuple(slice(int(row[f"{a}_start"]), int(row[f"{a}_stop"])) for a in AXES)
        voxels = np.asanyarray(image.dataobj)
        mask = np.zeros(voxels.shape, dtype=np.uint8)
        mask[box] = outline(settings, voxels[box].astype(np.float64), image.header.get_zooms())
        nibabel.save(Nifti1Image(mask, image.affine), output_path / f"{row['case_id']}.nii.gz")
        print(f"outlined {number} of {len(rows)}", flush=True)
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
