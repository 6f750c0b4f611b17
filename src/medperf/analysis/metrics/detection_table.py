"""The metrics of detection and instance segmentation as data."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from medperf.analysis.metrics.definition import MetricDefinition
from medperf.domain.case_table import Evidence

_share = partial(
    MetricDefinition,
    direction="higher",
    lower=0.0,
    upper=1.0,
    unit="",
    counted="cases",
    edge="missing without reference objects; 0 without predictions",
    needs="probabilities",
)
_COCO = "Lin et al. 2014, doi:10.1007/978-3-319-10602-1_48, and its evaluation program"
_PANOPTIC = "Kirillov et al. 2019, doi:10.1109/CVPR.2019.00963"

_JUDGED_EITHER_WAY = (
    _share(
        name="ap_coco101",
        title="Average precision, read at 101 recalls",
        source=_COCO,
        evidence=Evidence.AP_101,
    ),
    _share(
        name="ap_all_points",
        title="Average precision, area under every step",
        source="Everingham et al. 2015, doi:10.1007/s11263-014-0733-5 (from 2010 on)",
        evidence=Evidence.AP_ALL_POINTS,
    ),
    _share(
        name="froc",
        title="Mean sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false positives per case",
        source="Setio et al. 2017, doi:10.1016/j.media.2017.06.015",
        evidence=Evidence.FROC,
    ),
    _share(
        name="detection_sensitivity",
        title="Share of the reference objects found",
        source="Maier-Hein et al. 2024, Metrics reloaded, doi:10.1038/s41592-023-02151-z",
        evidence=Evidence.RATIO,
    ),
    _share(
        name="detection_precision",
        title="Share of the predicted objects that are right",
        edge="missing without predictions",
        source="Maier-Hein et al. 2024, Metrics reloaded, doi:10.1038/s41592-023-02151-z",
        evidence=Evidence.RATIO,
    ),
    _share(
        name="detection_f1",
        title="F1 over objects, the recognition quality",
        edge="missing without any object",
        source=_PANOPTIC,
        evidence=Evidence.RATIO,
    ),
    _share(
        name="false_positives_per_case",
        title="False positives per case",
        direction="lower",
        upper=math.inf,
        edge="defined from one case on",
        source="Setio et al. 2017, doi:10.1016/j.media.2017.06.015",
        evidence=Evidence.MEAN,
    ),
)


def _judged(metric: MetricDefinition) -> Iterator[MetricDefinition]:
    yield replace(
        metric,
        name=f"{metric.name}_iou@<iou>",
        title=f"{metric.title}; a match has an IoU of at least <iou>",
    )
    yield replace(
        metric,
        name=f"{metric.name}_distance@<distance>mm",
        title=f"{metric.title}; a match has its center within <distance> mm",
    )


DEFINITIONS: Mapping[str, MetricDefinition] = {
    metric.name: metric
    for metric in (
        *(judged for each in _JUDGED_EITHER_WAY for judged in _judged(each)),
        _share(
            name="ap_coco101_iou@<iou>-<upper>",
            title="Average precision, read at 101 recalls, mean over IoU <iou> to <upper> by 0.05",
            source=_COCO,
            evidence=Evidence.AP_101,
        ),
        _share(
            name="panoptic_quality_iou@<iou>",
            title="Panoptic quality over all cases; a match has an IoU of at least <iou>",
            edge="missing without any object",
            source=_PANOPTIC,
            evidence=Evidence.RATIO,
        ),
    )
}
