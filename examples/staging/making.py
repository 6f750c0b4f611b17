"""What the builders of all examples do alike: pack components and demo datasets.

An example's folder holds ``preparator/`` with its ``parameters.yaml``, and ``benchmark/`` with the
stock evaluator's ``evaluator_parameters.yaml`` and the ``plan.yaml``.
"""

import shutil
from pathlib import Path

from examples.staging.files import ComponentFiles
from medperf.components.packing import build as build_component
from medperf.components.packing import copy_component
from medperf.runners.archives import pack


def own_preparator(example: Path, folder: Path, title: str) -> ComponentFiles:
    """The example's preparator below ``folder``, its parameters beside it."""
    component = copy_component(example / "preparator", folder / "preparator")
    parameters = folder / "preparator_parameters.yaml"
    shutil.move(component / "parameters.yaml", parameters)
    return ComponentFiles(title, component, archived(component), parameters)


def stock_evaluator(example: Path, folder: Path, *, images: bool = False) -> ComponentFiles:
    """The stock evaluator below ``folder``, parameters beside it; ``images`` if it reads them."""
    component = build_component("evaluator", folder / "evaluator")
    parameters = folder / "evaluator_parameters.yaml"
    shutil.copyfile(example / "benchmark/evaluator_parameters.yaml", parameters)
    return ComponentFiles(
        "Stock evaluator",
        component,
        archived(component),
        parameters,
        requirements="requirements-images.txt" if images else "requirements.txt",
    )


def demo_dataset(folder: Path) -> Path:
    """The raw data in ``folder`` (``data`` and ``labels``) as a demo dataset's archive."""
    (folder / "paths.yaml").write_text("data_path: data\nlabels_path: labels\n", encoding="utf-8")
    return archived(folder)


def archived(folder: Path) -> Path:
    """Pack ``folder`` into ``<folder>.tar.gz``, the same bytes for the same content."""
    archive = folder.with_name(folder.name + ".tar.gz")
    pack(folder, archive)
    return archive
