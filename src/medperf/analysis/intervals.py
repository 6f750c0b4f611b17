"""Intervals: how far the true value may be from the one seen, from one dataset's numbers."""

import math

import numpy as np
from scipy import special

from medperf.analysis.estimates import (
    LEVEL,
    Estimate,
    Floats,
    Integers,
    Interval,
    Method,
    clip,
    demand_finite,
    demand_level,
)
from medperf.analysis.moments import Moments
from medperf.domain.errors import InestimableError

MOST_UNDEFINED = 0.05
"""The largest share of replicates that may have no value (for instance: no positive drawn)."""


def wilson(successes: int, n: int, level: float = LEVEL) -> Estimate:
    """A proportion with Wilson's score interval, sound for few cases and for 0 or all of them.

    Wilson 1927, doi:10.1080/01621459.1927.10502953; recommended by Brown, Cai and DasGupta 2001,
    doi:10.1214/ss/1009213286.

    Raises:
        InestimableError: without cases, or with more successes than cases.
    """
    demand_level(level)
    if n < 1 or not 0 <= successes <= n:
        raise InestimableError(f"{successes} of {n} cases is not a proportion")
    z, p = quantile(level), successes / n
    spread = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    center = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    # Exact at the ends, where rounding would leave 1e-17 on the wrong side.
    lower = 0.0 if successes == 0 else center - spread
    upper = 1.0 if successes == n else center + spread
    return Estimate(p, n, Method.WILSON, Interval(lower, upper, level), math.sqrt(p * (1 - p) / n))


def mean_t(moments: Moments, level: float = LEVEL) -> Estimate:
    """A mean of independent cases with Student's interval; no interval from a single case."""
    demand_level(level)
    if moments.n < 2:  # noqa: PLR2004
        return Estimate(moments.mean, moments.n, Method.MEAN_T)
    error = math.sqrt(moments.variance / moments.n)
    reach = quantile(level, moments.n - 1) * error
    interval = Interval(moments.mean - reach, moments.mean + reach, level)
    return Estimate(moments.mean, moments.n, Method.MEAN_T, interval, error)


def clustered_mean(values: Floats, patients: Integers, level: float = LEVEL) -> Estimate:
    """A mean over cases whose interval counts patients: cases of one patient are alike.

    With one case per patient it is ``mean_t``. See ``clustered_ratio``.
    """
    array = demand_finite(values, "the case values")
    return clustered_ratio(array, np.ones_like(array), patients, level)


def clustered_ratio(
    numerator: Floats, denominator: Floats, patients: Integers, level: float = LEVEL
) -> Estimate:
    """A ratio of two sums over cases, such as F1, whose interval counts patients.

    Linearization of the ratio of patient totals, with Student's quantile on the number of patients
    less one: Cochran, Sampling Techniques, 3rd ed. 1977, section 9A.3.

    Args:
        numerator: each case's part, shape ``n``.
        denominator: each case's part, shape ``n``.
        patients: the index of each case's patient, 0 to ``k - 1``, shape ``n``.
        level: the confidence level.

    Raises:
        InestimableError: without cases, where lengths differ, or with a denominator of 0.
    """
    demand_level(level)
    above = demand_finite(numerator, "the case values")
    below = demand_finite(denominator, "the case values")
    if above.size == 0 or not above.size == below.size == np.size(patients):
        raise InestimableError(f"{above.size} case values with {np.size(patients)} patients")
    total = float(below.sum())
    if total <= 0:
        raise InestimableError("the denominators of the cases do not add up to more than 0")
    ratio = float(above.sum()) / total
    _, index = np.unique(patients, return_inverse=True)
    residuals = np.bincount(index, weights=above - ratio * below)
    k = residuals.size
    if k < 2:  # noqa: PLR2004
        return Estimate(ratio, above.size, Method.CLUSTERED_MEAN)
    error = math.sqrt(k / (k - 1) * float(residuals @ residuals)) / total
    reach = quantile(level, k - 1) * error
    interval = Interval(ratio - reach, ratio + reach, level)
    return Estimate(ratio, above.size, Method.CLUSTERED_MEAN, interval, error)


def normal(
    value: float,
    standard_error: float,
    n: int,
    level: float = LEVEL,
    *,
    degrees: float | None = None,
    method: Method = Method.NORMAL,
) -> Estimate:
    """A value with the interval of its normal approximation; Student's with ``degrees`` given."""
    demand_level(level)
    reach = quantile(level, degrees) * standard_error
    return Estimate(value, n, method, Interval(value - reach, value + reach, level), standard_error)


def logit(
    value: float,
    standard_error: float,
    n: int,
    level: float = LEVEL,
    *,
    lower: float = 0.0,
    upper: float = 1.0,
    degrees: float | None = None,
    method: Method = Method.LOGIT,
) -> Estimate:
    """A bounded metric with an interval that is normal on the logit scale and stays in the range.

    Delta method: the standard error on the logit scale is ``se * (upper - lower) / ((value -
    lower) * (upper - value))``; Pepe 2003, The Statistical Evaluation of Medical Tests, section
    5.2.3. A value at an end of its range has no logit, and so no interval.

    Raises:
        InestimableError: if the value lies outside the range.
    """
    demand_level(level)
    if not lower <= value <= upper:
        raise InestimableError(f"{value} lies outside the range from {lower} to {upper}")
    if value in (lower, upper):
        return Estimate(value, n, method, None, standard_error)
    below, above = value - lower, upper - value
    reach = quantile(level, degrees) * standard_error * (upper - lower) / (below * above)
    center = math.log(below / above)
    ends = [lower + (upper - lower) * _expit(center + sign * reach) for sign in (-1, 1)]
    return Estimate(value, n, method, Interval(ends[0], ends[1], level), standard_error)


def percentile(value: float, replicates: Floats, n: int, level: float = LEVEL) -> Estimate:
    """A value with the percentile interval of its bootstrap replicates (shape ``b``).

    Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13. A replicate without a
    value is NaN; more than 5 % of them, or fewer than 40 with a value, are refused.
    """
    demand_level(level)
    defined = defined_replicates(replicates)
    tail = (1 - level) / 2
    lower, upper = np.quantile(defined, [tail, 1 - tail])
    interval = Interval(float(lower), float(upper), level)
    return Estimate(value, n, Method.PERCENTILE, interval, float(defined.std(ddof=1)))


def replicate_normal(
    value: float,
    replicates: Floats,
    n: int,
    level: float = LEVEL,
    *,
    lower: float | None = None,
    upper: float | None = None,
) -> Estimate:
    """A value with the normal interval whose standard error is that of its replicates.

    Efron and Tibshirani 1993, chapter 13. The interval is cut to the metric's range.
    """
    demand_level(level)
    error = float(defined_replicates(replicates).std(ddof=1))
    reach = quantile(level) * error
    interval = clip(Interval(value - reach, value + reach, level), lower, upper)
    return Estimate(value, n, Method.REPLICATE_NORMAL, interval, error)


def defined_replicates(replicates: Floats) -> Floats:
    """The replicates that have a value, where they are enough to say something.

    Raises:
        InestimableError: if more than 5 % have none, or fewer than 40 have one.
    """
    array = np.asarray(replicates, dtype=np.float64).ravel()
    defined = array[np.isfinite(array)]
    if defined.size < 40 or defined.size < (1 - MOST_UNDEFINED) * array.size:  # noqa: PLR2004
        raise InestimableError(
            f"only {defined.size} of {array.size} bootstrap replicates have a value",
            hint="The dataset or subgroup has too few cases of some kind for this metric.",
        )
    return defined


def quantile(level: float, degrees: float | None = None) -> float:
    """The z of a two-sided interval at ``level``; Student's t with ``degrees`` of freedom given."""
    if degrees is None:
        return float(special.ndtri((1 + level) / 2))
    return float(special.stdtrit(degrees, (1 + level) / 2))


def p_value(value: float, error: float, degrees: float | None = None) -> float:
    """Two-sided, for a true value of 0, by the normal distribution or Student's.

    Without any spread a value other than 0 is certain, and 0 is nothing.
    """
    if error <= 0:
        return 1.0 if value == 0 else 0.0
    score = -abs(value) / error
    tail = special.ndtr(score) if degrees is None else special.stdtr(degrees, score)
    return float(2 * tail)


def _expit(x: float) -> float:
    """The inverse of the logit, without overflow."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
