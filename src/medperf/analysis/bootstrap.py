"""Site-side bootstrap: weights that never leave the site, the same for all models on a dataset.

A site releases replicates of a metric, not its cases. Three choices keep the replicates useful and
the cases at home:

- The weights come from a **secret of the site** and the dataset's fingerprint. Replicates of two
  models on one dataset are therefore paired, so that a server can compare the models as precisely
  as if it had the cases. Who does not have the secret has as many unknown weights as equations
  times cases, and cannot solve for a case; who has it can, which is why it stays.
- **Patients** are resampled, not cases: cases of one patient are alike, and a patient is who is
  protected.
- The weights are **continuous** by default: exponential (Rubin 1981, doi:10.1214/aos/1176345338),
  stretched a little so that the spread of replicates is right also for few patients, where the
  plain bootstrap is too sure of itself. Whole-number weights make undefined replicates in small
  groups, and let lattice reduction attack exact replicates of few patients (the hidden subset sum:
  Nguyen and Stern 1999, doi:10.1007/3-540-48405-1_3); rounded replicates of continuous weights
  give it nothing to hold.

Draws are made from the generator's raw 64-bit stream, which numpy keeps stable across versions,
unlike its distributions: a model added next year is still paired with those of today.
"""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.special import gamma, pdtr

from medperf.analysis.estimates import Bools, Floats, Integers
from medperf.analysis.roots import root
from medperf.domain.errors import InestimableError

REPLICATES = 1000
"""How many replicates where nobody asks for another number."""

FEWEST_PATIENTS = 4
"""With fewer, weights of the variation that is needed would be 0 or everything; theirs is less."""

_PURPOSE = b"medperf bootstrap weights v1\0"
_SHORTEST_SECRET = 16
_BLOCK = 4_000_000  # weights in memory at once while a statistic is computed

Statistic = Callable[[Floats], Floats]
"""From weights of cases (``b x n``) to the values of a metric under each (``b``)."""


class Weights(StrEnum):
    """How patients are weighted in a replicate; each has mean 1 and variance 1 or close to it."""

    EXPONENTIAL = "stretched-exponential/v1"
    POISSON = "poisson/v1"
    MULTINOMIAL = "multinomial/v1"


@dataclass(frozen=True, slots=True)
class Resampling:
    """The weights of a dataset's patients: ``weights`` is ``b x p``, in the order of ``patients``.

    It covers the whole dataset, so that a subgroup, or a model that failed on a case, meets the
    same weights for the patients it shares with others.
    """

    patients: tuple[str, ...]
    weights: Floats

    def replicates(self, patients: Sequence[str], statistic: Statistic) -> Floats:
        """The statistic under every replicate (shape ``b``), NaN where it has no value.

        Args:
            patients: the patient of each of the ``n`` cases the statistic is over.
            statistic: made from the values of the same cases in the same order.

        Raises:
            InestimableError: if a patient is not one of the dataset's.
        """
        columns = self._columns(patients)
        step = max(1, _BLOCK // max(1, columns.size))
        parts = [
            statistic(self.weights[start : start + step, columns])
            for start in range(0, len(self.weights), step)
        ]
        return np.concatenate(parts)

    def ratio_replicates(self, columns: Integers, numerator: Floats, denominator: Floats) -> Floats:
        """As ``replicates`` of ``weighted_ratio``, from totals by patient: much faster.

        ``columns`` says at which place of ``patients`` each case's patient stands, shape ``n``.
        """
        p = len(self.patients)
        totals = np.stack(
            [np.bincount(columns, weights=part, minlength=p) for part in (numerator, denominator)]
        )
        above, below = (self.weights @ totals.T).T
        return _ratio(above, below)

    def _columns(self, patients: Sequence[str]) -> Integers:
        place = {patient: column for column, patient in enumerate(self.patients)}
        unknown = sum(patient not in place for patient in patients)
        if unknown:
            raise InestimableError(
                f"{unknown} of {len(patients)} cases belong to no patient of the dataset",
                hint="Draw the weights for every patient of the dataset, also those without value.",
            )
        return np.array([place[patient] for patient in patients], dtype=np.int64)


def site_generator(site_secret: bytes, fingerprint: str) -> np.random.Generator:
    """The generator of a dataset's weights: HMAC-SHA256 of the fingerprint under a site's secret.

    The same site and dataset give the same weights for every model; another dataset, or another
    version of it, gives unrelated ones.

    Raises:
        InestimableError: if the secret is shorter than 16 bytes.
    """
    if len(site_secret) < _SHORTEST_SECRET:
        raise InestimableError(
            f"the site's secret has {len(site_secret)} bytes, fewer than {_SHORTEST_SECRET}",
            hint="Create it once from the operating system's random source, 32 bytes.",
        )
    digest = hmac.new(site_secret, _PURPOSE + fingerprint.encode(), hashlib.sha256).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest)))


def resample(
    rng: np.random.Generator,
    patients: Sequence[str],
    n_replicates: int = REPLICATES,
    scheme: Weights = Weights.EXPONENTIAL,
) -> Resampling:
    """Draw the weights of a dataset's patients, in an order that does not depend on the caller's.

    Raises:
        InestimableError: with fewer than two patients.
    """
    distinct = tuple(sorted(set(patients)))
    if len(distinct) < 2:  # noqa: PLR2004
        raise InestimableError("resampling needs two patients")
    weights = np.empty((n_replicates, len(distinct)))
    # Some at a time: what is drawn is the same, and memory holds little beside the weights.
    step = max(1, _BLOCK // len(distinct))
    for start in range(0, n_replicates, step):
        some = weights[start : start + step]
        some[:] = _DRAWS[scheme](rng, *some.shape)
    return Resampling(distinct, weights)


# --- statistics as functions of the weights of cases ---


def weighted_mean(values: Floats) -> Statistic:
    """The mean of per-case values (shape ``n``), such as DSC or an absolute error."""
    return weighted_ratio(values, np.ones_like(values, dtype=np.float64))


def weighted_ratio(numerator: Floats, denominator: Floats) -> Statistic:
    """A ratio of two sums over cases, which most classification metrics are.

    Sensitivity is correct positives over positives; F1 is ``2 TP`` over ``2 TP + FP + FN``. Both
    arguments hold each case's part, shape ``n``.
    """

    def statistic(weights: Floats) -> Floats:
        return _ratio(weights @ numerator, weights @ denominator)

    return statistic


def weighted_auroc(positive: Sequence[bool] | Bools | Floats, scores: Floats) -> Statistic:
    """The AUROC with weighted cases: ties between scores count one half.

    For each distinct score: weight of positives there times (weight of negatives below plus half
    the weight of negatives there), over the product of both total weights.
    """
    truth = np.asarray(positive, dtype=bool)
    order = np.argsort(scores, kind="stable")
    sorted_scores = np.asarray(scores)[order]
    starts = np.flatnonzero(np.r_[True, sorted_scores[1:] != sorted_scores[:-1]])
    is_positive = truth[order]

    def statistic(weights: Floats) -> Floats:
        ordered = weights[:, order]
        above = np.add.reduceat(ordered * is_positive, starts, axis=1)
        below = np.add.reduceat(ordered * ~is_positive, starts, axis=1)
        less = np.cumsum(below, axis=1) - below
        wins = (above * (less + below / 2)).sum(axis=1)
        return _ratio(wins, above.sum(axis=1) * below.sum(axis=1))

    return statistic


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Element by element, NaN where the denominator is 0."""
    result = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result


# --- draws from the raw stream ---


def _uniform(rng: np.random.Generator, *shape: int) -> Floats:
    """Uniform on the open interval (0, 1), 53 bits, from raw words of the bit generator."""
    words = rng.bit_generator.random_raw(int(np.prod(shape)))
    uniform: Floats = ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return uniform.reshape(shape)


def _exponential(rng: np.random.Generator, b: int, p: int) -> Floats:
    power = _stretch(max(p, FEWEST_PATIENTS))
    stretched: Floats = (-np.log(_uniform(rng, b, p))) ** power / gamma(1 + power)
    return stretched


def _stretch(p: int) -> float:
    """The power of an exponential whose squared coefficient of variation is ``p / (p - 2)``.

    Weighted means of ``p`` values then have the unbiased variance over ``p``: with weights of
    squared variation ``v`` it is ``v / (p + v)`` times the mean squared deviation, exactly so for
    gamma weights (the moments of a Dirichlet vector) and closely for these, which are cheaper.
    """

    def excess(power: float) -> float:
        return float(gamma(1 + 2 * power) / gamma(1 + power) ** 2) - 1 - p / (p - 2)

    return root(excess, 1.0, 2.0, xtol=1e-15)


def _poisson(rng: np.random.Generator, b: int, p: int) -> Floats:
    cumulative = pdtr(np.arange(24), 1.0)
    return np.searchsorted(cumulative, _uniform(rng, b, p)).astype(np.float64)


def _multinomial(rng: np.random.Generator, b: int, p: int) -> Floats:
    drawn = (_uniform(rng, b, p) * p).astype(np.int64)
    flat = (drawn + p * np.arange(b)[:, np.newaxis]).ravel()
    return np.bincount(flat, minlength=b * p).reshape(b, p).astype(np.float64)


_DRAWS: dict[Weights, Callable[[np.random.Generator, int, int], Floats]] = {
    Weights.EXPONENTIAL: _exponential,
    Weights.POISSON: _poisson,
    Weights.MULTINOMIAL: _multinomial,
}
