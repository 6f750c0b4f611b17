"""Multi-label classification: several findings per case, each present, absent or unknown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medperf.analysis.metrics import multilabel
from medperf.analysis.metrics.definition import MetricDefinition, MetricValue
from medperf.analysis.metrics.multilabel import LabeledCases
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

_TRUE = frozenset({"1", "1.0", "true", "yes", "present"})
_FALSE = frozenset({"0", "0.0", "false", "no", "absent"})
_UNKNOWN = frozenset({"", "nan", "na", "unknown", "-1", "-1.0"})


@dataclass(frozen=True, slots=True)
class Findings:
    """Per finding the reference (None: unknown), the answer, and its probability if given."""

    reference: tuple[bool | None, ...]
    predicted: tuple[bool, ...]
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class MultiLabel(ClinicalTask[Findings, LabeledCases]):
    """Findings by name, and the columns they are in."""

    findings: tuple[str, ...]
    reference: Mapping[str, str]
    predictions: PredictionsFile
    probabilities: Mapping[str, str]
    predicted: Mapping[str, str]
    threshold: float

    @property
    def labels(self) -> tuple[str, ...]:
        """The findings."""
        return self.findings

    def definition(self, metric: str) -> MetricDefinition:
        """Of the multi-label metrics."""
        return multilabel.definition(metric)

    def scorer(
        self, labels: Path, predictions: Path, members: Sequence[Member], say: Callable[[str], None]
    ) -> Scorer[Findings]:
        """Read the predictions."""
        del labels
        require_labels(members, *self.reference.values())
        columns = [*self.probabilities.values(), *self.predicted.values()]
        table, rows = self.predictions.read(predictions, members, columns)
        say(f"read {len(rows)} predictions from {table.name}")
        return _Reader(self, table.name, rows)

    def collect(self, evidence: Sequence[Findings]) -> LabeledCases:
        """Arrays for the metrics."""
        shape = (len(evidence), len(self.findings))
        reference = [known for each in evidence for known in each.reference]
        given = [p for each in evidence for p in each.probabilities]
        return LabeledCases(
            findings=self.findings,
            reference=np.array([known is True for known in reference], np.bool_).reshape(shape),
            known=np.array([known is not None for known in reference], np.bool_).reshape(shape),
            predicted=np.array([p for each in evidence for p in each.predicted], np.bool_).reshape(
                shape
            ),
            probabilities=np.array(given, np.float64).reshape(shape)
            if self.probabilities
            else None,
        )

    def estimate(self, group: LabeledCases, metric: str, label: str | None) -> MetricValue:
        """Overall, or of one finding."""
        return multilabel.value_of(metric, group, label)

    def evidence(self, group: LabeledCases, metric: str, label: str | None) -> CaseColumns | None:
        """Of one finding, or of the metrics that look at whole cases."""
        found = multilabel.columns_of(metric, group, label)
        return None if found is None else tuple(column.tolist() for column in found)

    def columns(self) -> tuple[str, ...]:
        """Per finding the reference, the answer and its probability."""
        return tuple(
            f"{kind}_{finding}"
            for kind in ("reference", "predicted", *(["probability"] if self.probabilities else []))
            for finding in self.findings
        )

    def cells(self, evidence: Findings) -> tuple[str, ...]:
        """Unknown references are empty."""
        return (
            *("" if known is None else str(int(known)) for known in evidence.reference),
            *(str(int(answer)) for answer in evidence.predicted),
            *(repr(probability) for probability in evidence.probabilities),
        )


@dataclass(frozen=True, slots=True)
class _Reader:
    task: MultiLabel
    name: str
    rows: Mapping[str, Row]

    def __call__(self, member: Member, /) -> Findings | Failure:
        reference = tuple(
            _presence("the labels", member, member.row[column])
            for column in self.task.reference.values()
        )
        row = self.rows.get(member.case)
        if row is None:
            return Failure(NO_PREDICTION)
        probabilities: list[float] = []
        for column in self.task.probabilities.values():
            number = probability_in(self.name, member.case, row, column)
            if isinstance(number, Failure):
                return number
            probabilities.append(number)
        if not self.task.predicted:
            decided = tuple(p >= self.task.threshold for p in probabilities)
            return Findings(reference, decided, tuple(probabilities))
        answers: list[bool] = []
        for column in self.task.predicted.values():
            answer = _presence(self.name, member, row[column])
            if answer is None:
                return Failure(EMPTY, f"'{column}' is empty")
            answers.append(answer)
        return Findings(reference, tuple(answers), tuple(probabilities))


def _presence(name: str, member: Member, text: str) -> bool | None:
    word = text.lower()
    if word in _UNKNOWN:
        return None
    if word not in _TRUE | _FALSE:
        raise MalformedFileError(
            f"{name}: case '{member.case}' has {text!r} for a finding; write 1, 0, or nothing"
        )
    return word in _TRUE


def parse(top: Section, labels: Section) -> MultiLabel:
    """Read the task's own parameters.

    Raises:
        MalformedFileError: if a key is missing or of a wrong kind.
    """
    findings = top.texts("classes")
    section = top.section("predictions")
    found = MultiLabel(
        findings=findings,
        reference=_columns(labels, "reference", findings),
        predictions=PredictionsFile.parse(section),
        probabilities=_columns(section, "probabilities", findings),
        predicted=_columns(section, "class", findings),
        threshold=top.number("threshold", 0.5, 0, 1),
    )
    section.done()
    if not found.reference:
        raise MalformedFileError("labels: the key 'reference' is missing")
    if not found.probabilities and not found.predicted:
        raise MalformedFileError("predictions needs probabilities, class, or both")
    return found


def _columns(section: Section, key: str, findings: tuple[str, ...]) -> dict[str, str]:
    given = section.text_map(key)
    if given and set(given) != set(findings):
        raise section.fault(key, "a mapping of every class to its column")
    return {finding: given[finding] for finding in findings} if given else {}
