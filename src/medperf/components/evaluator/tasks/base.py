"""What a clinical task must say so that the evaluator can score it.

A case becomes *evidence*: a small value that is all the metrics need of it, made alone and thrown
together later, so that images are read one after another and by many processes. The evidence of a
group of cases, collected, gives the estimates of that group.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, Self, TypeVar

from medperf.analysis.metrics.definition import MetricDefinition, MetricValue, Missing

Evidence = TypeVar("Evidence")
Group = TypeVar("Group")
Made_co = TypeVar("Made_co", covariant=True)

CaseColumns = tuple[Sequence[float | str | Missing], ...]
"""One sequence per column of `domain.case_table.columns_of`; NaN or a reason does not count, and
text is a cell as it is."""


@dataclass(frozen=True, slots=True)
class Member:
    """One case of the cohort: who, in which subgroups, and its row of the labels table."""

    case: str
    patient: str
    subgroups: Mapping[str, str]
    row: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a case has no usable prediction: a reason from a short list, and what was seen."""

    reason: str
    detail: str = ""


NO_PREDICTION = "no_prediction"
EMPTY = "empty"
NOT_A_NUMBER = "not_a_number"
BAD_REFERENCE = "bad_reference"
UNREADABLE = "unreadable"
MISMATCH = "mismatch"


class Scorer(Protocol[Made_co]):
    """Makes the evidence of one case. Crosses to other processes, so it holds plain values only."""

    def __call__(self, member: Member, /) -> Made_co | Failure:
        """The evidence, or why there is none."""


class ClinicalTask(ABC, Generic[Evidence, Group]):
    """One clinical task with its parameters."""

    in_parallel: bool = False
    """Whether one case is enough work for a process of its own."""

    @property
    @abstractmethod
    def labels(self) -> tuple[str, ...]:
        """What a ``class_label`` may be; empty if there are none."""

    @abstractmethod
    def definition(self, metric: str) -> MetricDefinition:
        """The definition of ``metric``.

        Raises:
            InvalidRequestError: if the task has no such metric.
        """

    def measuring(self, metrics: tuple[str, ...]) -> Self:
        """The task for these metrics, where the evidence of a case depends on them."""
        del metrics
        return self

    @abstractmethod
    def scorer(
        self, labels: Path, predictions: Path, members: Sequence[Member], say: Callable[[str], None]
    ) -> Scorer[Evidence]:
        """Open what is read once for all cases; ``say`` is told what was read."""

    @abstractmethod
    def collect(self, evidence: Sequence[Evidence]) -> Group:
        """The evidence of a group of cases, ready for any number of metrics."""

    def part(self, group: Group, whole: Group) -> Group:
        """The group of a subgroup, where its metrics also depend on ``whole``: on all cases."""
        del whole
        return group

    @abstractmethod
    def estimate(self, group: Group, metric: str, label: str | None) -> MetricValue:
        """The value of ``metric``, overall or for one class label."""

    @abstractmethod
    def evidence(self, group: Group, metric: str, label: str | None) -> CaseColumns | None:
        """What each case of the group adds to ``metric``; None if it does not follow from that."""

    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The columns of the per-case table that the site's people see beside the evidence."""

    @abstractmethod
    def cells(self, evidence: Evidence) -> tuple[str, ...]:
        """The cells of one case under ``columns``."""
