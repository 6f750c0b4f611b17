"""The real patients: who is whose, and what each hospital's export looks like.

The Wisconsin diagnostic breast cancer set (569 patients, Street, Wolberg and Mangasarian 1993,
CC BY 4.0, shipped inside scikit-learn) describes cell nuclei in a fine needle aspirate: ten
features, each as mean, standard error and worst value. Every number here is a real measurement.
What is made up is only the paperwork around it:

* who holds whom: a vendor trains on 40 % that no hospital holds; three hospitals hold the rest,
  60 : 25 : 15, all stratified by diagnosis;
* patient numbers, because the published set has none that scikit-learn keeps;
* the unit. The set names none, so this example calls the published lengths micrometers; the
  hospitals then differ as real exports do:

==============  ===================  =======================  ==========================
..              Northfield           Riverside                Lakeview
==============  ===================  =======================  ==========================
files           cytology.csv,        export.csv,              nuclei.txt, outcome.txt
                pathology.csv        findings.csv
cells           comma                semicolon, decimal       tab
                                     comma, Windows-1252
columns         radius_mean          RAD_M                    Worst.Radius, worst first
second line     a case               units                    a case
lengths         micrometers          millimeters              pixels of 0.25 micrometers
labels          M, B                 malignant, benign        1, 0, in another order
patients        NF-0001              R/0001                   10001
more columns    export_row           AREA_RATIO               pixel_size_um
==============  ===================  =======================  ==========================
"""

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer

from examples.staging.files import RawData

QUANTITIES = (
    "radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity",
    "concave_points", "symmetry", "fractal_dimension",
)  # fmt: skip
STATISTICS = ("mean", "error", "worst")
FEATURES = tuple(f"{quantity}_{statistic}" for statistic in STATISTICS for quantity in QUANTITIES)
"""The unified column names, in the order of scikit-learn's columns."""

VENDOR_SHARE = 0.40
HOSPITAL_SHARES = {"northfield": 0.60, "riverside": 0.25, "lakeview": 0.15}
POWER_OF_LENGTH = {"radius": 1, "perimeter": 1, "area": 2}


@dataclass(frozen=True, slots=True)
class Patients:
    """Rows of the published set: ``values`` is n x 30 in ``FEATURES``, ``malignant`` is n."""

    values: NDArray[np.float64]
    malignant: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.malignant)

    def take(self, rows: NDArray[np.int64]) -> "Patients":
        return Patients(self.values[rows], self.malignant[rows])


def load_patients() -> Patients:
    """All 569 patients. scikit-learn codes malignant as 0."""
    bunch = load_breast_cancer()
    return Patients(np.asarray(bunch.data, dtype=np.float64), np.asarray(bunch.target == 0))


def split(patients: Patients, seed: int = 1993) -> tuple[Patients, dict[str, Patients]]:
    """The vendor's part, and each hospital's. Together they are everyone, once."""
    rng = np.random.default_rng(seed)
    names = ["vendor", *HOSPITAL_SHARES]
    hospital_shares = (1 - VENDOR_SHARE) * np.array(list(HOSPITAL_SHARES.values()))
    cuts = np.cumsum([VENDOR_SHARE, *hospital_shares])[:-1]
    rows: dict[str, list[int]] = {name: [] for name in names}
    for diagnosis in (True, False):
        shuffled = rng.permutation(np.flatnonzero(patients.malignant == diagnosis))
        parts = np.split(shuffled, np.round(cuts * len(shuffled)).astype(int))
        for name, part in zip(names, parts, strict=True):
            rows[name] += part.tolist()
    taken = {name: patients.take(rng.permutation(np.array(rows[name]))) for name in names}
    return taken.pop("vendor"), taken


def write_vendor(patients: Patients, folder: Path) -> Path:
    """The vendor's training table, in the unified form with a last column ``malignant``."""
    path = folder / "training.csv"
    rows = (
        [*map(repr, values.tolist()), int(malignant)]
        for values, malignant in zip(patients.values, patients.malignant, strict=True)
    )
    _write(path, [*FEATURES, "malignant"], rows)
    return path


def write_export(hospital: str, patients: Patients, folder: Path) -> RawData:
    """Write ``patients`` as ``hospital`` exports them, below ``folder``."""
    raw = RawData(folder / "data", folder / "labels")
    _EXPORTS[hospital](patients, raw)
    return raw


def _northfield(patients: Patients, raw: RawData) -> None:
    names = [f"NF-{number:04d}" for number in range(1, len(patients) + 1)]
    rows = (
        [row, name, *map(repr, values.tolist())]
        for row, (name, values) in enumerate(zip(names, patients.values, strict=True), start=1)
    )
    _write(raw.data / "cytology.csv", ["export_row", "patient_id", *FEATURES], rows)
    labels = ([n, "M" if m else "B"] for n, m in zip(names, patients.malignant, strict=True))
    _write(raw.labels / "pathology.csv", ["patient_id", "diagnosis"], labels)


_SHORT = {
    "radius": "RAD", "texture": "TEX", "perimeter": "PER", "area": "ARE", "smoothness": "SMO",
    "compactness": "COM", "concavity": "CON", "concave_points": "CPT", "symmetry": "SYM",
    "fractal_dimension": "FRA",
}  # fmt: skip
_SHORT_STATISTICS = {"mean": "M", "error": "SE", "worst": "W"}


def _riverside(patients: Patients, raw: RawData) -> None:
    names = [f"R/{number:04d}" for number in range(1, len(patients) + 1)]
    columns = [f"{_SHORT[q]}_{_SHORT_STATISTICS[s]}" for s in STATISTICS for q in QUANTITIES]
    unit_of_power = {0: "", 1: "mm", 2: "mm²"}
    units = [unit_of_power[POWER_OF_LENGTH.get(q, 0)] for _ in STATISTICS for q in QUANTITIES]
    in_mm = _in_unit(patients.values, 1000.0)
    area, worst_area = FEATURES.index("area_mean"), FEATURES.index("area_worst")

    def rows() -> Iterable[list[object]]:
        yield ["", *units, ""]
        for name, values in zip(names, in_mm, strict=True):
            ratio = values[worst_area] / values[area]
            yield [name, *(_comma(value) for value in values), _comma(round(ratio, 3))]

    _write(raw.data / "export.csv", ["PAT", *columns, "AREA_RATIO"], rows(), ";", "cp1252")
    words = ("malignant" if m else "benign" for m in patients.malignant)
    _write(raw.labels / "findings.csv", ["PAT", "FINDING"], zip(names, words, strict=True), ";")


def _lakeview(patients: Patients, raw: RawData) -> None:
    names = [str(10000 + number) for number in range(1, len(patients) + 1)]
    order = [FEATURES.index(f"{q}_{s}") for s in reversed(STATISTICS) for q in QUANTITIES]
    columns = [".".join(w.title() for w in reversed(FEATURES[k].rsplit("_", 1))) for k in order]
    in_pixels = _in_unit(patients.values, 0.25)[:, order]
    rows = (
        [name, "0.25", *map(repr, v.tolist())] for name, v in zip(names, in_pixels, strict=True)
    )
    _write(raw.data / "nuclei.txt", ["specimen", "pixel_size_um", *columns], rows, "\t")
    labels = sorted(
        zip(names, patients.malignant.astype(int), strict=True), key=lambda r: r[0][::-1]
    )
    _write(raw.labels / "outcome.txt", ["specimen", "malignant"], labels, "\t")


_EXPORTS: Mapping[str, Callable[[Patients, RawData], None]] = {
    "northfield": _northfield,
    "riverside": _riverside,
    "lakeview": _lakeview,
}


def _in_unit(values: NDArray[np.float64], micrometers: float) -> NDArray[np.float64]:
    powers = [POWER_OF_LENGTH.get(q, 0) for _ in STATISTICS for q in QUANTITIES]
    return values / micrometers ** np.array(powers, dtype=np.float64)


def _comma(value: float) -> str:
    return repr(float(value)).replace(".", ",")


def _write(
    path: Path,
    columns: Iterable[str],
    rows: Iterable[Iterable[object]],
    delimiter: str = ",",
    encoding: str = "utf-8",
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding=encoding, newline="") as stream:
        writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
