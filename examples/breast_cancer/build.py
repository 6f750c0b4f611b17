"""Make everything the example needs, in seconds and without a network.

``build(folder)`` writes the hospitals' exports, the committee's preparator and evaluator, the
vendors' trained models, the demo dataset and the analysis plan, and says where each one is.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import yaml

from examples.breast_cancer.data import (
    load_patients,
    split,
    write_export,
    write_vendor,
)
from examples.breast_cancer.training import RECIPES, TrainedModel, train
from examples.staging.files import BenchmarkFiles, ComponentFiles
from examples.staging.making import archived, demo_dataset, own_preparator, stock_evaluator
from medperf.components.packing import copy_component

HERE = Path(__file__).parent
DEMO_CASES = 40
DEMO_DIALECT = "northfield"


def build(folder: Path) -> BenchmarkFiles:
    """Write everything below ``folder``. The same package versions give the same bytes."""
    vendor, hospitals = split(load_patients())
    demo = folder / "demo_dataset"
    write_export(DEMO_DIALECT, vendor.take(np.arange(DEMO_CASES)), demo)
    shutil.copyfile(HERE / "benchmark/plan.yaml", folder / "plan.yaml")
    return BenchmarkFiles(
        hospitals={
            name: write_export(name, patients, folder / "hospitals" / name)
            for name, patients in hospitals.items()
        },
        n_patients={name: len(patients) for name, patients in hospitals.items()},
        vendor_training=write_vendor(vendor, folder / "vendor"),
        preparator=own_preparator(HERE, folder, "Unify nucleus exports"),
        evaluator=stock_evaluator(HERE, folder),
        models={
            name: _model(train(recipe, vendor), folder / "models" / name)
            for name, recipe in RECIPES.items()
        },
        plan=folder / "plan.yaml",
        demo_dataset=demo_dataset(demo),
        demo_dataset_folder=demo,
    )


def _model(model: TrainedModel, folder: Path) -> ComponentFiles:
    copy_component(HERE / "model", folder)
    text = json.dumps(model.weights, separators=(",", ":"))
    title, vendor = model.recipe.title, model.recipe.vendor
    if not model.recipe.weights_apart:
        (folder / "weights.json").write_text(text, encoding="utf-8")
        return ComponentFiles(title, folder, archived(folder), vendor=vendor)
    extra = folder.with_name(folder.name + "-additional-files")
    extra.mkdir(parents=True, exist_ok=True)
    (extra / "weights.json").write_text(text, encoding="utf-8")
    _declare_additional_files(folder / "container_config.yaml")
    return ComponentFiles(
        title=title,
        folder=folder,
        archive=archived(folder),
        additional_files=archived(extra),
        additional_files_folder=extra,
        vendor=vendor,
    )


def _declare_additional_files(path: Path) -> None:
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["tasks"]["infer"]["input_volumes"]["additional_files"] = {
        "mount_path": "/mlcommons/volumes/additional_files",
        "type": "directory",
    }
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


if __name__ == "__main__":
    build(Path(sys.argv[1] if len(sys.argv) > 1 else ".demo/build"))
