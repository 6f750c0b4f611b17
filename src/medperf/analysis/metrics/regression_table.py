"""The regression metrics as data."""

import math
from collections.abc import Mapping
from functools import partial

from medperf.analysis.metrics.definition import MetricDefinition
from medperf.domain.case_table import Evidence

_error = partial(
    MetricDefinition,
    direction="lower",
    lower=0.0,
    upper=math.inf,
    unit="of the reference",
    counted="all cases",
    edge="defined from one case on",
)
_correlation = partial(
    MetricDefinition,
    direction="higher",
    lower=-1.0,
    upper=1.0,
    unit="",
    counted="all cases",
    edge="missing if the reference is constant; 0 for a constant prediction",
)
_RELOADED = "Varoquaux and Colliot 2023, doi:10.1007/978-1-0716-3195-9_20"

DEFINITIONS: Mapping[str, MetricDefinition] = {
    metric.name: metric
    for metric in (
        _error(name="mae", title="Mean absolute error", source=_RELOADED, evidence=Evidence.MEAN),
        _error(
            name="mse",
            title="Mean squared error",
            unit="square of the reference's",
            source=_RELOADED,
            evidence=Evidence.MEAN,
        ),
        _error(
            name="rmse",
            title="Root of the mean squared error",
            source=_RELOADED,
            evidence=Evidence.ROOT_MEAN,
        ),
        _error(
            name="median_absolute_error",
            title="Median absolute error",
            source=_RELOADED,
            evidence=Evidence.MEDIAN,
        ),
        MetricDefinition(
            name="within@<tolerance>",
            title="Share of cases at most <tolerance> from the reference",
            direction="higher",
            lower=0.0,
            upper=1.0,
            unit="",
            counted="all cases",
            edge="defined from one case on",
            source="Bland and Altman 1986, doi:10.1016/S0140-6736(86)90837-8",
            evidence=Evidence.MEAN,
        ),
        _correlation(
            name="r2",
            title="Coefficient of determination",
            lower=-math.inf,
            edge="missing if the reference is constant",
            source="Wright 1921, Journal of Agricultural Research 20",
            evidence=Evidence.R2,
        ),
        _correlation(
            name="pearson",
            title="Linear correlation",
            source="Pearson 1895, doi:10.1098/rspl.1895.0041",
            evidence=Evidence.PEARSON,
        ),
        _correlation(
            name="lin_concordance",
            title="Concordance correlation, agreement with the line of identity",
            source="Lin 1989, doi:10.2307/2532051",
            evidence=Evidence.LIN_CONCORDANCE,
        ),
    )
}
