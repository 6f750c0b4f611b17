"""Time to event: when something happens, for cases that may be lost from sight before."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medperf.analysis.metrics import survival
from medperf.analysis.metrics.definition import MetricDefinition, MetricValue
from medperf.analysis.metrics.survival import FollowedCases
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
    probability_in,
    reference_number,
    require_labels,
)
from medperf.domain.errors import MalformedFileError


@dataclass(frozen=True, slots=True)
class Course:
    """What happened to a case and what was predicted for it."""

    time: float
    event: bool
    risk: float | None
    survival: tuple[float, ...]


@dataclass(frozen=True)
class TimeToEvent(ClinicalTask[Course, FollowedCases]):
    """``survival`` maps times to columns with the probability of no event until then."""

    time: str
    event: str
    event_values: tuple[str, ...]
    predictions: PredictionsFile
    risk: str | None
    survival: Mapping[float, str]

    @property
    def labels(self) -> tuple[str, ...]:
        """None."""
        return ()

    def definition(self, metric: str) -> MetricDefinition:
        """Of the metrics of times to an event."""
        return survival.definition(metric)

    def scorer(
        self, labels: Path, predictions: Path, members: Sequence[Member], say: Callable[[str], None]
    ) -> Scorer[Course]:
        """Read the predictions."""
        del labels
        require_labels(members, self.time, self.event)
        columns = [*([self.risk] if self.risk else []), *self.survival.values()]
        table, rows = self.predictions.read(predictions, members, columns)
        say(f"read {len(rows)} predictions from {table.name}")
        return _Reader(self, table.name, rows)

    def collect(self, evidence: Sequence[Course]) -> FollowedCases:
        """Arrays for the metrics."""
        n, times = len(evidence), tuple(self.survival)
        given = [value for each in evidence for value in each.survival]
        return FollowedCases(
            time=np.array([each.time for each in evidence], dtype=np.float64),
            event=np.array([each.event for each in evidence], dtype=np.bool_),
            risk=np.array([each.risk for each in evidence], dtype=np.float64)
            if self.risk
            else None,
            survival=np.array(given, dtype=np.float64).reshape(n, len(times)) if times else None,
            times=times,
        )

    def estimate(self, group: FollowedCases, metric: str, label: str | None) -> MetricValue:
        """Over all cases of the group."""
        del label
        return survival.value_of(metric, group)

    def evidence(self, group: FollowedCases, metric: str, label: str | None) -> CaseColumns | None:
        """Ranks with their weights, or weighted errors; both know the censoring of the group."""
        del label
        found = survival.columns_of(metric, group)
        return None if found is None else tuple(column.tolist() for column in found)

    def part(self, group: FollowedCases, whole: FollowedCases) -> FollowedCases:
        """Censoring does not ask for the subgroup: it is estimated from everybody at the site."""
        return group.within(whole)

    def columns(self) -> tuple[str, ...]:
        """What the metrics are computed from."""
        return ("time", "event", "risk", *(f"survival_{time:g}" for time in self.survival))

    def cells(self, evidence: Course) -> tuple[str, ...]:
        """In full precision."""
        risk = "" if evidence.risk is None else repr(evidence.risk)
        return (
            repr(evidence.time),
            str(int(evidence.event)),
            risk,
            *(repr(value) for value in evidence.survival),
        )


@dataclass(frozen=True, slots=True)
class _Reader:
    task: TimeToEvent
    name: str
    rows: Mapping[str, Row]

    def __call__(self, member: Member, /) -> Course | Failure:
        time = reference_number(member, self.task.time)
        if time < 0:
            raise MalformedFileError(f"the labels of case '{member.case}': a time below 0")
        event = member.row[self.task.event] in self.task.event_values
        row = self.rows.get(member.case)
        if row is None:
            return Failure(NO_PREDICTION)
        risk = number_in(row, self.task.risk) if self.task.risk else None
        if isinstance(risk, Failure):
            return risk
        survival: list[float] = []
        for column in self.task.survival.values():
            value = probability_in(self.name, member.case, row, column)
            if isinstance(value, Failure):
                return value
            survival.append(value)
        return Course(time, event, risk, tuple(survival))


def parse(top: Section, labels: Section) -> TimeToEvent:
    """Read the task's own parameters.

    Raises:
        MalformedFileError: if a key is missing or of a wrong kind.
    """
    section = top.section("predictions")
    given = section.text_map("survival")
    try:
        survival_at = dict(sorted((float(time), column) for time, column in given.items()))
    except ValueError as fault:
        raise MalformedFileError("predictions.survival must map times to columns") from fault
    found = TimeToEvent(
        time=labels.text("time"),
        event=labels.text("event"),
        event_values=labels.texts("event_values") if labels.holds("event_values") else ("1",),
        predictions=PredictionsFile.parse(section),
        risk=section.optional_text("risk"),
        survival=survival_at,
    )
    section.done()
    if found.risk is None and not survival_at:
        raise MalformedFileError("predictions needs risk, survival, or both")
    return found
