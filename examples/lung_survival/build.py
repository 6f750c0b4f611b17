"""Make everything the example needs in seconds, once the package with the patients is fetched.

``build(folder)`` writes the sites' exports, the committee's preparator and evaluator, the vendors'
trained models, the demo dataset (of the vendors' patients) and the analysis plan.
"""

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from examples.lung_survival.data import SITES, Patient, load_patients, write_export, write_vendors
from examples.lung_survival.training import RECIPES, Recipe, train
from examples.staging.files import BenchmarkFiles, ComponentFiles
from examples.staging.making import archived, demo_dataset, own_preparator, stock_evaluator
from medperf.components.packing import copy_component

HERE = Path(__file__).parent
DEMO_CASES = 40
DEMO_DIALECT = "inst-1"


def build(folder: Path) -> BenchmarkFiles:
    """Write everything below ``folder``. The same package versions give the same bytes."""
    return build_from(load_patients(folder / "package"), folder)


def build_from(patients: Mapping[str, Sequence[Patient]], folder: Path) -> BenchmarkFiles:
    """As ``build``, of patients by site, with those of the ``vendors``."""
    vendors = patients["vendors"]
    demo = folder / "demo_dataset"
    write_export(DEMO_DIALECT, vendors[:DEMO_CASES], demo)
    shutil.copyfile(HERE / "benchmark/plan.yaml", folder / "plan.yaml")
    return BenchmarkFiles(
        hospitals={
            site: write_export(site, patients[site], folder / "sites" / site) for site in SITES
        },
        n_patients={site: len(patients[site]) for site in SITES},
        preparator=own_preparator(HERE, folder, "Unify follow-up exports"),
        evaluator=stock_evaluator(HERE, folder),
        models={
            name: _model(recipe, train(recipe, vendors), folder / "models" / name)
            for name, recipe in RECIPES.items()
        },
        plan=folder / "plan.yaml",
        demo_dataset=demo_dataset(demo),
        demo_dataset_folder=demo,
        vendor_training=write_vendors(vendors, folder / "vendors"),
    )


def _model(recipe: Recipe, weights: dict[str, Any], folder: Path) -> ComponentFiles:
    copy_component(HERE / "model", folder)
    text = json.dumps(weights, separators=(",", ":"))
    (folder / "weights.json").write_text(text, encoding="utf-8")
    return ComponentFiles(recipe.title, folder, archived(folder), vendor=recipe.vendor)


if __name__ == "__main__":
    build(Path(sys.argv[1] if len(sys.argv) > 1 else ".demo/build"))
