"""Moments: what a mean, a variance and a shape need, mergeable without the cases behind them."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

from medperf.analysis.estimates import Floats, demand_finite
from medperf.domain.errors import InestimableError


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, mean and the sums of the second to fourth powers of deviations from that mean."""

    n: int
    mean: float
    m2: float
    m3: float = 0.0
    m4: float = 0.0

    @classmethod
    def of(cls, values: Floats) -> "Moments":
        """The moments of ``values`` (shape ``n``).

        Raises:
            InestimableError: if there is no value, or one that is not finite.
        """
        array = demand_finite(values, "the values")
        if array.size == 0:
            raise InestimableError("there is no case to take a mean of")
        mean = float(array.mean())
        deviations = array - mean
        squares = deviations**2
        return cls(
            n=array.size,
            mean=mean,
            m2=float(squares.sum()),
            m3=float((squares * deviations).sum()),
            m4=float((squares**2).sum()),
        )

    @property
    def variance(self) -> float:
        """The unbiased variance of the values.

        Raises:
            InestimableError: with fewer than two values.
        """
        if self.n < 2:  # noqa: PLR2004
            raise InestimableError("a variance needs two cases")
        return self.m2 / (self.n - 1)

    def merged(self, other: "Moments") -> "Moments":
        """The moments of both sets of values together.

        Chan, Golub and LeVeque 1983, doi:10.1080/00031305.1983.10483115, for the second; Pebay
        2008, Sandia report SAND2008-6212, eq. 2.1, for the third and fourth.
        """
        if not self.n or not other.n:
            return other if not self.n else self
        n_a, n_b = self.n, other.n
        n = n_a + n_b
        delta = other.mean - self.mean
        return Moments(
            n=n,
            mean=self.mean + delta * n_b / n,
            m2=self.m2 + other.m2 + delta**2 * n_a * n_b / n,
            m3=self.m3
            + other.m3
            + delta**3 * n_a * n_b * (n_a - n_b) / n**2
            + 3 * delta * (n_a * other.m2 - n_b * self.m2) / n,
            m4=self.m4
            + other.m4
            + delta**4 * n_a * n_b * (n_a**2 - n_a * n_b + n_b**2) / n**3
            + 6 * delta**2 * (n_a**2 * other.m2 + n_b**2 * self.m2) / n**2
            + 4 * delta * (n_a * other.m3 - n_b * self.m3) / n,
        )


NO_CASES = Moments(n=0, mean=0.0, m2=0.0)
"""The moments of no values: merging them changes nothing."""


def merge(parts: Iterable[Moments]) -> Moments:
    """The moments of all cases of all parts."""
    return reduce(Moments.merged, parts, NO_CASES)
