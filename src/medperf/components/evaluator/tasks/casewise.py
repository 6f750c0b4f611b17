"""Tasks whose metrics are of one case: the estimate of many cases is the mean over them."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence

from medperf.analysis.metrics.definition import MetricValue, Missing
from medperf.components.evaluator.tasks.base import CaseColumns, ClinicalTask

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
        found = [case[label][metric] for case in group]
        values = [each.value for each in found if each.value is not None]
        if values:
            return MetricValue(sum(values) / len(values), len(values))
        return MetricValue.none(found[0].missing or Missing.NO_CASES if found else Missing.NO_CASES)

    def evidence(self, group: Sequence[CaseValues], metric: str, label: str | None) -> CaseColumns:
        """Each case's value, or the reason why it has none."""
        return ([_number_or_reason(case[label][metric]) for case in group],)

    def columns(self) -> tuple[str, ...]:
        """Nothing but the evidence."""
        return ()

    def cells(self, evidence: CaseValues) -> tuple[str, ...]:
        """Nothing but the evidence."""
        del evidence
        return ()


def _number_or_reason(found: MetricValue) -> float | Missing:
    return found.value if found.value is not None else found.missing or Missing.NO_CASES


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
