"""All published examples, and what has none."""

from collections.abc import Iterator, Mapping

from published import (
    classification,
    detection,
    multilabel,
    phases,
    regression,
    segmentation,
    time_to_event,
)
from published.example import Example

from medperf.analysis.metrics import segmentation_table
from medperf.analysis.metrics.definition import resolve
from medperf.analysis.metrics.tables import TABLES

_AVERAGED = (
    "each finding's value is that of classification, which has examples above; that the mean is "
    "taken so equals scikit-learn for AUROC, sensitivity, F1 and others on random cases "
    "(`test_multilabel.py`)"
)
_PROGRAM = (
    "equals the BraTS 2023 evaluation program itself on five pairs under three challenges' rules "
    "(`vectors/lesions.json`); the program's description has pictures and no numbers"
)
_PENALTY = (
    "the distance without a penalty, which has examples above, and the penalty where one mask is "
    "empty (`test_segmentation.py`)"
)
_DISTANCE = (
    "the same formula as with IoU once objects are matched; matching by centers is worked by hand "
    "(`test_detection.py`)"
)
_FROC = (
    "equals a search over all thresholds on random cases (`test_detection.py`); libraries print "
    "values with lines between thresholds, see above"
)
_RELAXED = (
    "worked by hand, and properties on random videos (`test_phases.py`); the challenge's scripts "
    "print no example, and tolerate other pairs of phases"
)

UNPUBLISHED: Mapping[tuple[str, str], str] = {
    **{
        ("multilabel", name): _AVERAGED
        for name in (
            "balanced_accuracy",
            "sensitivity",
            "brier",
            "expected_calibration_error",
            "net_benefit@<threshold>",
            "expected_cost@fp<fp>-fn<fn>",
        )
    },
    **{
        ("segmentation", name): _PROGRAM
        for name in TABLES["segmentation"]
        if name.startswith("lesion_")
    },
    **{("segmentation", name): _PENALTY for name in segmentation_table.PENALIZED},
    **{
        ("detection", name): _FROC if name.startswith("froc") else _DISTANCE
        for name in TABLES["detection"]
        if name.startswith("froc") or name.endswith("_distance@<distance>mm")
    },
    ("regression", "lin_concordance"): (
        "equals a reading of Lin's formula on random pairs (`test_regression.py`); a printed value "
        "of another definition is above"
    ),
    ("regression", "within@<tolerance>"): "a share counted by hand (`test_regression.py`)",
    **{("phases", name): _RELAXED for name in TABLES["phases"] if "_relaxed@" in name},
    ("phases", "segmental_f1@<iou>"): (
        "equals the evaluation program of MS-TCN (of Lea et al.) on twelve random videos "
        "(`vectors/segments.json`)"
    ),
}
"""What has no example anywhere that could be read, by task and family, and what checks it instead."""

_EXAMPLES = (
    classification,
    multilabel,
    segmentation,
    detection,
    regression,
    time_to_event,
    phases,
)


def examples() -> Iterator[Example]:
    """Every example, task by task."""
    for module in _EXAMPLES:
        yield from module.examples()


def family_of(task: str, metric: str) -> str:
    """The family of a metric as a plan names it."""
    return resolve(metric, TABLES[task]).family
