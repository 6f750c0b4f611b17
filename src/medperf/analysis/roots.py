"""Where a function is zero."""

from collections.abc import Callable


def root(function: Callable[[float], float], low: float, high: float, *, xtol: float) -> float:
    """The root between two places where a continuous function has different signs.

    Brent 1973, Algorithms for Minimization without Derivatives, chapter 4.

    Args:
        function: what is to be zero.
        low: one end.
        high: the other end.
        xtol: how far the answer may be off, besides a few last bits of its own.

    Raises:
        ValueError: if the signs are the same.
    """
    # Loading it takes a server's process longer than loading the rest of the analysis.
    from scipy.optimize import brentq  # noqa: PLC0415

    return float(brentq(function, low, high, xtol=xtol))
