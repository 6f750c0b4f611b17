"""How much of an order is chance: orders that could as well have been seen, and who leads them.

What could have been seen is drawn around the values shown with the errors of the *paired
differences*, the same that comparisons and tie groups are made of. Counting bootstrap replicates
instead would promise more than they hold. Their weights are continuous, so that none of them leaves
a patient out: where three patients decide between two models, and all three speak for one, it leads
in every replicate, although three tosses of a coin agree one time in four. The comparison of the
two does not make that mistake; draws with its error do not either.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import special

from medperf.analysis.estimates import Floats
from medperf.domain.benchmarks import Direction
from medperf.domain.errors import InestimableError

METHOD = "paired-draws/v1"
DRAWS = 2000
_SEED = 20_250_101  # the same results give the same shares, wherever somebody computes them again
_BLOCK = 250  # draws whose pairs are in memory at once
_FEWEST = 2


@dataclass(frozen=True, slots=True)
class RankStability:
    """How much the order depends on the patients, or sites, that happened to be there.

    ``tau`` is the mean of Kendall's tau between the order and the order in each draw, from
    ``tau_lower`` to ``tau_upper`` in the middle 95 % of them; ``first`` is, per model, the share of
    draws in which it comes first (shared equally when tied).
    """

    tau: float
    tau_lower: float
    tau_upper: float
    first: Mapping[str, float]


def rank_stability(
    values: Mapping[str, float],
    errors: Floats,
    *,
    degrees: float | None = None,
    direction: Direction = Direction.HIGHER,
) -> RankStability:
    """Kendall's tau between the order and the order in each draw, and who comes first.

    A frequency of ranks was proposed for benchmarks by Wiesenfarth and others 2021,
    doi:10.1038/s41598-021-82017-6. Draws are normal, or Student's with ``degrees``, with a
    covariance whose differences have the errors given: that of classical scaling (Gower 1966,
    doi:10.1093/biomet/53.3-4.325), without the parts that no covariance can have.

    Args:
        values: each model's value, as it is shown.
        errors: standard errors of the paired differences, shape ``k x k``, in order of names.
        degrees: of freedom of these errors; None where they are as good as known.
        direction: which way is better.

    Raises:
        InestimableError: with fewer than two models, or where an error is unknown.
    """
    names = sorted(values)
    if len(names) < _FEWEST:
        raise InestimableError("the stability of an order needs two models")
    if errors.shape != (len(names), len(names)) or not np.isfinite(errors).all():
        raise InestimableError("the stability of an order needs the error of every difference")
    sign = 1.0 if direction is Direction.HIGHER else -1.0
    shown = sign * np.array([values[name] for name in names], dtype=np.float64)
    drawn = shown + _deviations(errors, degrees)
    leads = drawn == drawn.max(axis=1, keepdims=True)
    first = (leads / leads.sum(axis=1, keepdims=True)).mean(axis=0)
    taus = _taus(shown, drawn)
    lower, upper = np.quantile(taus, [0.025, 0.975])
    shares = {name: float(first[i]) for i, name in enumerate(names)}
    return RankStability(float(taus.mean()), float(lower), float(upper), shares)


def _deviations(errors: Floats, degrees: float | None) -> Floats:
    """Draws around 0, shape ``draws x k``."""
    k = len(errors)
    centering = np.eye(k) - 1 / k
    covariance = -0.5 * centering @ (errors**2) @ centering
    spectrum, axes = np.linalg.eigh(covariance)
    # The symmetric root: unlike others it does not depend on which signs the axes came with.
    root = (axes * np.sqrt(np.maximum(spectrum, 0.0))) @ axes.T
    uniform = _uniform(DRAWS, k + 1)
    drawn: Floats = special.ndtri(uniform[:, :k]) @ root
    if degrees is not None:
        drawn /= np.sqrt(special.chdtri(degrees, uniform[:, k:]) / degrees)
    return drawn


def _uniform(*shape: int) -> Floats:
    """Uniform on (0, 1) from raw words, which numpy keeps stable across versions."""
    words = np.random.PCG64(_SEED).random_raw(int(np.prod(shape)))
    uniform: Floats = ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return uniform.reshape(shape)


def _taus(shown: Floats, drawn: Floats) -> Floats:
    """Kendall's tau-b between ``shown`` (``k``) and every draw (``draws x k``)."""
    first, second = np.triu_indices(shown.size, 1)
    a = np.sign(shown[first] - shown[second])
    taus = np.empty(len(drawn))
    for start in range(0, len(drawn), _BLOCK):
        some = drawn[start : start + _BLOCK]
        b = np.sign(some[:, first] - some[:, second])
        pairs = np.sqrt(np.abs(a).sum() * np.abs(b).sum(axis=1))
        # Where neither orders anything they agree, where only one does not there is no relation.
        none = np.abs(b).any(axis=1) == bool(a.any())
        taus[start : start + _BLOCK] = np.divide(b @ a, pairs, out=none * 1.0, where=pairs > 0)
    return taus
