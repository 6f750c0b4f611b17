"""AUROC and its variance by DeLong's method, for any number of models on the same cases.

DeLong, DeLong and Clarke-Pearson 1988, doi:10.2307/2531595, in the O(n log n) form by midranks of
Sun and Xu 2014, doi:10.1109/LSP.2014.2337313. Where patients have several cases, the components
are summed by patient: Obuchowski 1997, doi:10.2307/2533958.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from medperf.analysis.estimates import (
    LEVEL,
    Bools,
    Estimate,
    Floats,
    Integers,
    Method,
    demand_level,
)
from medperf.analysis.intervals import logit
from medperf.domain.errors import InestimableError


@dataclass(frozen=True, slots=True)
class CorrelatedAurocs:
    """The AUROCs of ``k`` models (shape ``k``), their covariance (``k x k``), from ``n`` cases."""

    values: Floats
    covariance: Floats
    n: int

    def estimate(self, model: int = 0, level: float = LEVEL) -> Estimate:
        """One model's AUROC with its interval on the logit scale."""
        demand_level(level)
        error = math.sqrt(max(float(self.covariance[model, model]), 0.0))
        return logit(float(self.values[model]), error, self.n, level, method=Method.DELONG)

    def difference(self, first: int, second: int) -> tuple[float, float]:
        """The first AUROC less the second, and the standard error of that difference."""
        variance = (
            self.covariance[first, first]
            + self.covariance[second, second]
            - 2 * self.covariance[first, second]
        )
        value = float(self.values[first] - self.values[second])
        return value, math.sqrt(max(float(variance), 0.0))


def auroc(
    positive: Bools, scores: Floats, level: float = LEVEL, *, patients: Integers | None = None
) -> Estimate:
    """The AUROC of one model with its interval; see ``aurocs``."""
    return aurocs(positive, scores[np.newaxis, :], patients=patients).estimate(0, level)


def aurocs(
    positive: Bools, scores: Floats, *, patients: Integers | None = None
) -> CorrelatedAurocs:
    """The AUROCs of ``k`` models on the same ``n`` cases.

    Args:
        positive: whether each case is of the positive class, shape ``n``.
        scores: higher means more positive, shape ``k x n``.
        patients: the index of each case's patient, shape ``n``; None where each is one case.

    Raises:
        InestimableError: without two positive and two negative cases (or patients, with both).
    """
    truth = np.asarray(positive, dtype=bool)
    n_positive, n_negative = int(truth.sum()), int((~truth).sum())
    if min(n_positive, n_negative) < 2:  # noqa: PLR2004
        raise InestimableError(
            f"an AUROC with an interval needs two cases of each class; there are {n_positive} "
            f"positive and {n_negative} negative ones"
        )
    # The share of negatives below each positive, and of positives above each negative.
    above_all = rankdata(scores, axis=1)
    above_positive = (above_all[:, truth] - rankdata(scores[:, truth], axis=1)) / n_negative
    below_negative = 1 - (above_all[:, ~truth] - rankdata(scores[:, ~truth], axis=1)) / n_positive
    values = above_positive.mean(axis=1)
    if patients is None:
        covariance = _cov(above_positive) / n_positive + _cov(below_negative) / n_negative
    else:
        components = np.zeros_like(scores, dtype=np.float64)
        components[:, truth] = (above_positive - values[:, np.newaxis]) / n_positive
        components[:, ~truth] = (below_negative - values[:, np.newaxis]) / n_negative
        covariance = _clustered_covariance(components, patients)
    return CorrelatedAurocs(values, covariance, truth.size)


def _cov(rows: Floats) -> Floats:
    """The unbiased covariance of rows, always two-dimensional."""
    return np.atleast_2d(np.cov(rows))


def _clustered_covariance(components: Floats, patients: Integers) -> Floats:
    """The covariance of sums of independent patients' components (each of mean zero over all)."""
    _, index = np.unique(patients, return_inverse=True)
    k = int(index.max()) + 1
    if k < 2:  # noqa: PLR2004
        raise InestimableError("an AUROC with an interval needs two patients")
    sums = np.stack([np.bincount(index, weights=row, minlength=k) for row in components])
    covariance: Floats = k / (k - 1) * sums @ sums.T
    return covariance
