"""The segmentation metrics of one case as data."""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from medperf.analysis.metrics.definition import MetricDefinition
from medperf.domain.case_table import Evidence

_BOTH = "missing if both masks are empty"
_ONE = "missing if one mask or both are empty"
_RELOADED = "Maier-Hein et al. 2024, Metrics reloaded, doi:10.1038/s41592-023-02151-z"
_NIKOLOV = "Nikolov et al. 2021, doi:10.2196/26151"
_BRATS = (
    "BraTS 2023, lesion-wise performance evaluation (challenge description); "
    "lesions that meet after <dilation> dilations are one, those up to <volume> mm3 do not count"
)

_share = partial(
    MetricDefinition,
    direction="higher",
    lower=0.0,
    upper=1.0,
    unit="",
    counted="cases",
    edge=f"{_BOTH}; 0 if one is",
    evidence=Evidence.MEAN,
)
_distance = partial(
    MetricDefinition,
    direction="lower",
    lower=0.0,
    upper=math.inf,
    unit="mm",
    counted="cases",
    edge=_ONE,
    evidence=Evidence.MEAN,
)

_DISTANCES = (
    _distance(
        name="hd_voxel",
        title="Hausdorff distance of voxel boundaries",
        source="Huttenlocher et al. 1993, doi:10.1109/34.232073",
    ),
    _distance(
        name="hd95_voxel_directed",
        title="95th percentile Hausdorff distance of voxel boundaries, larger direction",
        source=_RELOADED,
    ),
    _distance(
        name="hd95_voxel_pooled",
        title="95th percentile Hausdorff distance of voxel boundaries, both directions pooled",
        source="Reinke et al. 2024, doi:10.1038/s41592-023-02150-0, on its variants",
    ),
    _distance(
        name="assd_voxel",
        title="Average symmetric surface distance of voxel boundaries",
        source="Heimann et al. 2009, doi:10.1109/TMI.2009.2013851",
    ),
    _distance(
        name="hd95_surfel",
        title="95th percentile Hausdorff distance of surface elements, larger direction",
        source=_NIKOLOV,
    ),
    _distance(
        name="assd_surfel",
        title="Average symmetric surface distance of surface elements, weighted by area",
        source=_NIKOLOV,
    ),
)

_OTHERS = (
    _share(
        name="dsc",
        title="Dice similarity coefficient",
        source="Dice 1945, doi:10.2307/1932409",
    ),
    _share(
        name="iou",
        title="Intersection over union",
        source="Jaccard 1912, doi:10.1111/j.1469-8137.1912.tb05611.x",
    ),
    _share(
        name="voxel_sensitivity",
        title="Share of the reference mask that is predicted",
        edge="missing if the reference mask is empty",
        source=_RELOADED,
    ),
    _share(
        name="voxel_precision",
        title="Share of the predicted mask that is in the reference",
        edge="missing if the predicted mask is empty",
        source=_RELOADED,
    ),
    _distance(
        name="absolute_volume_difference",
        title="Absolute difference of the two volumes; of images in the plane, of layers of 1 mm",
        unit="mL",
        edge=_BOTH,
        source=_RELOADED,
    ),
    _distance(
        name="relative_volume_difference",
        title="Absolute difference of the two volumes over that of the reference",
        unit="",
        edge="missing if the reference mask is empty",
        source="Heimann et al. 2009, doi:10.1109/TMI.2009.2013851",
    ),
    _share(
        name="nsd_voxel@<tolerance>mm",
        title="Normalized surface distance of voxel boundaries at a tolerance of <tolerance> mm",
        source=f"{_NIKOLOV} (there over surface elements)",
    ),
    _share(
        name="nsd_surfel@<tolerance>mm",
        title="Normalized surface distance of surface elements at a tolerance of <tolerance> mm",
        source=_NIKOLOV,
    ),
    _share(
        name="boundary_iou@<width>mm",
        title="Intersection over union of the inner rims of <width> mm, at least one voxel wide",
        source="Cheng et al. 2021, doi:10.1109/CVPR46437.2021.01508 (there in pixels)",
    ),
    _share(
        name="cldice_lee",
        title="Center line Dice, thinned by the method of Lee",
        source="Shit et al. 2021, doi:10.1109/CVPR46437.2021.01629; Lee et al. 1994",
    ),
    _share(
        name="lesion_dsc_brats@<dilation>-<volume>mm3",
        title="Lesion-wise DSC",
        edge=f"{_BOTH} or no lesion counts; missed lesions and false positives count 0",
        source=_BRATS,
    ),
    _distance(
        name="lesion_hd95_brats@<dilation>-<volume>mm3",
        title="Lesion-wise 95th percentile Hausdorff distance of surface elements",
        edge=f"{_BOTH} or no lesion counts; missed lesions and false positives count 374 mm",
        source=_BRATS,
    ),
    _share(
        name="lesion_f1_brats@<dilation>-<volume>mm3",
        title="F1 over lesions, matched as for the lesion-wise DSC",
        edge=f"{_BOTH} or no lesion counts",
        source=_BRATS,
    ),
)


def _penalized(metric: MetricDefinition) -> MetricDefinition:
    # A model that predicts nothing must not be spared the cases in which it predicts nothing.
    return replace(
        metric,
        name=f"{metric.name}_or_<penalty>mm",
        title=f"{metric.title}, or a penalty",
        edge=f"{_BOTH}; <penalty> mm if one is",
    )


PENALIZED: Mapping[str, str] = {_penalized(m).name: m.name for m in _DISTANCES}
"""Families whose number stands in where one mask is empty, and the distance that they else are."""

DEFINITIONS: Mapping[str, MetricDefinition] = {
    metric.name: metric
    for metric in (*_OTHERS, *_DISTANCES, *(_penalized(distance) for distance in _DISTANCES))
}
