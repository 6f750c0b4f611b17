"""Concordance under weights: the share of comparable pairs that are ranked right.

A case with an event weight above 0 is compared with every case whose time is later, and with those
of the same time that have no event. This one form holds Harrell's and Uno's concordance and the
cumulative, dynamic AUC at a time; they differ in times and event weights alone. The event weights
(of censoring) stay as they are in a replicate: that they are estimated from the same patients is
not counted, which makes intervals a little too wide (Uno et al. 2011, doi:10.1002/sim.4154).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from medperf.analysis.bootstrap import Statistic
from medperf.analysis.estimates import Bools, Floats, Integers

_BLOCK = 512
"""Events compared with all cases at a time: bounds the memory of the pairs."""


@dataclass(frozen=True)
class RankedCases:
    """``n`` cases: ``time`` orders them, ``weight`` is 0 without event, ``risk`` is the answer."""

    time: Floats
    weight: Floats
    risk: Floats

    @property
    def value(self) -> float | None:
        """Ties of risk count half; None without comparable pairs."""
        right, whole = self._shares
        return float(right.sum() / whole.sum()) if whole.any() else None

    @cached_property
    def earlier(self) -> Bools:
        """The cases that are the earlier one of a comparable pair."""
        found = np.zeros(len(self.time), dtype=np.bool_)
        for events, comparable, _ in self._blocks():
            found[events] = comparable.any(axis=1)
        return found

    @cached_property
    def later(self) -> Bools:
        """The cases that are the later one of a comparable pair."""
        found = np.zeros(len(self.time), dtype=np.bool_)
        for _, comparable, _ in self._blocks():
            found |= comparable.any(axis=0)
        return found

    def standard_error(self, patients: Integers) -> float | None:
        """By the infinitesimal jackknife over patients (shape ``n``); None with fewer than two.

        A pair belongs to both of its cases, as in Efron and Stein 1981.
        """
        value = self.value
        right, whole = self._shares
        by_patient = np.bincount(patients, weights=right - (value or 0.0) * whole)
        number = np.unique(patients).size
        if value is None or number < 2:  # noqa: PLR2004
            return None
        # The shares hold every pair twice, once for each of its cases; the sum holds it once.
        influence = by_patient / (whole.sum() / 2)
        return float(np.sqrt((influence**2).sum() * number / (number - 1)))

    def weighted(self) -> Statistic:
        """The concordance as a function of the weights of cases."""

        def statistic(weights: Floats) -> Floats:
            right, whole = np.zeros(len(weights)), np.zeros(len(weights))
            for events, comparable, won in self._blocks():
                own = weights[:, events] * self.weight[events]
                right += np.einsum("bi,bi->b", own @ won, weights)
                whole += np.einsum("bi,bi->b", own @ comparable.astype(np.float64), weights)
            found = np.full(len(weights), np.nan)
            np.divide(right, whole, out=found, where=whole > 0)
            return found

        return statistic

    @cached_property
    def _shares(self) -> tuple[Floats, Floats]:
        """Of each case, in both roles: weight of its pairs ranked right, and of all its pairs."""
        right, whole = np.zeros(len(self.time)), np.zeros(len(self.time))
        for events, comparable, won in self._blocks():
            own = self.weight[events]
            right[events] += own * won.sum(axis=1)
            right += own @ won
            whole[events] += own * comparable.sum(axis=1)
            whole += own @ comparable
        return right, whole

    def _blocks(self) -> Iterator[tuple[Integers, Bools, Floats]]:
        events = np.flatnonzero(self.weight > 0)
        for start in range(0, len(events), _BLOCK):
            some = events[start : start + _BLOCK]
            time, risk = self.time[some, None], self.risk[some, None]
            comparable = (self.time > time) | ((self.time == time) & (self.weight == 0))
            won = comparable * ((risk > self.risk) + 0.5 * (risk == self.risk))
            yield some, comparable, won
