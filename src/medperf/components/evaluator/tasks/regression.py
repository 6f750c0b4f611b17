"""Regression: one number per case."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medperf.analysis.metrics import regression
from medperf.analysis.metrics.definition import MetricDefinition, MetricValue
from medperf.components.evaluator.sections import Section
from medperf.components.evaluator.tables import Row
from medperf.components.evaluator.tasks.base import (
    NO_PREDICTION,
    CaseColumns,
    ClinicalTask,
    Failure,
    Member,
    Scorer,
)
from medperf.components.evaluator.tasks.joined import (
    PredictionsFile,
    number_in,
    reference_number,
    require_labels,
)

Pair = tuple[float, float]
Pairs = NDArray[np.float64]


@dataclass(frozen=True)
class Regression(ClinicalTask[Pair, Pairs]):
    """``reference`` and ``predicted`` are columns of the labels and of the predictions."""

    reference: str
    predictions: PredictionsFile
    predicted: str

    @property
    def labels(self) -> tuple[str, ...]:
        """None."""
        return ()

    def definition(self, metric: str) -> MetricDefinition:
        """Of the regression metrics."""
        return regression.definition(metric)

    def scorer(
        self, labels: Path, predictions: Path, members: Sequence[Member], say: Callable[[str], None]
    ) -> Scorer[Pair]:
        """Read the predictions."""
        del labels
        require_labels(members, self.reference)
        table, rows = self.predictions.read(predictions, members, [self.predicted])
        say(f"read {len(rows)} predictions from {table.name}")
        return _Reader(self, rows)

    def collect(self, evidence: Sequence[Pair]) -> Pairs:
        """Two columns: reference and prediction."""
        return np.array(evidence, dtype=np.float64).reshape(len(evidence), 2)

    def estimate(self, group: Pairs, metric: str, label: str | None) -> MetricValue:
        """Over all cases of the group."""
        del label
        return regression.value_of(metric, group[:, 0], group[:, 1])

    def evidence(self, group: Pairs, metric: str, label: str | None) -> CaseColumns | None:
        """Of every metric."""
        del label
        found = regression.columns_of(metric, group[:, 0], group[:, 1])
        return tuple(column.tolist() for column in found)

    def columns(self) -> tuple[str, ...]:
        """Reference and prediction."""
        return ("reference", "predicted")

    def cells(self, evidence: Pair) -> tuple[str, ...]:
        """In full precision."""
        return (repr(evidence[0]), repr(evidence[1]))


@dataclass(frozen=True, slots=True)
class _Reader:
    task: Regression
    rows: Mapping[str, Row]

    def __call__(self, member: Member, /) -> Pair | Failure:
        reference = reference_number(member, self.task.reference)
        row = self.rows.get(member.case)
        if row is None:
            return Failure(NO_PREDICTION)
        number = number_in(row, self.task.predicted)
        return number if isinstance(number, Failure) else (reference, number)


def parse(top: Section, labels: Section) -> Regression:
    """Read the task's own parameters.

    Raises:
        MalformedFileError: if a key is missing or of a wrong kind.
    """
    section = top.section("predictions")
    found = Regression(
        labels.text("reference"), PredictionsFile.parse(section), section.text("predicted")
    )
    section.done()
    return found
