"""Detection and instance segmentation over all cases: AP, FROC, panoptic quality.

A name says the curve (``coco101`` is the mean precision at 101 recalls, ``all_points`` the area
under every step), how a match is judged (``iou@0.50`` or ``distance@5mm``) and what is counted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medperf.analysis.metrics.definition import (
    MetricDefinition,
    MetricValue,
    Missing,
    NamedMetric,
    resolve,
)
from medperf.analysis.metrics.detection_table import DEFINITIONS
from medperf.analysis.metrics.matching import MatchedCase
from medperf.domain.case_table import found_cell

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

FROC_RATES = (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0)
"""False positives per case at which LUNA16 and its followers read the sensitivity."""

_OVER_STEPS = "ap_coco101_iou@<iou>-<upper>"
_RECALLS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True, slots=True)
class Detections:
    """All predictions of ``n_cases`` cases, highest score first: whether each hit, and how well."""

    scores: Floats
    hits: Bools
    goodness: Floats
    n_reference: int
    n_cases: int


def value_of(
    name: str,
    cases: Sequence[MatchedCase],
    threshold: float = 0.0,
) -> MetricValue:
    """The metric ``name``; predictions with a score below ``threshold`` count for curves only.

    All of ``cases`` must have been matched by what the name says, IoU or distance.

    Raises:
        InvalidRequestError: if there is no such metric.
    """
    metric = resolve(name, DEFINITIONS)
    if not cases:
        return MetricValue.none(Missing.NO_CASES)
    if metric.family in _OF_COUNTS:
        found = detections(_above(cases, threshold), least_goodness(metric))
        return _found(_OF_COUNTS[metric.family](found), found)
    if metric.family == _OVER_STEPS:
        curves = [detections(cases, least) for least in _steps(metric)]
        values = [_ap_coco101(curve) for curve in curves]
        known = [value for value in values if value is not None]
        return _found(float(np.mean(known)) if known else None, curves[0])
    found = detections(cases, least_goodness(metric))
    return _found(_OF_CURVE[metric.family](found), found)


def columns_of(
    name: str, cases: Sequence[MatchedCase], threshold: float = 0.0
) -> tuple[Floats, ...] | None:
    """What each case adds to the metric, as `domain.case_table` says; None where it has no form.

    Raises:
        InvalidRequestError: if there is no such metric.
    """
    metric = resolve(name, DEFINITIONS)
    if metric.family not in _COLUMNS:
        return None
    least, names = least_goodness(metric), _COLUMNS[metric.family]
    rows = [_tally(detections([case], least)) for case in _above(cases, threshold)]
    return tuple(np.array([row[name] for row in rows], dtype=np.float64) for name in names)


def found_of(name: str, cases: Sequence[MatchedCase]) -> tuple[Floats, list[str]] | None:
    """Of a curve: how many objects each case's reference holds, and what was found in the case.

    The latter as `domain.case_table.FoundObjects` says; None for what is no curve.

    Raises:
        InvalidRequestError: if there is no such metric.
    """
    metric = resolve(name, DEFINITIONS)
    if metric.family not in _OF_CURVE and metric.family != _OVER_STEPS:
        return None
    cells = []
    for case in cases:
        hits = np.array([case.partners(least) >= 0 for least in _steps(metric)])
        digits = ["".join("1" if hit else "0" for hit in column) for column in hits.T]
        cells.append(found_cell(case.scores.tolist(), digits))
    return np.array([case.n_reference for case in cases], dtype=np.float64), cells


def _steps(metric: NamedMetric) -> list[float]:
    """How good a match must be, at each step of a mean over several."""
    if metric.family != _OVER_STEPS:
        return [least_goodness(metric)]
    start, end = metric.numbers
    return [float(s) for s in np.linspace(start, end, int(np.round((end - start) / 0.05)) + 1)]


def _tally(found: Detections) -> dict[str, float]:
    """One case: numbers of objects, and twice what was found as F1 and panoptic quality count."""
    hits, predicted = int(found.hits.sum()), len(found.hits)
    return {
        "hits": hits,
        "reference": found.n_reference,
        "predicted": predicted,
        "twice_hits": 2 * hits,
        "twice_goodness": 2 * float(found.goodness.sum()),
        "both": predicted + found.n_reference,
        "false": predicted - hits,
    }


def definition(name: str) -> MetricDefinition:
    """The definition of ``name``.

    Raises:
        InvalidRequestError: if there is none; the message lists what there is.
    """
    return resolve(name, DEFINITIONS).definition


def least_goodness(metric: NamedMetric) -> float:
    """How good a match must be: an IoU, or a distance with its sign turned."""
    return -metric.numbers[0] if "distance@" in metric.family else metric.numbers[0]


def detections(cases: Sequence[MatchedCase], least: float) -> Detections:
    """Match every case and rank all predictions together."""
    partners = [case.partners(least) for case in cases]
    scores = np.concatenate([case.scores for case in cases])
    hits = np.concatenate([chosen >= 0 for chosen in partners])
    goodness = np.concatenate(
        [
            case.goodness[np.arange(len(chosen)), chosen]
            if case.n_reference
            else np.zeros(len(chosen))
            for case, chosen in zip(cases, partners, strict=True)
        ]
    )
    order = np.argsort(-scores, kind="stable")
    return Detections(
        scores[order],
        hits[order],
        np.where(hits, goodness, 0.0)[order],
        sum(case.n_reference for case in cases),
        len(cases),
    )


def _above(cases: Sequence[MatchedCase], threshold: float) -> list[MatchedCase]:
    kept = [case.scores >= threshold for case in cases]
    return [
        MatchedCase(case.scores[k], case.goodness[k]) for case, k in zip(cases, kept, strict=True)
    ]


def _found(value: float | None, found: Detections) -> MetricValue:
    if value is None:
        return MetricValue.none(Missing.NO_OBJECTS, found.n_cases)
    return MetricValue(value, found.n_cases)


# --- curves ---


def _curve(found: Detections) -> tuple[Floats, Floats]:
    """Recall and precision after each prediction; precision made falling, as all curves here."""
    true = np.cumsum(found.hits, dtype=np.float64)
    precision = true / np.arange(1, len(true) + 1)
    return true / found.n_reference, np.maximum.accumulate(precision[::-1])[::-1]


def _ap_coco101(found: Detections) -> float | None:
    if not found.n_reference:
        return None
    recall, precision = _curve(found)
    place = np.searchsorted(recall, _RECALLS, side="left")
    read = np.append(precision, 0.0)[np.minimum(place, len(precision))]
    return float(read.mean())


def _ap_all_points(found: Detections) -> float | None:
    if not found.n_reference:
        return None
    recall, precision = _curve(found)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def _froc(found: Detections) -> float | None:
    if not found.n_reference:
        return None
    # Predictions with the same score are one operating point.
    last = np.append(np.diff(found.scores) != 0, np.ones(min(len(found.scores), 1), dtype=np.bool_))
    true = np.cumsum(found.hits)[last] / found.n_reference
    false = np.cumsum(~found.hits)[last] / found.n_cases
    return float(np.mean([np.max(true[false <= rate + 1e-12], initial=0.0) for rate in FROC_RATES]))


# --- counts at the threshold ---


def _sensitivity(found: Detections) -> float | None:
    return int(found.hits.sum()) / found.n_reference if found.n_reference else None


def _precision(found: Detections) -> float | None:
    return float(found.hits.mean()) if len(found.hits) else None


def _recognition(found: Detections) -> float | None:
    whole = len(found.hits) + found.n_reference
    return 2 * int(found.hits.sum()) / whole if whole else None


def _panoptic(found: Detections) -> float | None:
    whole = len(found.hits) + found.n_reference
    return 2 * float(found.goodness.sum()) / whole if whole else None


def _false_positives_per_case(found: Detections) -> float:
    return int(np.count_nonzero(~found.hits)) / found.n_cases


_OF_CURVE: Mapping[str, Callable[[Detections], float | None]] = {
    f"{name}_{judged}": formula
    for name, formula in (
        ("ap_coco101", _ap_coco101),
        ("ap_all_points", _ap_all_points),
        ("froc", _froc),
    )
    for judged in ("iou@<iou>", "distance@<distance>mm")
}
_OF_COUNTS: Mapping[str, Callable[[Detections], float | None]] = {
    f"{name}_{judged}": formula
    for name, formula in (
        ("detection_sensitivity", _sensitivity),
        ("detection_precision", _precision),
        ("detection_f1", _recognition),
        ("false_positives_per_case", _false_positives_per_case),
    )
    for judged in ("iou@<iou>", "distance@<distance>mm")
} | {"panoptic_quality_iou@<iou>": _panoptic}
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    f"{name}_{judged}": parts
    for name, parts in (
        ("detection_sensitivity", ("hits", "reference")),
        ("detection_precision", ("hits", "predicted")),
        ("detection_f1", ("twice_hits", "both")),
        ("false_positives_per_case", ("false",)),
    )
    for judged in ("iou@<iou>", "distance@<distance>mm")
} | {"panoptic_quality_iou@<iou>": ("twice_goodness", "both")}
