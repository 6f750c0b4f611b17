"""The real volumes: whose they are, and how each hospital exports them.

Five scans of five patients with a lesion outlined by hand ship inside the source distribution of
pyradiomics 3.0.1 (Harvard Medical School, BSD-3-Clause), as that library's test cases: two brains
(MR), a breast (MR), two lungs (CT). The package says nothing more about the patients. Every voxel
and every outline here is theirs; what is made up is the paperwork: which hospital holds whom,
patient numbers, and the forms of the exports.

==============  ==============================  ==========================================
..              Harbor                          Hillcrest
==============  ==============================  ==========================================
patients        brain 1, lung 1, breast 1       brain 2, lung 2
images          one NRRD per patient            a DICOM series per patient, slices unsorted
axes            left, posterior, superior       as DICOM's, by each slice's position
CT numbers      as they are                     stored with a slope and an intercept
outlines        NRRD, named like the image      NIfTI, axes right, anterior, inferior
names           HB-001_image.nrrd               20417/IM0001.dcm, outlines/20417.nii.gz
==============  ==============================  ==========================================
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import nibabel
import nrrd
import numpy as np
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

from examples.staging.fetch import PinnedPackage, fetch, unpack
from examples.staging.files import RawData

PACKAGE = PinnedPackage(
    project="pyradiomics",
    filename="pyradiomics-3.0.1.tar.gz",
    sha256="47c57f441d6cb7973fa3b2ea48d3948df78e3348e1c69e1e2ff19001601fc2f5",
    license="BSD-3-Clause, copyright 2017 Harvard Medical School",
)
HOSPITALS: Mapping[str, Mapping[str, str]] = {
    "harbor": {"HB-001": "brain1", "HB-002": "lung1", "HB-003": "breast1"},
    "hillcrest": {"20417": "brain2", "20588": "lung2"},
}
CT_INTERCEPT = -1024


@dataclass(frozen=True, slots=True)
class Scan:
    """A volume and its outline, by (x, y, z); ``affine`` leads to mm (RAS)."""

    voxels: NDArray[np.int16]
    outline: NDArray[np.uint8]
    affine: NDArray[np.float64]
    modality: str


def load_scans(folder: Path) -> dict[str, Scan]:
    """The five scans by their name in the package, fetched when they are not here yet."""
    names = [name for patients in HOSPITALS.values() for name in patients.values()]
    archive = fetch(PACKAGE)
    files = [f"data/{name}_{kind}.nrrd" for name in names for kind in ("image", "label")]
    paths = unpack(archive, [*files, "LICENSE.txt"], folder)
    return {
        name: _scan(image, label, "CT" if name.startswith("lung") else "MR")
        for name, image, label in zip(names, paths[0:-1:2], paths[1:-1:2], strict=True)
    }


def phantom() -> Scan:
    """A bright ball in noise, for the demo dataset: a drawing, no patient, never in a result."""
    rng = np.random.default_rng(8)
    grid = np.mgrid[:40, :36, :14]
    scaled = (grid - np.array([20, 17, 7]).reshape(3, 1, 1, 1)) * np.array([1.0, 1.0, 3.0]).reshape(
        3, 1, 1, 1
    )
    ball = (scaled**2).sum(axis=0) <= 9.0**2
    voxels = np.where(ball, 400, 150) + rng.normal(0, 30, ball.shape)
    affine = np.diag([-1.0, -1.0, 3.0, 1.0])
    return Scan(np.rint(voxels).astype(np.int16), ball.astype(np.uint8), affine, "MR")


def write_export(hospital: str, scans: Mapping[str, Scan], folder: Path) -> RawData:
    """Write ``scans`` (by patient number) as ``hospital`` exports them, below ``folder``."""
    raw = RawData(folder / "data", folder / "labels")
    raw.data.mkdir(parents=True, exist_ok=True)
    raw.labels.mkdir(parents=True, exist_ok=True)
    for patient, scan in scans.items():
        _EXPORTS[hospital](patient, scan, raw)
    return raw


def _scan(image: Path, label: Path, modality: str) -> Scan:
    voxels, header = nrrd.read(str(image))
    outline, _ = nrrd.read(str(label))
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(header["space directions"]).T
    affine[:3, 3] = header["space origin"]
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine  # left, posterior to right, anterior
    return Scan(voxels.astype(np.int16), (outline > 0).astype(np.uint8), affine, modality)


def _harbor(patient: str, scan: Scan, raw: RawData) -> None:
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ scan.affine
    header = {
        "space": "left-posterior-superior",
        "space directions": lps[:3, :3].T,
        "space origin": lps[:3, 3],
        "encoding": "gzip",
    }
    for folder, kind, voxels in (
        (raw.data, "image", scan.voxels),
        (raw.labels, "label", scan.outline.astype(np.int16)),
    ):
        nrrd.write(str(folder / f"{patient}_{kind}.nrrd"), voxels, header, compression_level=1)


def _hillcrest(patient: str, scan: Scan, raw: RawData) -> None:
    target = axcodes2ornt(("R", "A", "I"))
    outline = nibabel.nifti1.Nifti1Image(scan.outline, scan.affine)
    turned = outline.as_reoriented(ornt_transform(io_orientation(scan.affine), target))
    (raw.labels / "outlines").mkdir(exist_ok=True)
    nibabel.save(turned, raw.labels / "outlines" / f"{patient}.nii.gz")
    folder = raw.data / patient
    folder.mkdir()
    series = generate_uid(entropy_srcs=[patient, "series"])
    # Archives hand slices out in any order; their names say nothing about where they lie.
    order = np.random.default_rng(int(patient)).permutation(scan.voxels.shape[2])
    for number, place in enumerate(order, start=1):
        slice_ = _dicom_slice(patient, scan, int(place), series)
        slice_.save_as(folder / f"IM{number:04d}.dcm", enforce_file_format=True)


def _dicom_slice(patient: str, scan: Scan, place: int, series: str) -> FileDataset:
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ scan.affine
    steps = np.linalg.norm(lps[:3, :3], axis=0)
    along_x, along_y = (lps[:3, axis] / steps[axis] for axis in (0, 1))
    intercept = CT_INTERCEPT if scan.modality == "CT" else 0
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage if scan.modality == "CT" else MRImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[patient, str(place)])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    found = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    found.SOPClassUID, found.SOPInstanceUID = (
        meta.MediaStorageSOPClassUID,
        meta.MediaStorageSOPInstanceUID,
    )
    found.PatientID, found.Modality, found.SeriesInstanceUID = patient, scan.modality, series
    found.StudyInstanceUID = generate_uid(entropy_srcs=[patient, "study"])
    found.InstanceNumber = place + 1
    found.ImagePositionPatient = _texts(lps[:3, 3] + place * lps[:3, 2])
    found.ImageOrientationPatient = _texts([*along_x, *along_y])
    found.PixelSpacing = _texts([steps[1], steps[0]])
    found.SliceThickness = _texts([steps[2]])[0]
    found.Rows, found.Columns = scan.voxels.shape[1], scan.voxels.shape[0]
    found.SamplesPerPixel, found.PhotometricInterpretation = 1, "MONOCHROME2"
    found.BitsAllocated = found.BitsStored = 16
    found.HighBit, found.PixelRepresentation = 15, 0
    found.RescaleSlope, found.RescaleIntercept = 1, intercept
    stored = scan.voxels[:, :, place].astype(np.int32) - intercept
    found.PixelData = stored.T.astype("<u2").tobytes()
    return found


def _texts(numbers: NDArray[np.float64] | list[float]) -> list[str]:
    return [f"{number:.10g}" for number in numbers]


_EXPORTS: Mapping[str, Callable[[str, Scan, RawData], None]] = {
    "harbor": _harbor,
    "hillcrest": _hillcrest,
}


if __name__ == "__main__":
    try:
        fetch(PACKAGE)
    except Exception as fault:  # noqa: BLE001 - whatever a network brings
        sys.exit(f"{PACKAGE.filename} could not be fetched: {fault}")
