"""The metrics of times to an event as data."""

from collections.abc import Mapping
from functools import partial

from medperf.analysis.metrics.definition import MetricDefinition
from medperf.domain.case_table import Evidence

_rank = partial(
    MetricDefinition,
    direction="higher",
    lower=0.0,
    upper=1.0,
    unit="",
    counted="all cases",
    evidence=Evidence.CONCORDANCE,
)
_error = partial(
    MetricDefinition,
    direction="lower",
    lower=0.0,
    upper=1.0,
    unit="",
    counted="all cases",
    edge="missing if nobody is in sight after the last time",
    needs="probabilities",
    evidence=Evidence.MEAN,
)
_GRAF = (
    "Graf et al. 1999, doi:10.1002/(SICI)1097-0258(19990915/30)18:17/18<2529::AID-SIM274>3.0.CO;2-5"
)

DEFINITIONS: Mapping[str, MetricDefinition] = {
    metric.name: metric
    for metric in (
        _rank(
            name="concordance_harrell",
            title="Concordance of risk and time, comparable pairs",
            edge="missing without comparable pairs; a constant risk gives 0.5",
            source="Harrell et al. 1982, doi:10.1001/jama.1982.03320430047030",
        ),
        _rank(
            name="concordance_uno@<time>",
            title="Concordance of risk and time before <time>, weighted for censoring",
            edge="missing without comparable pairs; a constant risk gives 0.5",
            source="Uno et al. 2011, doi:10.1002/sim.4154",
        ),
        _rank(
            name="auc_at@<time>",
            title="Area under the ROC curve of the event by <time>, cumulative and dynamic",
            edge="missing if nobody had the event by then, or nobody is in sight after it",
            source="Uno et al. 2007, doi:10.1198/016214507000000149",
        ),
        _error(
            name="brier_at@<time>",
            title="Brier score of survival at <time>, weighted for censoring",
            source=_GRAF,
        ),
        _error(
            name="integrated_brier@<start>-<end>",
            title="Mean Brier score of survival from <start> to <end>, weighted for censoring",
            source=_GRAF,
        ),
    )
}
