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
    from medperf.analysis.metrics.definition import resolve  # noqa: PLC0415
    from medperf.analysis.metrics.tables import TABLES  # noqa: PLC0415

    task = str((parameters or {}).get("clinical_task", ""))
    for key in sorted(TABLES, key=lambda key: key != task):
        try:
            return resolve(name, TABLES[key]).definition
        except InvalidRequestError:
            continue
    return None
