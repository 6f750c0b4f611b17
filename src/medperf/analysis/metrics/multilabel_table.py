"""The multi-label metrics as data: those of one class, averaged, and those of whole cases."""

from collections.abc import Mapping
from dataclasses import replace

from medperf.analysis.metrics import classification_table
from medperf.analysis.metrics.definition import MetricDefinition
from medperf.domain.case_table import Evidence

_WHOLE = "missing where no case has every finding known"
_SURVEY = "Tsoumakas and Katakis 2007, doi:10.4018/jdwm.2007070101"


def _averaged(metric: MetricDefinition) -> MetricDefinition:
    return replace(
        metric,
        average="macro",
        upper=min(metric.upper, 1.0) if metric.name == "brier" else metric.upper,
        edge=f"of each finding: {metric.edge.split(';')[0]}; missing if one finding's is",
    )


DEFINITIONS: Mapping[str, MetricDefinition] = {
    metric.name: metric
    for metric in (
        *(_averaged(each) for each in classification_table.DEFINITIONS.values()),
        MetricDefinition(
            name="exact_match",
            title="Share of cases with every finding right",
            direction="higher",
            lower=0.0,
            upper=1.0,
            unit="",
            counted="cases with every finding known",
            edge=_WHOLE,
            source=_SURVEY,
            average="native",
            evidence=Evidence.MEAN,
        ),
        MetricDefinition(
            name="hamming_loss",
            title="Share of findings that are wrong",
            direction="lower",
            lower=0.0,
            upper=1.0,
            unit="",
            counted="cases with every finding known",
            edge=_WHOLE,
            source=_SURVEY,
            average="native",
            evidence=Evidence.MEAN,
        ),
        MetricDefinition(
            name="f1_micro",
            title="F1 of all findings of all cases together",
            direction="higher",
            lower=0.0,
            upper=1.0,
            unit="",
            counted="cases with every finding known",
            edge=f"{_WHOLE}, or no finding is present or predicted",
            source=_SURVEY,
            average="native",
            evidence=Evidence.RATIO,
        ),
    )
}
