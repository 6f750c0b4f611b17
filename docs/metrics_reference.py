"""Writes ``docs/reference/metrics.md`` from the definitions: ``python docs/metrics_reference.py``.

A test runs ``render`` and compares, so the page and the program cannot come apart.
"""

from collections.abc import Iterable
from pathlib import Path

from medperf.analysis.metrics.definition import MetricDefinition
from medperf.analysis.metrics.tables import TABLES

PAGE = Path(__file__).parent / "reference" / "metrics.md"

INTRODUCTION = """\
# Metrics

Every metric that the stock evaluator and `medperf.analysis.metrics` compute, by clinical task. What
changes the number is part of the name: numbers in angle brackets are yours to choose, so
`nsd_voxel@<tolerance>mm` is written `nsd_voxel@2mm` in a plan. How the definitions differ from
those of other libraries is in [metric definitions](../explanation/metric-definitions.md).

A value that cannot be computed is never NaN or left out: it is *missing*, with a
[reason](results.md). *n* is what the last column but two says. Where a metric has **evidence**, it
follows in that form from [columns of the per-case table](results.md#per-case-values), and a plan
that says so gets its uncertainty as well.

The same metrics are a plain library of functions over arrays, without server, site or files. It
needs numpy, and for images scipy:

```python
import numpy as np
from medperf.analysis.metrics import segmentation
from medperf.analysis.metrics.label_maps import LabelMapPair

reference, prediction = np.zeros((2, 40, 40, 20), dtype=np.uint8)
reference[10:30, 10:30, 5:15] = 2
reference[15:25, 15:25, 8:12] = 4
prediction[11:30, 10:30, 5:15] = 2

maps = LabelMapPair(reference, prediction, spacing_mm=(1.0, 1.0, 3.0))
names = ("dsc", "hd95_surfel", "nsd_surfel@1mm")
for region, masks in maps.regions({"whole_tumor": (1, 2, 4), "enhancing_tumor": (4,)}):
    for name, found in segmentation.values_of(names, masks).items():
        print(region, name, found.value, found.missing)
```
"""

TASKS: tuple[tuple[str, str, str], ...] = (
    (
        "classification",
        "Classification",
        (
            "With two classes and a positive one, a metric is that of the positive class. "
            "With more, the overall value is the unweighted mean of the one-vs-rest values "
            "(*macro*), or a form of its own (*native*); `per_class: true` adds each class "
            "against the rest."
        ),
    ),
    (
        "multilabel",
        "Multi-label classification",
        (
            "Findings whose reference is unknown do not count. The overall value is the "
            "unweighted mean over the findings (*macro*), or looks at whole cases (*native*)."
        ),
    ),
    (
        "segmentation",
        "Segmentation",
        (
            "Values of one case and region, in two or three dimensions; the value of many "
            "cases is their mean, and the overall value of a case is the mean over its "
            "regions. `voxel` boundaries are the voxels of a mask that touch the outside by a"
            " face; `surfel` boundaries are surface elements weighted by their area. A "
            "distance `_or_<penalty>mm` has that value where one of the masks is empty, so "
            "that a model gains nothing by predicting nothing."
        ),
    ),
    (
        "detection",
        "Detection and instance segmentation",
        (
            "Over all cases together. Predictions choose in order of their score, each the "
            "best free reference object, as COCO does. Several classes: the unweighted mean "
            "over them. For counts (not for curves) only predictions from the threshold on "
            "are looked at. Panoptic quality is that of Kirillov et al. where the IoU is "
            "above 0.50."
        ),
    ),
    (
        "regression",
        "Regression",
        "",
    ),
    (
        "time_to_event",
        "Time to event",
        (
            "Times are in the unit of the data. Censoring is estimated (Kaplan and Meier) "
            "from the cases that are scored; where an event and a censoring share a time the "
            "event was first."
        ),
    ),
    (
        "phases",
        "Phases of a video",
        "Values of one video; the value of many is their mean.",
    ),
)


def render() -> str:
    """The page."""
    return "\n".join([INTRODUCTION, *(_task(*task, TABLES[task[0]].values()) for task in TASKS)])


def _task(name: str, title: str, text: str, metrics: Iterable[MetricDefinition]) -> str:
    lines = [f"## {title}", "", f"`clinical_task: {name}`. {text}".rstrip(), ""]
    many = name in {"classification", "multilabel"}
    heads = ["name", "title", "better", "range", "unit", "evidence", "n counts"]
    heads += [*(["many classes"] if many else []), "at the edge", "source"]
    lines += [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for metric in metrics:
        cells = [
            f"`{metric.name}`",
            metric.title,
            metric.direction,
            f"{metric.lower:g} to {metric.upper:g}",
            metric.unit,
            metric.evidence or "",
            metric.counted,
            *([metric.average] if many else []),
            metric.edge,
            metric.source,
        ]
        escaped = (cell.replace("<", "&lt;").replace(">", "&gt;") for cell in cells[1:])
        lines.append(f"| {' | '.join([cells[0], *escaped])} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
