"""Detection: objects as boxes or centers in tables, or as numbered instances in label maps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medperf.analysis.metrics import detection
from medperf.analysis.metrics.definition import MetricDefinition, MetricValue, Missing
from medperf.analysis.metrics.matching import (
    MatchedCase,
    box_centers,
    box_iou,
    center_closeness,
    instance_iou,
    matched,
)
from medperf.components.evaluator.images import file_of, read_pair
from medperf.components.evaluator.sections import Section
from medperf.components.evaluator.tables import Row, all_by_case, read_table
from medperf.components.evaluator.tasks.base import (
    CaseColumns,
    ClinicalTask,
    Failure,
    Member,
    Scorer,
)
from medperf.components.evaluator.tasks.joined import number_in
from medperf.domain.errors import InvalidRequestError, MalformedFileError

Floats = NDArray[np.float64]
INSTANCE = "instance"


@dataclass(frozen=True, slots=True)
class MatchedObjects:
    """The objects of one class of one case, to be matched by overlap or by distance."""

    by_iou: MatchedCase | None
    by_distance: MatchedCase | None


CaseObjects = Mapping[str, MatchedObjects]


@dataclass(frozen=True, slots=True)
class ObjectTable:
    """Where objects are: the columns of their corners (lower, then upper) or of their centers."""

    file: str
    case: str
    corners: tuple[str, ...]
    centers: tuple[str, ...]
    object_class: str | None
    score: str | None

    @property
    def columns(self) -> tuple[str, ...]:
        """All that must be there."""
        optional = (self.object_class, self.score)
        return (self.case, *self.corners, *self.centers, *(name for name in optional if name))


@dataclass(frozen=True)
class Detection(ClinicalTask[CaseObjects, Sequence[CaseObjects]]):
    """Objects from two tables, or instances from two label maps per case."""

    classes: tuple[str, ...]
    threshold: float
    reference: ObjectTable | None
    prediction: ObjectTable | None
    reference_files: str
    prediction_files: str
    mm_per_unit: tuple[float, ...] | None

    @property
    def in_parallel(self) -> bool:  # type: ignore[override]
        """Label maps are worth it, tables are not."""
        return self.reference is None

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes of objects."""
        return self.classes

    def definition(self, metric: str) -> MetricDefinition:
        """Of the detection metrics, as far as the objects allow.

        Raises:
            InvalidRequestError: if there is no such metric, or objects have no extent to overlap.
        """
        found = detection.definition(metric)
        if "distance@" in metric and self.reference is None:
            raise InvalidRequestError(f"{metric} needs boxes or centers; instances have overlap")
        if "distance@" not in metric and self.reference and self.reference.centers:
            raise InvalidRequestError(f"{metric} needs boxes or instances; centers have no overlap")
        return found

    def scorer(
        self, labels: Path, predictions: Path, members: Sequence[Member], say: Callable[[str], None]
    ) -> Scorer[CaseObjects]:
        """Read the tables of objects; label maps are read at each case's turn."""
        if self.reference is None or self.prediction is None:
            say(f"scoring {len(members)} cases by instances")
            return _InstanceScorer(self, labels, predictions)
        truth, answers = (
            self._objects(folder, table, members)
            for folder, table in ((labels, self.reference), (predictions, self.prediction))
        )
        n_truth, n_answers = (sum(map(len, each.values())) for each in (truth, answers))
        say(f"read {n_truth} reference objects and {n_answers} predicted ones")
        return _TableScorer(self, self.reference, self.prediction, truth, answers)

    def _objects(
        self, folder: Path, table: ObjectTable, members: Sequence[Member]
    ) -> dict[str, list[Row]]:
        found = read_table(folder, table.file, may_be_empty=True)
        found.require(*table.columns)
        rows = all_by_case(found, table.case)
        if rows and not any(member.case in rows for member in members):
            raise MalformedFileError(
                f"no case of {found.name} is among the cases; compare the case columns"
            )
        return rows

    def collect(self, evidence: Sequence[CaseObjects]) -> Sequence[CaseObjects]:
        """As it is."""
        return evidence

    def estimate(self, group: Sequence[CaseObjects], metric: str, label: str | None) -> MetricValue:
        """Of one class; overall the mean over the classes that have a value."""
        if label is None:
            found = [self.estimate(group, metric, each) for each in self.classes]
            values = [each.value for each in found if each.value is not None]
            return MetricValue(sum(values) / len(values), len(group)) if values else found[0]
        cases = _judged(group, metric, label)
        if cases is None:
            return MetricValue.none(Missing.NO_OBJECTS)
        return detection.value_of(metric, cases, self.threshold)

    def evidence(
        self, group: Sequence[CaseObjects], metric: str, label: str | None
    ) -> CaseColumns | None:
        """What was counted, or every object with its score; overall of the only class."""
        if label is None and len(self.classes) > 1:
            return None
        cases = _judged(group, metric, label or self.classes[0])
        if cases is None:
            return None
        ranked = detection.found_of(metric, cases)
        if ranked is not None:
            return ranked[0].tolist(), ranked[1]
        found = detection.columns_of(metric, cases, self.threshold)
        return None if found is None else tuple(column.tolist() for column in found)

    def columns(self) -> tuple[str, ...]:
        """Counts per class."""
        return tuple(
            f"{kind}_{label}" for label in self.classes for kind in ("n_reference", "n_predicted")
        )

    def cells(self, evidence: CaseObjects) -> tuple[str, ...]:
        """Of all scores."""
        counts: list[int] = []
        for label in self.classes:
            case = evidence[label].by_iou or evidence[label].by_distance
            counts += [case.n_reference, len(case.scores)] if case else [0, 0]
        return tuple(map(str, counts))


def _judged(group: Sequence[CaseObjects], metric: str, label: str) -> list[MatchedCase] | None:
    """The objects of a class as the metric matches them; None where they cannot be matched so."""
    by_distance = "distance@" in metric
    objects = [case[label] for case in group]
    found = [each.by_distance if by_distance else each.by_iou for each in objects]
    usable = [case for case in found if case is not None]
    return usable if len(usable) == len(found) else None


@dataclass(frozen=True, slots=True)
class _InstanceScorer:
    task: Detection
    labels: Path
    predictions: Path

    def __call__(self, member: Member, /) -> CaseObjects | Failure:
        reference_file = file_of(self.labels, self.task.reference_files, member.case)
        prediction_file = file_of(self.predictions, self.task.prediction_files, member.case)
        maps = read_pair(reference_file, prediction_file)
        if isinstance(maps, Failure):
            return maps
        reference, prediction = maps
        iou = instance_iou(prediction.array, reference.array)
        return {INSTANCE: MatchedObjects(matched(np.ones(len(iou)), iou), None)}


@dataclass(frozen=True, slots=True)
class _TableScorer:
    task: Detection
    reference: ObjectTable
    prediction: ObjectTable
    truth: Mapping[str, Sequence[Row]]
    answers: Mapping[str, Sequence[Row]]

    def __call__(self, member: Member, /) -> CaseObjects | Failure:
        truth = self._by_class(self.reference, self.truth.get(member.case, ()))
        if isinstance(truth, Failure):
            raise MalformedFileError(f"the objects of case '{member.case}': {truth.detail}")
        # A case without rows is a case in which nothing was found.
        answers = self._by_class(self.prediction, self.answers.get(member.case, ()))
        if isinstance(answers, Failure):
            return answers
        return {label: self._compare(truth[label], answers[label]) for label in self.task.classes}

    def _by_class(
        self, table: ObjectTable, rows: Sequence[Row]
    ) -> dict[str, tuple[Floats, Floats]] | Failure:
        places = table.corners or table.centers
        found: dict[str, list[list[float]]] = {label: [] for label in self.task.classes}
        for row in rows:
            label = row[table.object_class] if table.object_class else self.task.classes[0]
            if label not in found:
                raise MalformedFileError(f"{table.file} holds the unknown class '{label}'")
            numbers: list[float] = []
            for column in (*places, *([table.score] if table.score else [])):
                number = number_in(row, column)
                if isinstance(number, Failure):
                    return number
                numbers.append(number)
            found[label].append(numbers if table.score else [*numbers, 1.0])
        arrays = {
            label: np.array(each, dtype=np.float64).reshape(len(each), len(places) + 1)
            for label, each in found.items()
        }
        return {label: (array[:, :-1], array[:, -1]) for label, array in arrays.items()}

    def _compare(
        self, truth: tuple[Floats, Floats], answers: tuple[Floats, Floats]
    ) -> MatchedObjects:
        scores, places, reference = answers[1], answers[0], truth[0]
        if self.task.mm_per_unit:
            scale = np.array(self.task.mm_per_unit)
            scale = np.tile(scale, 2) if self.reference.corners else scale
            places, reference = places * scale, reference * scale
        if self.reference.centers:
            return MatchedObjects(None, matched(scores, center_closeness(places, reference)))
        near = center_closeness(box_centers(places), box_centers(reference))
        return MatchedObjects(matched(scores, box_iou(places, reference)), matched(scores, near))


def parse(top: Section, labels: Section) -> Detection:
    """Read the task's own parameters.

    Raises:
        MalformedFileError: if a key is missing or of a wrong kind.
    """
    section = top.section("predictions")
    if labels.holds("files"):
        found = Detection(
            classes=(INSTANCE,),
            threshold=0.0,
            reference=None,
            prediction=None,
            reference_files=labels.file_names("files"),
            prediction_files=section.file_names("files"),
            mm_per_unit=None,
        )
        section.done()
        return found
    reference = _table(labels, "objects.csv", None)
    prediction = _table(section, "predictions.csv", section.text("score"))
    section.done()
    n_axes = len(reference.centers) or len(reference.corners) // 2
    if len(prediction.centers) != len(reference.centers) or len(prediction.corners) != len(
        reference.corners
    ):
        raise MalformedFileError("labels and predictions need the same kind of places")
    mm_per_unit = top.numbers("mm_per_unit")
    if mm_per_unit and len(mm_per_unit) != n_axes:
        raise top.fault("mm_per_unit", f"a list of {n_axes} numbers, one per axis")
    return Detection(
        classes=top.texts("classes"),
        threshold=top.number("threshold", 0.5, 0, 1),
        reference=reference,
        prediction=prediction,
        reference_files="",
        prediction_files="",
        mm_per_unit=mm_per_unit,
    )


def _table(section: Section, default: str, score: str | None) -> ObjectTable:
    objects = section.section("objects")
    corners = objects.texts("corners") if objects.holds("corners") else ()
    centers = objects.texts("centers") if objects.holds("centers") else ()
    if bool(corners) == bool(centers) or len(corners) % 2:
        raise MalformedFileError(
            "objects needs corners (all lower ones, then all upper ones) or centers"
        )
    found = ObjectTable(
        file=objects.optional_text("file") or default,
        case=objects.text("case"),
        corners=corners,
        centers=centers,
        object_class=objects.optional_text("class"),
        score=score,
    )
    objects.done()
    return found
