"""Label maps from files: NIfTI, PNG and other flat images, NumPy arrays. One case at a time.

Image libraries are optional; which one is missing is said when a file needs it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medperf.components.evaluator.sections import CASE
from medperf.components.evaluator.tasks.base import (
    BAD_REFERENCE,
    MISMATCH,
    NO_PREDICTION,
    UNREADABLE,
    Failure,
)
from medperf.domain.errors import MalformedFileError, NotSupportedError

Labels = NDArray[np.integer]
_NIFTI = (".nii", ".nii.gz")
_FLAT = (".png", ".bmp", ".tif", ".tiff")
_AFFINE_TOLERANCE = 1e-2


@dataclass(frozen=True)
class LabelMap:
    """Whole numbers per voxel. ``affine`` places voxels in millimeters, if the file says how."""

    array: Labels
    spacing_mm: tuple[float, ...] | None
    affine: NDArray[np.float64] | None

    def lies_on(self, other: "LabelMap") -> bool:
        """Whether both have the same voxels at the same places, as far as the files say."""
        if self.array.shape != other.array.shape:
            return False
        if self.affine is None or other.affine is None:
            return True
        return bool(np.allclose(self.affine, other.affine, atol=_AFFINE_TOLERANCE))


def file_of(folder: Path, pattern: str, case: str) -> Path:
    """The file of a case.

    Raises:
        MalformedFileError: if the name of the case leads out of the folder.
    """
    path = folder / pattern.replace(CASE, case)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise MalformedFileError(f"the case '{case}' names a file outside of its folder")
    return path


def read_pair(reference_file: Path, prediction_file: Path) -> tuple[LabelMap, LabelMap] | Failure:
    """The label maps of a case, or whose fault it is that there is nothing to compare.

    Raises:
        NotSupportedError: if nothing here can read this kind of file.
    """
    for path, reason in ((reference_file, BAD_REFERENCE), (prediction_file, NO_PREDICTION)):
        if not path.is_file():
            return Failure(reason, f"there is no {path.name}")
    maps: list[LabelMap] = []
    for path, reason in ((reference_file, BAD_REFERENCE), (prediction_file, UNREADABLE)):
        try:
            maps.append(read_label_map(path))
        except NotSupportedError:
            raise
        except Exception as fault:  # noqa: BLE001 - libraries raise anything on a broken file
            return Failure(reason, f"{path.name}: {type(fault).__name__}: {fault}")
    reference, prediction = maps
    if not prediction.lies_on(reference):
        return Failure(
            MISMATCH,
            f"{prediction_file.name} has other voxels than its reference: shape "
            f"{prediction.array.shape} and {reference.array.shape}, or other places",
        )
    return reference, prediction


def read_label_map(path: Path) -> LabelMap:
    """Read a label map.

    Raises:
        MalformedFileError: if it holds something else than whole numbers.
        NotSupportedError: if nothing here can read this kind of file.
        OSError: and whatever the library raises, if the file is broken.
    """
    name = path.name.lower()
    if name.endswith(_NIFTI):
        return _read_nifti(path)
    if name.endswith(_FLAT):
        return LabelMap(_whole(path, _read_flat(path)), None, None)
    if name.endswith(".npy"):
        return LabelMap(_whole(path, np.load(path, allow_pickle=False)), None, None)
    known = ", ".join((*_NIFTI, *_FLAT, ".npy"))
    raise NotSupportedError(f"{path.name} is of no known kind of image; known: {known}")


def _read_nifti(path: Path) -> LabelMap:
    try:
        import nibabel  # noqa: PLC0415 - optional
    except ImportError as fault:
        raise NotSupportedError(
            f"{path.name} needs nibabel, which is not installed here",
            hint="Install nibabel beside the evaluator, or write .npy files.",
        ) from fault
    image: Any = nibabel.load(path)
    spacing_mm = tuple(float(side) for side in image.header.get_zooms()[: len(image.shape)])
    # Without scaling the stored type is kept: label maps take one byte per voxel, not eight.
    array = _whole(path, np.asanyarray(image.dataobj))
    return LabelMap(array, spacing_mm, np.asarray(image.affine, dtype=np.float64))


def _read_flat(path: Path) -> NDArray[Any]:
    try:
        from PIL import Image  # noqa: PLC0415 - optional
    except ImportError as fault:
        raise NotSupportedError(
            f"{path.name} needs Pillow, which is not installed here",
            hint="Install pillow beside the evaluator, or write .npy files.",
        ) from fault
    with Image.open(path) as image:
        array: NDArray[Any] = np.array(image)
    if array.ndim != 2:  # noqa: PLR2004 - rows and columns
        raise MalformedFileError(f"{path.name} has colors; a label map has one number per pixel")
    return array


def _whole(path: Path, array: NDArray[Any]) -> Labels:
    if array.dtype == np.bool_:
        flags: Labels = array.astype(np.uint8)
        return flags
    if not np.issubdtype(array.dtype, np.integer):
        whole = np.rint(array)
        if not np.array_equal(whole, array):
            raise MalformedFileError(f"{path.name} holds numbers that are not whole")
        array = whole.astype(np.int32)
    numbers: Labels = array
    return numbers
