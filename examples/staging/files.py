"""What an example's builder hands to the stage: raw exports, components, plan, demo dataset."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RawData:
    """What a hospital has before preparation: a folder of data and a folder of labels."""

    data: Path
    labels: Path


@dataclass(frozen=True, slots=True)
class ComponentFiles:
    """One container, ready to register.

    ``folder`` is what runs (or is built into an image), ``archive`` the same packed;
    ``parameters`` and ``additional_files`` (an archive) are None where there are none, and
    ``additional_files_folder`` holds what is in the latter. ``requirements`` is the file in
    ``folder`` that lists what an image needs.
    """

    title: str
    folder: Path
    archive: Path
    parameters: Path | None = None
    additional_files: Path | None = None
    additional_files_folder: Path | None = None
    requirements: str = "requirements.txt"
    vendor: str = ""


@dataclass(frozen=True, slots=True)
class BenchmarkFiles:
    """Where everything is. ``n_patients`` counts each hospital's.

    ``vendor_training`` is what the vendors trained on, None if nothing was trained.
    """

    hospitals: dict[str, RawData]
    n_patients: dict[str, int]
    preparator: ComponentFiles
    evaluator: ComponentFiles
    models: dict[str, ComponentFiles]
    plan: Path
    demo_dataset: Path
    demo_dataset_folder: Path
    vendor_training: Path | None = None
