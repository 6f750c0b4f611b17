"""Classification: one of two or more classes per case."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medperf.analysis.metrics import classification
from medperf.analysis.metrics.classification import ClassifiedCases
from medperf.analysis.metrics.definition import MetricDefinition, MetricValue
from medperf.components.evaluator.sections import Section
from medperf.components.evaluator.tables import Row
from medperf.components.evaluator.tasks.base import (
    EMPTY,
    NO_PREDICTION,
    CaseColumns,
    ClinicalTask,
    Failure,
    Member,
    Scorer,
)
from medperf.components.evaluator.tasks.joined import (
    PredictionsFile,
    probability_in,
    require_labels,
)
from medperf.domain.errors import MalformedFileError

# Sums of float32 probabilities, and of values written with three decimals, are off by this much.
SUM_TOLERANCE = 2e-3


@dataclass(frozen=True, slots=True)
class Answer:
    """Indices of the reference and the predicted class; a probability per class, if given."""

    reference: int
    predicted: int
    probabilities: tuple[float, ...] | None


@dataclass(frozen=True)
class Classification(ClinicalTask[Answer, ClassifiedCases]):
    """``probabilities`` maps classes to columns; ``predicted`` is a column with a class."""

    classes: tuple[str, ...]
    positive_class: str | None
    threshold: float
    reference: str
    predictions: PredictionsFile
    probabilities: Mapping[str, str]
    predicted: str | None

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes."""
        return self.classes

    def definition(self, metric: str) -> MetricDefinition:
        """Of the classification metrics."""
        return classification.definition(metric)

    def scorer(
        self, labels: Path, predictions: Path, members: Sequence[Member], say: Callable[[str], None]
    ) -> Scorer[Answer]:
        """Read the predictions; every class name must be known."""
        del labels
        require_labels(members, self.reference)
        columns = [*self.probabilities.values(), *([self.predicted] if self.predicted else [])]
        table, rows = self.predictions.read(predictions, members, columns)
        say(f"read {len(rows)} predictions from {table.name}")
        return _Reader(self, table.name, rows)

    def collect(self, evidence: Sequence[Answer]) -> ClassifiedCases:
        """Arrays for the metrics."""
        positive = self.positive_class
        given = [each.probabilities for each in evidence if each.probabilities is not None]
        shape = (len(evidence), len(self.classes))
        return ClassifiedCases(
            classes=self.classes,
            reference=np.array([each.reference for each in evidence], dtype=np.int64),
            predicted=np.array([each.predicted for each in evidence], dtype=np.int64),
            probabilities=(
                np.array(given, dtype=np.float64).reshape(shape) if self.probabilities else None
            ),
            positive=None if positive is None else self.classes.index(positive),
        )

    def estimate(self, group: ClassifiedCases, metric: str, label: str | None) -> MetricValue:
        """Overall, or of one class against the rest."""
        return classification.value_of(metric, group, label)

    def evidence(
        self, group: ClassifiedCases, metric: str, label: str | None
    ) -> CaseColumns | None:
        """Overall, or of one class against the rest."""
        found = classification.columns_of(metric, group, label)
        return None if found is None else tuple(column.tolist() for column in found)

    def columns(self) -> tuple[str, ...]:
        """Reference, prediction, and probabilities."""
        names = ("reference", "predicted")
        if not self.probabilities:
            return names
        return (*names, *(f"probability_{label}" for label in self.classes))

    def cells(self, evidence: Answer) -> tuple[str, ...]:
        """Numbers in full precision."""
        names = (self.classes[evidence.reference], self.classes[evidence.predicted])
        return (*names, *map(repr, evidence.probabilities or ()))

    def decide(self, probabilities: tuple[float, ...]) -> int:
        """The positive class from the threshold on; of more classes the most probable."""
        if self.positive_class is None:
            return probabilities.index(max(probabilities))
        positive = self.classes.index(self.positive_class)
        return positive if probabilities[positive] >= self.threshold else 1 - positive


@dataclass(frozen=True, slots=True)
class _Reader:
    task: Classification
    name: str
    rows: Mapping[str, Row]

    def __call__(self, member: Member, /) -> Answer | Failure:
        # A class that nobody knows is an error of the whole file, also where the model failed.
        reference = self._class_index("the labels", member, member.row[self.task.reference])
        row = self.rows.get(member.case)
        if row is None:
            return Failure(NO_PREDICTION)
        probabilities = self._probabilities(member, row)
        if isinstance(probabilities, Failure):
            return probabilities
        if column := self.task.predicted:
            if not row[column]:
                return Failure(EMPTY, f"'{column}' is empty")
            chosen = self._class_index(self.name, member, row[column])
        else:
            chosen = self.task.decide(probabilities or ())
        return Answer(reference, chosen, probabilities)

    def _class_index(self, name: str, member: Member, label: str) -> int:
        if label not in self.task.classes:
            known = ", ".join(self.task.classes)
            raise MalformedFileError(
                f"{name}: case '{member.case}' has the unknown class '{label}'; "
                f"the classes are: {known}"
            )
        return self.task.classes.index(label)

    def _probabilities(self, member: Member, row: Row) -> tuple[float, ...] | Failure | None:
        given: dict[str, float] = {}
        for label, column in self.task.probabilities.items():
            number = probability_in(self.name, member.case, row, column)
            if isinstance(number, Failure):
                return number
            given[label] = number
        if not given:
            return None
        if len(given) < len(self.task.classes):
            # Only two classes get here: the other one has the rest.
            rest = 1.0 - sum(given.values())
            return tuple(given.get(label, rest) for label in self.task.classes)
        total = sum(given.values())
        if abs(total - 1.0) > SUM_TOLERANCE:
            raise MalformedFileError(
                f"{self.name}: the probabilities of case '{member.case}' add up to {total:g}, "
                "not to 1"
            )
        return tuple(given[label] for label in self.task.classes)


def parse(top: Section, labels: Section) -> Classification:
    """Read the task's own parameters.

    Raises:
        MalformedFileError: if a key is missing or of a wrong kind.
    """
    classes = top.texts("classes")
    if len(classes) < 2:  # noqa: PLR2004 - a classification has two sides
        raise MalformedFileError("classes needs at least two names")
    positive = top.optional_text("positive_class")
    if positive is not None and (len(classes) > 2 or positive not in classes):  # noqa: PLR2004
        raise MalformedFileError("positive_class must be one of exactly two classes")
    section = top.section("predictions")
    found = Classification(
        classes=classes,
        positive_class=positive,
        threshold=top.number("threshold", 0.5, 0, 1),
        reference=labels.text("reference"),
        predictions=PredictionsFile.parse(section),
        probabilities=section.text_map("probabilities"),
        predicted=section.optional_text("class"),
    )
    section.done()
    columns = found.probabilities
    if unknown := sorted(set(columns) - set(classes)):
        raise MalformedFileError(f"predictions.probabilities names the unknown class {unknown[0]}")
    # Of two classes one will do: the other has the rest of the probability.
    if columns and len(classes) > 2 and len(columns) < len(classes):  # noqa: PLR2004
        raise MalformedFileError("predictions.probabilities needs a column for every class")
    if not columns and found.predicted is None:
        raise MalformedFileError("predictions needs probabilities, class, or both")
    return found
