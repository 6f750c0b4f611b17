"""The metrics of phase recognition in video as data."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from medperf.analysis.metrics.definition import MetricDefinition
from medperf.domain.case_table import Evidence

_FUNKE = "Funke et al. 2023, arXiv:2305.13961"
_share = partial(
    MetricDefinition,
    direction="higher",
    lower=0.0,
    upper=1.0,
    unit="",
    counted="videos",
    edge="defined for every video with frames",
    source=_FUNKE,
    evidence=Evidence.MEAN,
)

_RELAXABLE = (
    _share(name="frame_accuracy", title="Share of frames with the right phase", average="native"),
    _share(
        name="phase_precision",
        title="Share of the frames called a phase that show it",
        edge="phases that are not predicted do not count",
    ),
    _share(
        name="phase_recall",
        title="Share of the frames of a phase that are called so",
        edge="phases that the reference does not hold do not count",
    ),
    _share(
        name="phase_jaccard",
        title="Intersection over union of the frames of a phase",
        edge="phases that neither holds do not count; 0 where only one of them does",
    ),
)


def _relaxed(metric: MetricDefinition) -> Iterator[MetricDefinition]:
    yield metric
    yield replace(
        metric,
        name=f"{metric.name}_relaxed@<seconds>s",
        title=f"{metric.title}; either phase is right within <seconds> s of a transition",
        source="M2CAI 2016 challenge, here with both phases of a transition; Funke et al. 2023",
    )


DEFINITIONS: Mapping[str, MetricDefinition] = {
    metric.name: metric
    for metric in (
        *(one for each in _RELAXABLE for one in _relaxed(each)),
        _share(
            name="edit_score",
            title="Agreement of the order of phases: 1 - edit distance over the longer order",
            source="Lea et al. 2016, doi:10.1007/978-3-319-46487-9_3",
            average="native",
        ),
        _share(
            name="segmental_f1@<iou>",
            title="F1 over segments of one phase; a match has an IoU of at least <iou>",
            source="Lea et al. 2017, doi:10.1109/CVPR.2017.113",
            average="native",
        ),
    )
}
