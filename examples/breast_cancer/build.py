"""Make everything the example needs, in seconds and without a network.

``build(folder)`` writes the hospitals' exports, the committee's preparator and evaluator, the
vendors' trained models, the demo dataset and the analysis plan, and says where each one is.
"""

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from examples.breast_cancer.data import (
    RawData,
    load_patients,
    split,
    write_export,
    write_vendor,
)
from examples.breast_cancer.training import RECIPES, TrainedModel, train
from medperf.components.packing import build as build_component
from medperf.components.packing import copy_component
from medperf.runners.archives import pack

HERE = Path(__file__).parent
DEMO_CASES = 40
DEMO_DIALECT = "northfield"


@dataclass(frozen=True, slots=True)
class ComponentFiles:
    """One container, ready to register.

    ``folder`` is what runs (or is built into an image), ``archive`` the same packed;
    ``parameters`` and ``additional_files`` (an archive) are None where there are none, and
    ``additional_files_folder`` holds what is in the latter.
    """

    title: str
    folder: Path
    archive: Path
    parameters: Path | None = None
    additional_files: Path | None = None
    additional_files_folder: Path | None = None
    vendor: str = ""


@dataclass(frozen=True, slots=True)
class BenchmarkFiles:
    """Where everything is. ``n_patients`` counts each hospital's cases."""

    hospitals: dict[str, RawData]
    n_patients: dict[str, int]
    vendor_training: Path
    preparator: ComponentFiles
    evaluator: ComponentFiles
    models: dict[str, ComponentFiles]
    plan: Path
    demo_dataset: Path
    demo_dataset_folder: Path


def build(folder: Path) -> BenchmarkFiles:
    """Write everything below ``folder``. The same package versions give the same bytes."""
    vendor, hospitals = split(load_patients())
    demo = folder / "demo_dataset"
    write_export(DEMO_DIALECT, vendor.take(np.arange(DEMO_CASES)), demo)
    (demo / "paths.yaml").write_text("data_path: data\nlabels_path: labels\n", encoding="utf-8")
    shutil.copyfile(HERE / "benchmark/plan.yaml", folder / "plan.yaml")
    return BenchmarkFiles(
        hospitals={
            name: write_export(name, patients, folder / "hospitals" / name)
            for name, patients in hospitals.items()
        },
        n_patients={name: len(patients) for name, patients in hospitals.items()},
        vendor_training=write_vendor(vendor, folder / "vendor"),
        preparator=_preparator(folder / "preparator"),
        evaluator=_evaluator(folder / "evaluator"),
        models={
            name: _model(train(recipe, vendor), folder / "models" / name)
            for name, recipe in RECIPES.items()
        },
        plan=folder / "plan.yaml",
        demo_dataset=_archived(demo),
        demo_dataset_folder=demo,
    )


def _preparator(folder: Path) -> ComponentFiles:
    copy_component(HERE / "preparator", folder)
    parameters = folder.with_name("preparator_parameters.yaml")
    shutil.move(folder / "parameters.yaml", parameters)
    return _packed("Unify nucleus exports", folder, parameters)


def _evaluator(folder: Path) -> ComponentFiles:
    build_component("evaluator", folder)
    parameters = folder.with_name("evaluator_parameters.yaml")
    shutil.copyfile(HERE / "benchmark/evaluator_parameters.yaml", parameters)
    return _packed("Stock evaluator", folder, parameters)


def _packed(title: str, folder: Path, parameters: Path) -> ComponentFiles:
    return ComponentFiles(title, folder, _archived(folder), parameters)


def _archived(folder: Path) -> Path:
    archive = folder.with_name(folder.name + ".tar.gz")
    pack(folder, archive)
    return archive


def _model(model: TrainedModel, folder: Path) -> ComponentFiles:
    copy_component(HERE / "model", folder)
    text = json.dumps(model.weights, separators=(",", ":"))
    title, vendor = model.recipe.title, model.recipe.vendor
    if not model.recipe.weights_apart:
        (folder / "weights.json").write_text(text, encoding="utf-8")
        return ComponentFiles(title, folder, _archived(folder), vendor=vendor)
    extra = folder.with_name(folder.name + "-additional-files")
    extra.mkdir(parents=True, exist_ok=True)
    (extra / "weights.json").write_text(text, encoding="utf-8")
    _declare_additional_files(folder / "container_config.yaml")
    return ComponentFiles(
        title=title,
        folder=folder,
        archive=_archived(folder),
        additional_files=_archived(extra),
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
