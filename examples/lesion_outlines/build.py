"""Make everything the example needs in seconds, once the package with the volumes is fetched.

``build(folder)`` writes the hospitals' exports, the committee's preparator and evaluator, the
vendors' algorithms, the demo dataset (a drawn ball, no patient) and the analysis plan.
"""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from examples.lesion_outlines.data import HOSPITALS, load_scans, phantom, write_export
from examples.staging.files import BenchmarkFiles, ComponentFiles
from examples.staging.making import archived, demo_dataset, own_preparator, stock_evaluator
from medperf.components.packing import copy_component

HERE = Path(__file__).parent
DEMO_PATIENTS = ("PHANTOM-1", "PHANTOM-2")

MODELS: Mapping[str, tuple[str, str, dict[str, Any]]] = {
    "otsu": ("Otsu threshold", "vendor-a", {"algorithm": "otsu"}),
    "k-means": ("k-means", "vendor-a", {"algorithm": "k_means"}),
    "region-growing": ("Region growing", "vendor-a", {"algorithm": "region_growing"}),
    "watershed": ("Watershed", "vendor-b", {"algorithm": "watersheds"}),
    "random-walker": ("Random walker", "vendor-b", {"algorithm": "random_walk"}),
    # Deliberately bad: it never looks at the image.
    "whole-box": ("The whole box", "vendor-b", {"algorithm": "whole_box"}),
}


def build(folder: Path) -> BenchmarkFiles:
    """Write everything below ``folder``, real volumes included."""
    scans = load_scans(folder / "package")
    held = {
        hospital: {patient: scans[name] for patient, name in patients.items()}
        for hospital, patients in HOSPITALS.items()
    }
    return BenchmarkFiles(
        hospitals={
            hospital: write_export(hospital, patients, folder / "hospitals" / hospital)
            for hospital, patients in held.items()
        },
        n_patients={hospital: len(patients) for hospital, patients in held.items()},
        **build_components(folder),
    )


def build_components(folder: Path) -> dict[str, Any]:
    """All but the hospitals: what needs no real volume."""
    demo = folder / "demo_dataset"
    write_export("harbor", dict.fromkeys(DEMO_PATIENTS, phantom()), demo)
    shutil.copyfile(HERE / "benchmark/plan.yaml", folder / "plan.yaml")
    return {
        "preparator": own_preparator(HERE, folder, "Unify scans and outlines"),
        "evaluator": stock_evaluator(HERE, folder, images=True),
        "models": {name: _model(folder / "models" / name, *what) for name, what in MODELS.items()},
        "plan": folder / "plan.yaml",
        "demo_dataset": demo_dataset(demo),
        "demo_dataset_folder": demo,
    }


def _model(folder: Path, title: str, vendor: str, settings: dict[str, Any]) -> ComponentFiles:
    copy_component(HERE / "model", folder)
    text = yaml.safe_dump(settings, sort_keys=False)
    (folder / "algorithm.yaml").write_text(text, encoding="utf-8")
    return ComponentFiles(title, folder, archived(folder), vendor=vendor)


if __name__ == "__main__":
    build(Path(sys.argv[1] if len(sys.argv) > 1 else ".demo/build"))
