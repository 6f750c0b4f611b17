"""Volumes from what hospitals export: NRRD, DICOM series, NIfTI; all with axes right, anterior, up.

Nothing is resampled: axes are turned, numbers stay what was measured.
"""

from collections.abc import Iterator
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pydicom
from nibabel.nifti1 import Nifti1Image

IMAGE, OUTLINE = "image", "outline"
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_UNEVEN_MM = 0.05


class BadVolumeError(Exception):
    """A patient's volume cannot be read, in one sentence without the patient's name."""


def patients(data: Path, labels: Path) -> Iterator[tuple[str, Path, Path]]:
    """Each patient with image and outline (which may not exist), by what the folder looks like."""
    for image in sorted(data.glob("*_image.nrrd")):
        name = image.name.removesuffix("_image.nrrd")
        yield name, image, labels / f"{name}_label.nrrd"
    for series in sorted(path for path in data.iterdir() if path.is_dir()):
        yield series.name, series, labels / "outlines" / f"{series.name}.nii.gz"


def read(path: Path) -> Nifti1Image:
    """A volume of whole numbers, its axes turned to right, anterior, up.

    Raises:
        BadVolumeError: if it cannot be read, or its slices do not make a volume.
    """
    try:
        if path.is_dir():
            volume = _from_dicom(path)
        elif path.suffix == ".nrrd":
            volume = _from_nrrd(path)
        else:
            loaded = nibabel.load(path)
            volume = Nifti1Image(np.asanyarray(loaded.dataobj), loaded.affine)
    except BadVolumeError:
        raise
    except Exception as fault:
        raise BadVolumeError(f"unreadable: {type(fault).__name__}") from fault
    return nibabel.as_closest_canonical(volume)


def _from_nrrd(path: Path) -> Nifti1Image:
    voxels, header = nrrd.read(str(path))
    if header.get("space") != "left-posterior-superior":
        raise BadVolumeError("the NRRD file does not say that it is in left-posterior-superior")
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(header["space directions"]).T
    affine[:3, 3] = header["space origin"]
    return Nifti1Image(voxels, _LPS @ affine)


def _from_dicom(folder: Path) -> Nifti1Image:
    slices = [pydicom.dcmread(path) for path in sorted(folder.glob("*.dcm"))]
    if len({one.SeriesInstanceUID for one in slices}) != 1:
        raise BadVolumeError("the folder holds no slice, or slices of several series")
    x, y = np.array(slices[0].ImageOrientationPatient, dtype=float).reshape(2, 3)
    normal = np.cross(x, y)
    slices.sort(key=lambda one: float(normal @ np.array(one.ImagePositionPatient, dtype=float)))
    places = np.array([one.ImagePositionPatient for one in slices], dtype=float)
    gaps = np.diff(places, axis=0)
    if len(slices) > 1 and not np.allclose(gaps, gaps[0], atol=_UNEVEN_MM):
        raise BadVolumeError("slices are missing or lie twice: the distances between them differ")
    step = gaps[0] if len(slices) > 1 else normal * float(slices[0].SliceThickness)
    down_rows, along_columns = (float(side) for side in slices[0].PixelSpacing)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = x * along_columns, y * down_rows, step
    affine[:3, 3] = places[0]
    planes = [
        one.pixel_array.T.astype(np.int32) * int(one.RescaleSlope) + int(one.RescaleIntercept)
        for one in slices
    ]
    return Nifti1Image(np.stack(planes, axis=2).astype(np.int16), _LPS @ affine)
