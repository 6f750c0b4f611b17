"""The evaluator's parameters: YAML in, checked values out, every fault named with its key."""

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from medperf.components.evaluator.cohort import CohortSource, Subgroup
from medperf.components.evaluator.sections import Section
from medperf.components.evaluator.tasks.base import ClinicalTask
from medperf.domain.errors import (
    EmptyInputError,
    InvalidRequestError,
    MalformedFileError,
    NotSupportedError,
)

CLINICAL_TASKS = (
    "classification",
    "multilabel",
    "segmentation",
    "detection",
    "regression",
    "time_to_event",
    "phases",
)
MOST_WORKERS = 256


@dataclass(frozen=True, slots=True)
class WantedMetric:
    """A metric to compute overall and, if ``per_class``, also for each class label."""

    name: str
    per_class: bool = False


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the committee fixed. ``workers`` is 0 for as many as there are cores."""

    task: ClinicalTask[Any, Any]
    cohort: CohortSource
    metrics: tuple[WantedMetric, ...]
    workers: int


def read_parameters(path: Path) -> Parameters:
    """Read and check a parameters file.

    Raises:
        EmptyInputError: if there is no such file or nothing in it.
        MalformedFileError: if it is not YAML, or a key is unknown, missing or of a wrong kind.
    """
    if not path.is_file():
        raise EmptyInputError(f"there is no parameters file at {path}")
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as fault:
        one_line = " ".join(str(fault).split())
        raise MalformedFileError(f"{path.name} is not YAML: {one_line}") from fault
    if document is None:
        raise EmptyInputError(f"the parameters file {path.name} is empty")
    return parse_parameters(document)


def parse_parameters(document: Any) -> Parameters:
    """Check parsed parameters.

    Raises:
        MalformedFileError: as ``read_parameters``.
    """
    top = Section("parameters", document)
    clinical_task = top.text("clinical_task")
    if clinical_task not in CLINICAL_TASKS:
        known = ", ".join(CLINICAL_TASKS)
        raise MalformedFileError(
            f"clinical_task is {clinical_task!r}; this evaluator knows: {known}"
        )
    subgroups = tuple(_subgroup(entry) for entry in top.entries("subgroups", needed=False))
    wanted = top.entries("metrics")
    workers = int(top.number("workers", 0, 0, MOST_WORKERS))
    labels = top.section("labels")
    cohort = CohortSource.parse(labels, subgroups)
    # Only the libraries of the task at hand are loaded: a table needs no image reader.
    task: ClinicalTask[Any, Any] = _module(clinical_task).parse(top, labels)
    labels.done()
    top.done()
    metrics = tuple(_metric(entry, task) for entry in wanted)
    task = task.measuring(tuple(metric.name for metric in metrics))
    return Parameters(task, cohort, metrics, workers)


def _module(clinical_task: str) -> Any:
    try:
        return importlib.import_module(f"medperf.components.evaluator.tasks.{clinical_task}")
    except ModuleNotFoundError as fault:
        raise NotSupportedError(
            f"{clinical_task} needs {fault.name}, which is not installed here",
            hint="Install what is in requirements-images.txt beside the evaluator.",
        ) from fault


def _metric(entry: Any, task: ClinicalTask[Any, Any]) -> WantedMetric:
    if isinstance(entry, str):
        found = WantedMetric(entry)
    else:
        section = Section("metrics", entry)
        found = WantedMetric(section.text("name"), section.flag("per_class"))
        section.done()
    try:
        task.definition(found.name)
    except InvalidRequestError as fault:
        raise MalformedFileError(f"metrics: {fault.detail}") from fault
    if found.per_class and not task.labels:
        raise MalformedFileError(f"metrics: {found.name} cannot be per_class, there are no classes")
    return found


def _subgroup(entry: Any) -> Subgroup:
    section = Section("subgroups", entry)
    name = section.text("name")
    found = Subgroup(name, section.optional_text("column") or name, section.texts("values"))
    section.done()
    return found
