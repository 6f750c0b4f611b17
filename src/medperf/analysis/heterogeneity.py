"""How much sites differ beyond chance: Cochran's Q, the between-site variance and I squared."""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import special

from medperf.analysis.estimates import Floats
from medperf.analysis.roots import root


class BetweenSites(StrEnum):
    """Which estimator of the between-site variance."""

    DERSIMONIAN_LAIRD = "dl"
    PAULE_MANDEL = "pm"


@dataclass(frozen=True, slots=True)
class Heterogeneity:
    """``q`` on ``degrees`` of freedom with its p-value; ``tau2`` in squared units of the metric.

    ``i2`` is the share of the variation between sites that is not chance, from 0 to 1.
    """

    q: float
    degrees: int
    p_value: float
    tau2: float
    i2: float

    @property
    def tau(self) -> float:
        """The standard deviation between sites, in units of the metric."""
        return math.sqrt(self.tau2)


def heterogeneity(
    values: Floats, variances: Floats, estimator: BetweenSites = BetweenSites.PAULE_MANDEL
) -> Heterogeneity:
    """Heterogeneity of sites' values with their positive sampling variances (shape ``k``).

    Q: Cochran 1954, doi:10.2307/3001666. I squared: Higgins and Thompson 2002,
    doi:10.1002/sim.1186. With one site there is none.
    """
    degrees = len(values) - 1
    q = cochran_q(values, variances, 0.0)
    if degrees < 1:
        return Heterogeneity(0.0, 0, 1.0, 0.0, 0.0)
    tau2 = (tau2_dl if estimator is BetweenSites.DERSIMONIAN_LAIRD else tau2_pm)(values, variances)
    i2 = max(0.0, (q - degrees) / q) if q > 0 else 0.0
    return Heterogeneity(q, degrees, float(special.chdtrc(degrees, q)), tau2, i2)


def cochran_q(values: Floats, variances: Floats, tau2: float) -> float:
    """The weighted squared deviations from the weighted mean, with ``tau2`` in every variance."""
    weights = 1 / (variances + tau2)
    mean = weights @ values / weights.sum()
    return float(weights @ (values - mean) ** 2)


def tau2_dl(values: Floats, variances: Floats) -> float:
    """DerSimonian and Laird 1986, doi:10.1016/0197-2456(86)90046-2: the moment estimator."""
    weights = 1 / variances
    scale = weights.sum() - (weights**2).sum() / weights.sum()
    return max(0.0, (cochran_q(values, variances, 0.0) - (len(values) - 1)) / float(scale))


def tau2_pm(values: Floats, variances: Floats) -> float:
    """Paule and Mandel 1982, doi:10.6028/jres.087.022: where Q equals its degrees of freedom.

    Recommended for few studies by Veroniki and others 2016, doi:10.1002/jrsm.1164.
    """
    degrees = len(values) - 1

    def excess(tau2: float) -> float:
        return cochran_q(values, variances, tau2) - degrees

    if excess(0.0) <= 0:
        return 0.0
    # Q falls with tau2, and at this bound every weight is below degrees over the spread.
    high = float(((values - np.mean(values)) ** 2).sum()) / degrees
    return root(excess, 0.0, high, xtol=1e-14)
