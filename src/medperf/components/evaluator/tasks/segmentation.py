"""Segmentation: label maps in files, one per case, scored by region."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medperf.analysis.metrics import segmentation
from medperf.analysis.metrics.definition import MetricDefinition, MetricValue
from medperf.analysis.metrics.label_maps import LabelMapPair
from medperf.components.evaluator.images import file_of, read_pair
from medperf.components.evaluator.sections import Section
from medperf.components.evaluator.tasks.base import (
    BAD_REFERENCE,
    Failure,
    Member,
    Scorer,
)
from medperf.components.evaluator.tasks.casewise import CaseValues, CaseWise, mean_over_labels


@dataclass(frozen=True)
class Segmentation(CaseWise):
    """Regions by name, each a set of labels; ``spacing_mm`` is for files that do not say it."""

    reference_files: str
    prediction_files: str
    regions: Mapping[str, tuple[int, ...]]
    spacing_mm: tuple[float, ...] | None
    wanted: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The regions."""
        return tuple(self.regions)

    @property
    def metrics(self) -> tuple[str, ...]:
        """As the parameters list them."""
        return self.wanted

    def measuring(self, metrics: tuple[str, ...]) -> "Segmentation":
        """Only these are computed for each case."""
        return replace(self, wanted=metrics)

    def definition(self, metric: str) -> MetricDefinition:
        """Of the segmentation metrics."""
        return segmentation.definition(metric)

    def scorer(
        self, labels: Path, predictions: Path, members: Sequence[Member], say: Callable[[str], None]
    ) -> Scorer[CaseValues]:
        """Nothing is read before its case's turn."""
        say(f"scoring {len(members)} cases by {len(self.regions)} regions")
        return _Scorer(self, labels, predictions)


@dataclass(frozen=True, slots=True)
class _Scorer:
    task: Segmentation
    labels: Path
    predictions: Path

    def __call__(self, member: Member, /) -> CaseValues | Failure:
        reference_file = file_of(self.labels, self.task.reference_files, member.case)
        prediction_file = file_of(self.predictions, self.task.prediction_files, member.case)
        maps = read_pair(reference_file, prediction_file)
        if isinstance(maps, Failure):
            return maps
        reference, prediction = maps
        spacing_mm = reference.spacing_mm or self.task.spacing_mm
        if spacing_mm is None:
            return Failure(BAD_REFERENCE, "the image says no spacing, and neither does spacing_mm")
        pair = LabelMapPair(reference.array, prediction.array, spacing_mm)
        by_region = {
            name: segmentation.values_of(self.task.metrics, masks)
            for name, masks in pair.regions(self.task.regions)
        }
        values: dict[str | None, Mapping[str, MetricValue]] = dict(by_region.items())
        values[None] = mean_over_labels(self.task.metrics, by_region)
        return values


def parse(top: Section, labels: Section) -> Segmentation:
    """Read the task's own parameters.

    Raises:
        MalformedFileError: if a key is missing or of a wrong kind.
    """
    section = top.section("predictions")
    found = Segmentation(
        reference_files=labels.file_names("files"),
        prediction_files=section.file_names("files"),
        regions=top.number_map("regions"),
        spacing_mm=top.numbers("spacing_mm"),
    )
    section.done()
    return found
