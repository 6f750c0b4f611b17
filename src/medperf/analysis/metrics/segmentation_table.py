"""The segmentation metrics of one case as data."""

import math
from collections.abc import Mapping

from medperf.analysis.metrics.definition import MetricDefinition

_BOTH = "missing if both masks are empty"
_ONE = "missing if one mask or both are empty"

DEFINITIONS: Mapping[str, MetricDefinition] = {
    metric.name: metric
    for metric in (
        MetricDefinition(
            name="dsc",
            title="Dice similarity coefficient",
            direction="higher",
            lower=0.0,
            upper=1.0,
            unit="",
            counted="cases",
            edge=f"{_BOTH}; 0 if one is",
            source="Dice 1945, doi:10.2307/1932409",
        ),
        MetricDefinition(
            name="iou",
            title="Intersection over union",
            direction="higher",
            lower=0.0,
            upper=1.0,
            unit="",
            counted="cases",
            edge=f"{_BOTH}; 0 if one is",
            source="Jaccard 1912, doi:10.1111/j.1469-8137.1912.tb05611.x",
        ),
        MetricDefinition(
            name="hd_voxel",
            title="Hausdorff distance of voxel boundaries",
            direction="lower",
            lower=0.0,
            upper=math.inf,
            unit="mm",
            counted="cases",
            edge=_ONE,
            source="Huttenlocher et al. 1993, doi:10.1109/34.232073",
        ),
        MetricDefinition(
            name="hd95_voxel_directed",
            title="95th percentile Hausdorff distance of voxel boundaries, larger direction",
            direction="lower",
            lower=0.0,
            upper=math.inf,
            unit="mm",
            counted="cases",
            edge=_ONE,
            source="Maier-Hein et al. 2024, Metrics reloaded, doi:10.1038/s41592-023-02151-z",
        ),
        MetricDefinition(
            name="hd95_voxel_pooled",
            title="95th percentile Hausdorff distance of voxel boundaries, both directions pooled",
            direction="lower",
            lower=0.0,
            upper=math.inf,
            unit="mm",
            counted="cases",
            edge=_ONE,
            source="Reinke et al. 2024, doi:10.1038/s41592-023-02150-0, on its variants",
        ),
        MetricDefinition(
            name="assd_voxel",
            title="Average symmetric surface distance of voxel boundaries",
            direction="lower",
            lower=0.0,
            upper=math.inf,
            unit="mm",
            counted="cases",
            edge=_ONE,
            source="Heimann et al. 2009, doi:10.1109/TMI.2009.2013851",
        ),
        MetricDefinition(
            name="nsd_voxel@<tolerance>mm",
            title="Normalized surface distance of voxel boundaries at a tolerance",
            direction="higher",
            lower=0.0,
            upper=1.0,
            unit="",
            counted="cases",
            edge=f"{_BOTH}; 0 if one is",
            source="Nikolov et al. 2021, doi:10.2196/26151 (there over surface elements)",
        ),
    )
}
