"""Phases of a video: a table of frames per case, for the reference and for the prediction."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medperf.analysis.metrics import phases
from medperf.analysis.metrics.definition import MetricDefinition
from medperf.analysis.metrics.phases import Video
from medperf.components.evaluator.images import file_of
from medperf.components.evaluator.sections import Section
from medperf.components.evaluator.tables import by_case, read_table
from medperf.components.evaluator.tasks.base import (
    BAD_REFERENCE,
    MISMATCH,
    NO_PREDICTION,
    UNREADABLE,
    Failure,
    Member,
    Scorer,
)
from medperf.components.evaluator.tasks.casewise import CaseValues, CaseWise
from medperf.domain.errors import InvalidRequestError, MalformedFileError

Phases = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FrameTable:
    """The files of the cases, the column of the phase, and that of the frame, if there is one."""

    files: str
    phase: str
    frame: str | None

    @classmethod
    def parse(cls, section: Section) -> "FrameTable":
        """Read the keys."""
        return cls(
            section.file_names("files"), section.text("phase"), section.optional_text("frame")
        )

    def read(self, path: Path) -> dict[str, str]:
        """The phase by frame; frames without a column are counted.

        Raises:
            MalformedFileError: if a column is missing or a frame occurs twice.
        """
        table = read_table(path, path.name)
        table.require(self.phase, *([self.frame] if self.frame else []))
        if self.frame:
            return {frame: row[self.phase] for frame, row in by_case(table, self.frame).items()}
        return {str(number): row[self.phase] for number, row in enumerate(table.rows)}


@dataclass(frozen=True)
class PhaseRecognition(CaseWise):
    """``classes`` are the phases by name."""

    classes: tuple[str, ...]
    frames_per_s: float
    reference: FrameTable
    prediction: FrameTable
    wanted: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The phases."""
        return self.classes

    @property
    def metrics(self) -> tuple[str, ...]:
        """As the parameters list them."""
        return self.wanted

    def measuring(self, metrics: tuple[str, ...]) -> "PhaseRecognition":
        """Only these are computed for each video."""
        return replace(self, wanted=metrics)

    def definition(self, metric: str) -> MetricDefinition:
        """Of the phase metrics."""
        return phases.definition(metric)

    def scorer(
        self, labels: Path, predictions: Path, members: Sequence[Member], say: Callable[[str], None]
    ) -> Scorer[CaseValues]:
        """Nothing is read before its case's turn."""
        say(f"scoring {len(members)} videos")
        return _Scorer(self, labels, predictions)


@dataclass(frozen=True, slots=True)
class _Scorer:
    task: PhaseRecognition
    labels: Path
    predictions: Path

    def __call__(self, member: Member, /) -> CaseValues | Failure:
        task = self.task
        reference_file = file_of(self.labels, task.reference.files, member.case)
        prediction_file = file_of(self.predictions, task.prediction.files, member.case)
        if not prediction_file.is_file():
            return Failure(NO_PREDICTION, f"there is no {prediction_file.name}")
        try:
            reference = task.reference.read(reference_file)
            truth = self._indices(reference_file, reference.values())
        except InvalidRequestError as fault:
            return Failure(BAD_REFERENCE, fault.detail)
        try:
            prediction = task.prediction.read(prediction_file)
            if set(prediction) != set(reference):
                return Failure(
                    MISMATCH,
                    f"{prediction_file.name} has {len(prediction)} frames, "
                    f"its reference {len(reference)}, or others",
                )
            answer = self._indices(prediction_file, (prediction[frame] for frame in reference))
        except InvalidRequestError as fault:
            return Failure(UNREADABLE, fault.detail)
        video = Video(truth, answer, task.frames_per_s)
        return {
            None: phases.values_of(task.metrics, video),
            **{
                label: phases.values_of(task.metrics, video, k)
                for k, label in enumerate(task.classes)
            },
        }

    def _indices(self, path: Path, names: Iterable[str]) -> Phases:
        known = {name: k for k, name in enumerate(self.task.classes)}
        found: list[int] = []
        for name in names:
            if name not in known:
                raise MalformedFileError(f"{path.name} holds the unknown phase '{name}'")
            found.append(known[name])
        return np.array(found, dtype=np.int64)


def parse(top: Section, labels: Section) -> PhaseRecognition:
    """Read the task's own parameters.

    Raises:
        MalformedFileError: if a key is missing or of a wrong kind.
    """
    section = top.section("predictions")
    found = PhaseRecognition(
        classes=top.texts("classes"),
        frames_per_s=top.number("frames_per_s", 1.0, 0.001, 1000.0),
        reference=FrameTable.parse(labels),
        prediction=FrameTable.parse(section),
    )
    section.done()
    return found
