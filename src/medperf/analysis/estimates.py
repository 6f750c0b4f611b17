"""An estimate: a value with n, interval and method, and the versioned names of the methods.

A method's name changes when the number it gives can change. Two estimates with the same method,
the same inputs and the same seed are the same number, today and in ten years.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from medperf.domain.errors import InestimableError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

LEVEL = 0.95
"""The confidence level where nobody asks for another."""


class Method(StrEnum):
    """How an interval was computed; ``docs/explanation/statistics.md`` explains each."""

    WILSON = "wilson/v1"
    MEAN_T = "mean-t/v1"
    NORMAL = "normal/v1"
    LOGIT = "logit/v1"
    CLUSTERED_MEAN = "clustered-mean-t/v1"
    DELONG = "delong-logit/v1"
    HISTOGRAM_AUROC = "histogram-auroc-logit/v1"
    PERCENTILE = "bootstrap-percentile/v1"
    REPLICATE_NORMAL = "bootstrap-normal/v1"
    REPLICATE_STUDENT = "bootstrap-student/v1"
    CASE_WEIGHTED = "case-weighted/v1"
    CASE_WEIGHTED_REPLICATES = "case-weighted-bootstrap/v1"
    INVERSE_VARIANCE = "inverse-variance/v1"
    RANDOM_DL = "random-effects-dl/v1"
    RANDOM_DL_HK = "random-effects-dl-hk/v1"
    RANDOM_PM = "random-effects-pm/v1"
    RANDOM_PM_HK = "random-effects-pm-hk/v1"
    INDEPENDENT_DIFFERENCE = "independent-difference/v1"
    STANDARDIZED = "direct-standardization/v1"


@dataclass(frozen=True, slots=True)
class Interval:
    """From ``lower`` to ``upper``, at a confidence ``level`` such as 0.95."""

    lower: float
    upper: float
    level: float = LEVEL

    def holds(self, value: float) -> bool:
        """Whether ``value`` lies inside, ends included."""
        return self.lower <= value <= self.upper


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value over ``n`` cases; ``interval`` is None where the numbers do not allow one."""

    value: float
    n: int
    method: Method
    interval: Interval | None = None
    standard_error: float | None = None

    @property
    def variance(self) -> float | None:
        """The square of the standard error."""
        return None if self.standard_error is None else self.standard_error**2


def demand_level(level: float) -> None:
    """Refuse a confidence level outside (0, 1).

    Raises:
        InestimableError: if it is, naming the level; 95 for 0.95 is the usual slip.
    """
    if not 0.0 < level < 1.0:
        raise InestimableError(
            f"the confidence level is {level}", hint="Give a level between 0 and 1, such as 0.95."
        )


def demand_finite(values: Floats, what: str) -> Floats:
    """``values`` as a vector of finite floats.

    Raises:
        InestimableError: if a value is NaN or infinite; ``what`` names the values.
    """
    array = np.asarray(values, dtype=np.float64).ravel()
    if not np.isfinite(array).all():
        raise InestimableError(
            f"{what} hold a value that is not a finite number",
            hint="Leave failed cases out and count them as failed.",
        )
    return array


def clip(interval: Interval, lower: float | None, upper: float | None) -> Interval:
    """The part of ``interval`` inside the range a metric can take."""
    low = -math.inf if lower is None else lower
    high = math.inf if upper is None else upper
    return Interval(
        min(max(interval.lower, low), high), max(min(interval.upper, high), low), interval.level
    )
