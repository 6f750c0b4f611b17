"""The committee's preparator: scans in any of two hospitals' forms become NIfTI, lesions, boxes.

A case is a lesion; two lesions of one patient are two cases of that patient. Besides the image a
model gets a box around the lesion, which is made here from the outline: this benchmark asks how
well a lesion is outlined that somebody has found, not whether it is found.

``prepare`` can be run again: a patient who was outstanding is taken in once the export is mended,
or left out when ``excluded_patients.txt`` beside the images names them.
"""

import argparse
import csv
import os
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import yaml

sys.dont_write_bytecode = True  # the folder is read-only, and its bytes are its digest
sys.path.insert(0, str(Path(__file__).resolve().parent))

from lesions import Lesion, lesions  # noqa: E402 - the path comes first
from nibabel.nifti1 import Nifti1Image  # noqa: E402
from volumes import BadVolumeError, patients, read  # noqa: E402

nibabel.openers.Opener.default_compresslevel = 1  # masks are mostly zeros; images hardly shrink
ROOT = Path("/mlcommons/volumes")
PARAMETERS_FILE = "parameters/parameters_file.yaml"
OUTSTANDING, UNREADABLE = 1, 2
AXES = "xyz"
DONE, EXCLUDED, BROKEN = (1, "DONE"), (1, "EXCLUDED"), (-1, "NEEDS_ATTENTION")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A patient's image and lesions, or why there are none."""

    status: tuple[int, str]
    comment: str = ""
    image: Nifti1Image | None = None
    lesions: tuple[Lesion, ...] = ()


def prepare(options: argparse.Namespace, parameters: Mapping[str, Any]) -> int:
    """Bring everybody to one form; write the report even when patients are outstanding."""
    listed = options.data_path / "excluded_patients.txt"
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []
    excluded = {line.partition("#")[0].strip() for line in lines}
    for folder in (options.output_path / "images", options.output_labels_path):
        folder.mkdir(parents=True, exist_ok=True)
    statuses: dict[str, Prepared] = {}
    boxes: list[list[object]] = []
    cases: list[list[object]] = []
    for name, image, outline in patients(options.data_path, options.labels_path):
        out = name in excluded
        found = Prepared(EXCLUDED) if out else _patient(image, outline, parameters)
        statuses[name] = found
        if found.image is not None:
            _write_patient(name, found.image, found.lesions, options, boxes, cases)
        print(f"{len(statuses)} patients read", flush=True)
    if not statuses:
        print("error: there is neither an NRRD image nor a DICOM series", file=sys.stderr)
        return UNREADABLE
    sides = [f"{axis}_{end}" for axis in AXES for end in ("start", "stop")]
    _write_csv(options.output_path / "cases.csv", ["case_id", "image", *sides], boxes)
    _write_csv(options.output_labels_path / "cases.csv", ["case_id", "patient_id"], cases)
    _write_report(statuses, options.report_file)
    return OUTSTANDING if any(found.status[0] < 0 for found in statuses.values()) else 0


def sanity_check(options: argparse.Namespace, parameters: Mapping[str, Any]) -> int:
    """Say on stderr everything that is wrong with the prepared data."""
    del parameters
    data = _read(options.data_path / "cases.csv")
    labels = _read(options.labels_path / "cases.csv")
    faults = []
    if [row["case_id"] for row in data] != [row["case_id"] for row in labels]:
        faults.append("data and labels do not hold the same cases")
    for number, row in enumerate(data, start=1):
        image = nibabel.load(options.data_path / "images" / row["image"])
        outline = nibabel.load(options.labels_path / f"{row['case_id']}_seg.nii.gz")
        inside = np.asanyarray(outline.dataobj)[box_of(row)]
        if image.shape != outline.shape or not np.allclose(image.affine, outline.affine):
            faults.append(f"case {number}: image and outline lie on different grids")
        elif not inside.any() or inside.sum() != np.asanyarray(outline.dataobj).sum():
            faults.append(f"case {number}: the lesion is not inside its box")
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    return OUTSTANDING if faults else 0


def statistics(options: argparse.Namespace, parameters: Mapping[str, Any]) -> int:
    """What describes the dataset when it is registered: counts, and spacings as a range."""
    del parameters
    data = _read(options.data_path / "cases.csv")
    labels = _read(options.labels_path / "cases.csv")
    spacings = np.array(
        [nibabel.load(options.data_path / "images" / r["image"]).header.get_zooms() for r in data]
    )
    document = {
        "n_patients": len({row["patient_id"] for row in labels}),
        "n_cases": len(labels),
        "spacing_mm": {
            axis: [round(float(edge), 3) for edge in (column.min(), column.max())]
            for axis, column in zip(AXES, spacings.T, strict=True)
        },
    }
    _write_yaml(options.output_path, document)
    return 0


def box_of(row: Mapping[str, str]) -> tuple[slice, ...]:
    """The box of a case, as slices of the image."""
    return tuple(slice(int(row[f"{axis}_start"]), int(row[f"{axis}_stop"])) for axis in AXES)


def _patient(image_path: Path, outline_path: Path, parameters: Mapping[str, Any]) -> Prepared:
    if not outline_path.exists():
        return Prepared(BROKEN, "there is no outline")
    try:
        image, outline = read(image_path), read(outline_path)
    except BadVolumeError as fault:
        return Prepared(BROKEN, str(fault))
    tolerance = parameters["grid_tolerance_mm"]
    if image.shape != outline.shape or not np.allclose(
        image.affine, outline.affine, atol=tolerance
    ):
        return Prepared(BROKEN, "the outline lies on another grid than the image")
    spacing_mm = image.header.get_zooms()
    found = tuple(lesions(np.asanyarray(outline.dataobj), spacing_mm, parameters["box_margin_mm"]))
    if not found:
        return Prepared(BROKEN, "the outline is empty")
    if min(lesion.mask.sum() for lesion in found) < parameters["smallest_lesion_voxels"]:
        return Prepared(BROKEN, "the outline has a speck; is it a lesion or a slip of the hand?")
    return Prepared(DONE, f"lesions: {len(found)}", image, found)


def _write_patient(
    name: str,
    image: Nifti1Image,
    found: tuple[Lesion, ...],
    options: argparse.Namespace,
    boxes: list[list[object]],
    cases: list[list[object]],
) -> None:
    voxels = np.asanyarray(image.dataobj).astype(np.int16)
    nibabel.save(
        Nifti1Image(voxels, image.affine), options.output_path / "images" / f"{name}.nii.gz"
    )
    for number, lesion in enumerate(found, start=1):
        case = f"{name}-{number}"
        mask = Nifti1Image(lesion.mask.astype(np.uint8), image.affine)
        nibabel.save(mask, options.output_labels_path / f"{case}_seg.nii.gz")
        edges = [edge for side in lesion.box for edge in (side.start, side.stop)]
        boxes.append([case, f"{name}.nii.gz", *edges])
        cases.append([case, name])


def _write_report(statuses: Mapping[str, Prepared], path: Path) -> None:
    columns = {
        "status": {name: found.status[0] for name, found in statuses.items()},
        "status_name": {name: found.status[1] for name, found in statuses.items()},
        "comment": {name: found.comment for name, found in statuses.items()},
        "data_path": dict.fromkeys(statuses, "cases.csv"),
        "labels_path": dict.fromkeys(statuses, "cases.csv"),
    }
    _write_yaml(path, columns)
    for (_, name), count in sorted(Counter(found.status for found in statuses.values()).items()):
        print(f"{count} of {len(statuses)} patients: {name}", flush=True)


def _write_csv(path: Path, columns: list[str], rows: list[list[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def _write_yaml(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


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
    return TASKS[options.task](options, parameters)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
