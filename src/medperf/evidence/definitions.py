"""What a planned metric means, looked up where all metrics are defined."""

from collections.abc import Mapping
from typing import Any

from medperf.domain.errors import InvalidRequestError


def definition_of(name: str, parameters: Mapping[str, Any] | None) -> Any:
    """The ``MetricDefinition`` of a metric, or None if it is not one of the platform's own.

    Args:
        name: as the plan writes it, numbers included.
        parameters: of the evaluator; its ``clinical_task`` says in which table to look first.
    """
    # Definitions come with the formulas, and those with numpy.
    from medperf.analysis.metrics import (  # noqa: PLC0415
        classification_table,
        detection_table,
        multilabel_table,
        phases_table,
        regression_table,
        segmentation_table,
        survival_table,
    )
    from medperf.analysis.metrics.definition import resolve  # noqa: PLC0415

    tables = {
        "classification": classification_table.DEFINITIONS,
        "multilabel": multilabel_table.DEFINITIONS,
        "segmentation": segmentation_table.DEFINITIONS,
        "detection": detection_table.DEFINITIONS,
        "regression": regression_table.DEFINITIONS,
        "time_to_event": survival_table.DEFINITIONS,
        "phases": phases_table.DEFINITIONS,
    }
    task = str((parameters or {}).get("clinical_task", ""))
    for key in sorted(tables, key=lambda key: key != task):
        try:
            return resolve(name, tables[key]).definition
        except InvalidRequestError:
            continue
    return None
