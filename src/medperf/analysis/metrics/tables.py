"""All metrics as data, by clinical task."""

from collections.abc import Mapping

from medperf.analysis.metrics import (
    classification_table,
    detection_table,
    multilabel_table,
    phases_table,
    regression_table,
    segmentation_table,
    survival_table,
)
from medperf.analysis.metrics.definition import MetricDefinition

TABLES: Mapping[str, Mapping[str, MetricDefinition]] = {
    "classification": classification_table.DEFINITIONS,
    "multilabel": multilabel_table.DEFINITIONS,
    "segmentation": segmentation_table.DEFINITIONS,
    "detection": detection_table.DEFINITIONS,
    "regression": regression_table.DEFINITIONS,
    "time_to_event": survival_table.DEFINITIONS,
    "phases": phases_table.DEFINITIONS,
}
