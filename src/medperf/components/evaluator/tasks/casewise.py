"""Tasks whose metrics are of one case: the estimate of many cases is the mean over them."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence

from medperf.analysis.metrics.definition import MetricValue, Missing
from medperf.components.evaluator.tasks.base import ClinicalTask

CaseValues = Mapping[str | None, Mapping[str, MetricValue]]
"""Per class label, and None for the overall value, the metrics of one case."""


class CaseWise(ClinicalTask[CaseValues, Sequence[CaseValues]]):
    """What such tasks have in common. ``n`` counts the cases that have a value."""

    in_parallel = True

    @property
    @abstractmethod
    def metrics(self) -> tuple[str, ...]:
        """The metrics that every case is scored by."""

    def collect(self, evidence: Sequence[CaseValues]) -> Sequence[CaseValues]:
        """As it is."""
        return evidence

    def estimate(self, group: Sequence[CaseValues], metric: str, label: str | None) -> MetricValue:
        """The mean over the cases that have a value."""
        values = self.case_values(group, metric, label)
        if values:
            return MetricValue(sum(values) / len(values), len(values))
        reasons = [case[label][metric].missing for case in group]
        return MetricValue.none(reasons[0] or Missing.NO_CASES if reasons else Missing.NO_CASES)

    def case_values(
        self, group: Sequence[CaseValues], metric: str, label: str | None
    ) -> Sequence[float]:
        """Of the cases that have one."""
        values = (case[label][metric].value for case in group)
        return [value for value in values if value is not None]

    def columns(self) -> tuple[str, ...]:
        """Each metric overall, then for each class label."""
        return (
            *self.metrics,
            *(f"{metric}[{label}]" for label in self.labels for metric in self.metrics),
        )

    def cells(self, evidence: CaseValues) -> tuple[str, ...]:
        """In full precision; the reason where there is no value."""
        return tuple(
            _cell(evidence[label][metric])
            for label in (None, *self.labels)
            for metric in self.metrics
        )


def _cell(value: MetricValue) -> str:
    return repr(value.value) if value.missing is None else str(value.missing)


def mean_over_labels(
    metrics: Sequence[str], by_label: Mapping[str, Mapping[str, MetricValue]]
) -> dict[str, MetricValue]:
    """The overall values of a case: the mean over the class labels that have one in this case."""
    overall: dict[str, MetricValue] = {}
    for metric in metrics:
        found = [values[metric] for values in by_label.values()]
        values = [each.value for each in found if each.value is not None]
        overall[metric] = MetricValue(sum(values) / len(values), 1) if values else found[0]
    return overall
