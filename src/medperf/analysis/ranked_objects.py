"""Average precision and FROC of detected objects as functions of the weights of cases.

The objects of all cases are ranked together, and each weighs as much as its case. With every weight
1 each number is that of ``analysis.metrics.detection``, where the curves are defined.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from medperf.analysis.bootstrap import Statistic
from medperf.analysis.estimates import Bools, Floats, Integers
from medperf.domain.case_table import Evidence

RECALLS = np.linspace(0.0, 1.0, 101)
FROC_RATES = (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0)
_SLACK = 1e-12


@dataclass(frozen=True, slots=True)
class RankedObjects:
    """Predicted objects of ``n`` cases, and how many each case's reference holds.

    ``case`` (shape ``m``) is the case of each object, ``scores`` (``m``) its score, and ``hits``
    (``m x s``) whether it hits one of the reference at each of ``s`` thresholds. ``objects`` has
    shape ``n``.
    """

    case: Integers
    scores: Floats
    hits: Bools
    objects: Floats

    def statistic(self, evidence: Evidence) -> Statistic:
        """The metric; the mean over the thresholds, NaN without a reference object."""
        curve = _CURVES[evidence]
        order = np.argsort(-self.scores, kind="stable")
        case, scores, hits = self.case[order], self.scores[order], self.hits[order]

        def statistic(weights: Floats) -> Floats:
            found = np.full(len(weights), np.nan)
            whole, cases = weights @ self.objects, weights.sum(axis=1)
            for k in np.flatnonzero(whole > 0):
                own = weights[k, case]
                found[k] = np.mean(
                    [curve(own, hit, scores, whole[k], cases[k]) for hit in hits.T]
                    or [0.0]  # nothing was found in any case
                )
            return found

        return statistic


def _falling(own: Floats, hit: Bools, whole: float) -> tuple[Floats, Floats]:
    """Recall and precision after each object; precision made falling."""
    true, called = np.cumsum(own * hit), np.cumsum(own)
    precision = np.divide(true, called, out=np.zeros_like(true), where=called > 0)
    return true / whole, np.maximum.accumulate(precision[::-1])[::-1]


def _ap_101(own: Floats, hit: Bools, _scores: Floats, whole: float, _cases: float) -> float:
    recall, precision = _falling(own, hit, whole)
    place = np.searchsorted(recall, RECALLS, side="left")
    return float(np.append(precision, 0.0)[np.minimum(place, len(precision))].mean())


def _ap_all_points(own: Floats, hit: Bools, _scores: Floats, whole: float, _cases: float) -> float:
    recall, precision = _falling(own, hit, whole)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def _froc(own: Floats, hit: Bools, scores: Floats, whole: float, cases: float) -> float:
    # Objects with the same score are one operating point.
    last = np.append(np.flatnonzero(np.diff(scores)), np.arange(len(scores))[-1:])
    true = np.cumsum(own * hit)[last] / whole
    false = np.cumsum(own * ~hit)[last] / cases
    return float(np.mean([np.max(true[false <= r + _SLACK], initial=0.0) for r in FROC_RATES]))


_CURVES: Mapping[Evidence, Callable[[Floats, Bools, Floats, float, float], float]] = {
    Evidence.AP_101: _ap_101,
    Evidence.AP_ALL_POINTS: _ap_all_points,
    Evidence.FROC: _froc,
}
