"""The real patients: who is whose by the institution that enrolled them, and how each site exports.

The NCCTG lung cancer set (228 patients with advanced lung cancer, North Central Cancer Treatment
Group, Loprinzi et al. 1994, doi:10.1200/JCO.1994.12.3.601) ships inside lifelines 0.30.3 (MIT). It
keeps the code of the institution that enrolled each patient, so here the sites are real: nobody
was dealt out at random. The rule was written down before anything was scored:

* the three largest institutions are sites of their own: 1 (36 patients), 12 (23), 13 (20);
* the next two, 3 and 11, report together (37), each being too small;
* the other thirteen, and the one patient without a code, are the vendors' training set (112).

What is made up is the paperwork: patient numbers, and that two of the sites export otherwise:

==============  ==========================  =====================================
..              inst-1, inst-3-11           inst-12, inst-13
==============  ==========================  =====================================
files           lung.csv, followup.csv      registry.csv, outcome.csv
cells           comma, NA where unknown     semicolon, decimal comma, empty
sex             1, 2                        M, F
weight loss     pounds                      kilograms
follow-up       days; status 1, 2           weeks; dead no, yes
==============  ==========================  =====================================
"""

import csv
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from examples.staging.fetch import PinnedPackage, fetch, unpack
from examples.staging.files import RawData

PACKAGE = PinnedPackage(
    project="lifelines",
    filename="lifelines-0.30.3-py3-none-any.whl",
    sha256="44802480a28d6cb836c7fea4a54ec0ba220eb31c6d7444589637a8bd66066e8c",
    license="MIT",
)
SITES: Mapping[str, tuple[int, ...]] = {
    "inst-1": (1,),
    "inst-12": (12,),
    "inst-13": (13,),
    "inst-3-11": (3, 11),
}
COVARIATES: Mapping[str, str] = {
    "age_years": "age",
    "is_female": "sex",
    "ecog": "ph.ecog",
    "karnofsky_physician": "ph.karno",
    "karnofsky_patient": "pat.karno",
    "calories": "meal.cal",
    "weight_loss_lb": "wt.loss",
}
"""What is known about a patient at enrollment, and what the published set calls it."""

KG_PER_LB = 0.45359237
DAYS_PER_WEEK = 7
_FEMALE = "2"


@dataclass(frozen=True, slots=True)
class Patient:
    """One patient: ``values`` by the names of ``COVARIATES``, None where unknown."""

    values: Mapping[str, float | None]
    days: int
    died: bool


def load_patients(folder: Path) -> dict[str, list[Patient]]:
    """Everybody by site, and under ``vendors`` the rest; fetched when they are not here yet."""
    archive = fetch(PACKAGE)
    names = ["lifelines/datasets/lung.csv", "lifelines-0.30.3.dist-info/licenses/LICENSE"]
    table, _ = unpack(archive, names, folder)
    site_of = {code: site for site, codes in SITES.items() for code in codes}
    found: dict[str, list[Patient]] = {site: [] for site in (*SITES, "vendors")}
    with table.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            code = int(float(row["inst"])) if row["inst"] else 0
            found[site_of.get(code, "vendors")].append(_patient(row))
    return found


def write_vendors(patients: Sequence[Patient], folder: Path) -> Path:
    """The vendors' training table, in the unified form."""
    path = folder / "training.csv"
    rows = (
        [*("" if v is None else f"{v:g}" for v in p.values.values()), p.days, int(p.died)]
        for p in patients
    )
    _write(path, [*COVARIATES, "time_days", "died"], rows)
    return path


def write_export(site: str, patients: Sequence[Patient], folder: Path) -> RawData:
    """Write ``patients`` as ``site`` exports them, below ``folder``."""
    raw = RawData(folder / "data", folder / "labels")
    _EXPORTS[site](patients, raw)
    return raw


def _patient(row: Mapping[str, str]) -> Patient:
    values: dict[str, float | None] = {
        name: float(row[column]) if row[column] else None for name, column in COVARIATES.items()
    }
    values["is_female"] = float(row["sex"] == _FEMALE)
    return Patient(values, int(row["time"]), row["status"] == "1")


def _published(patients: Sequence[Patient], raw: RawData) -> None:
    names = [f"L{number:03d}" for number in range(1, len(patients) + 1)]
    rows = (
        [name, *("NA" if v is None else f"{v:g}" for v in _with_sex(p, {1.0: 2.0, 0.0: 1.0}))]
        for name, p in zip(names, patients, strict=True)
    )
    _write(raw.data / "lung.csv", ["id", *COVARIATES.values()], rows)
    outcomes = ([name, p.days, 1 + p.died] for name, p in zip(names, patients, strict=True))
    _write(raw.labels / "followup.csv", ["id", "time", "status"], outcomes)


def _registry(patients: Sequence[Patient], raw: RawData) -> None:
    names = [f"{70000 + 13 * number}" for number in range(1, len(patients) + 1)]
    columns = ["PAT", "AGE", "SEX", "ECOG", "KPS_DOC", "KPS_PAT", "KCAL", "LOSS_KG"]
    rows = (
        [name, *(_registry_cell(key, value) for key, value in p.values.items())]
        for name, p in zip(names, patients, strict=True)
    )
    _write(raw.data / "registry.csv", columns, rows, ";")
    outcomes = (
        [name, _comma(p.days / DAYS_PER_WEEK), "yes" if p.died else "no"]
        for name, p in zip(names, patients, strict=True)
    )
    _write(raw.labels / "outcome.csv", ["PAT", "WEEKS", "DEAD"], outcomes, ";")


def _with_sex(patient: Patient, codes: Mapping[float, float]) -> Iterable[float | None]:
    for name, value in patient.values.items():
        yield codes[value] if name == "is_female" and value is not None else value


def _registry_cell(name: str, value: float | None) -> str:
    if value is None:
        return ""
    if name == "is_female":
        return "F" if value else "M"
    return _comma(value * KG_PER_LB if name == "weight_loss_lb" else value)


def _comma(value: float) -> str:
    return f"{value:.6g}".replace(".", ",")


_EXPORTS: Mapping[str, Callable[[Sequence[Patient], RawData], None]] = {
    "inst-1": _published,
    "inst-12": _registry,
    "inst-13": _registry,
    "inst-3-11": _published,
}


def _write(
    path: Path, columns: Iterable[str], rows: Iterable[Iterable[object]], delimiter: str = ","
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


if __name__ == "__main__":
    try:
        fetch(PACKAGE)
    except Exception as fault:  # noqa: BLE001 - whatever a network brings
        sys.exit(f"{PACKAGE.filename} could not be fetched: {fault}")
