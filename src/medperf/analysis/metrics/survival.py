"""Time to event: does a higher risk mean an earlier event, and are predicted survivals right?

Censoring is weighted by its inverse probability, estimated (Kaplan and Meier) from the same cases:
a site has no other. Where an event and a censoring share a time the event came first. Times are in
the unit of the data, and so are the times in a metric's name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from medperf.analysis.metrics.definition import (
    MetricDefinition,
    MetricValue,
    Missing,
    resolve,
)
from medperf.analysis.metrics.survival_table import DEFINITIONS
from medperf.domain.errors import InvalidRequestError

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ranked = tuple[Floats, Floats, Floats]
"""Of each case: what orders it, its weight as an event (0: none), and its risk."""

_BLOCK = 512
"""Events compared with all cases at a time: bounds the memory of the pairs."""


@dataclass(frozen=True)
class FollowedCases:
    """``n`` cases followed until an event or until they were lost from sight.

    ``time`` (positive) and ``event`` (false: censored) have shape ``n``, and so has ``risk``,
    higher for an earlier event. ``survival`` is ``n x k``: the predicted probability of no event
    until each of ``times`` (ascending). Either is None if the model does not give it.
    ``censoring`` is the estimate of another set of cases, which these are a part of.
    """

    time: Floats
    event: Bools
    risk: Floats | None = None
    survival: Floats | None = None
    times: tuple[float, ...] = ()
    censoring: tuple[Floats, Floats] | None = None

    def __len__(self) -> int:
        return len(self.time)

    def where(self, chosen: Bools) -> "FollowedCases":
        """The cases for which ``chosen`` is true."""
        return FollowedCases(
            self.time[chosen],
            self.event[chosen],
            None if self.risk is None else self.risk[chosen],
            None if self.survival is None else self.survival[chosen],
            self.times,
            self.censoring,
        )

    def within(self, whole: "FollowedCases") -> "FollowedCases":
        """The same cases as a part of ``whole``, from which their censoring is then estimated."""
        return replace(self, censoring=whole._censoring)  # noqa: SLF001 - of the same class

    @cached_property
    def _censoring(self) -> tuple[Floats, Floats]:
        """Distinct times, and the probability of being still in sight after each."""
        if self.censoring is not None:
            return self.censoring
        times, place = np.unique(self.time, return_inverse=True)
        lost = np.bincount(place, weights=~self.event, minlength=len(times))
        events = np.bincount(place, weights=self.event, minlength=len(times))
        in_sight = len(self.time) - np.concatenate(([0.0], np.cumsum(lost + events)[:-1]))
        # Those with the event at a time are no longer at risk of being lost at it.
        at_risk = in_sight - events
        kept = 1.0 - np.divide(lost, at_risk, out=np.zeros_like(lost), where=at_risk > 0)
        return times, np.asarray(np.cumprod(kept), dtype=np.float64)

    def in_sight(self, at: Floats) -> Floats:
        """The probability of not being censored up to and including each time of ``at``."""
        times, probability = self._censoring
        place = np.searchsorted(times, at, side="right")
        return np.concatenate(([1.0], probability))[place]


def value_of(name: str, cases: FollowedCases) -> MetricValue:
    """The metric ``name``.

    Raises:
        InvalidRequestError: if there is no such metric, or the predictions lack a time it needs.
    """
    metric = resolve(name, DEFINITIONS)
    if not len(cases):
        return MetricValue.none(Missing.NO_CASES)
    if metric.definition.needs == "probabilities":
        if cases.survival is None:
            return MetricValue.none(Missing.NO_PROBABILITIES)
        return _FROM_SURVIVAL[metric.family](cases, *metric.numbers)
    if cases.risk is None:
        raise InvalidRequestError(f"{name} needs a risk per case, and the predictions hold none")
    return _FROM_RISK[metric.family](cases, cases.risk, *metric.numbers)


def columns_of(name: str, cases: FollowedCases) -> tuple[Floats, ...] | None:
    """What each case adds to ``name``, in the form of its definition's evidence.

    Of a concordance what orders the case, its weight as an event and its risk; of an error the
    error of the case, weighted for censoring. None if the metric has no value.
    """
    metric = resolve(name, DEFINITIONS)
    if value_of(name, cases).value is None:
        return None
    if metric.definition.needs == "probabilities":
        errors = _ERRORS[metric.family](cases, *metric.numbers)
        return None if errors is None else (errors,)
    return (
        None if cases.risk is None else _RANKED[metric.family](cases, cases.risk, *metric.numbers)
    )


def definition(name: str) -> MetricDefinition:
    """The definition of ``name``.

    Raises:
        InvalidRequestError: if there is none; the message lists what there is.
    """
    return resolve(name, DEFINITIONS).definition


# --- ranks ---


def concordance_harrell(cases: FollowedCases, risk: Floats) -> MetricValue:
    """Share of the comparable pairs in which the earlier event has the higher risk; ties half.

    A pair is comparable if the earlier time is that of an event, or the times are the same and only
    one is an event. Depends on the censoring. Harrell 1982.
    """
    return _concordance(_harrell(cases, risk))


def concordance_uno(cases: FollowedCases, risk: Floats, until: float) -> MetricValue:
    """As Harrell's over events before ``until``, each weighted so that censoring cancels out."""
    return _concordance(_uno(cases, risk, until))


def auc_at(cases: FollowedCases, risk: Floats, at: float) -> MetricValue:
    """P(risk with the event by ``at`` is above risk without), cumulative cases, dynamic controls.

    Ties count half. Uno et al. 2007; Hung and Chiang 2010.
    """
    pairs = _had_or_free(cases, risk, at)
    found = _concordance(pairs)
    return found if found.missing is None else MetricValue.none(Missing.NO_CASE_AT_TIME)


def _harrell(cases: FollowedCases, risk: Floats) -> Ranked:
    return cases.time, cases.event.astype(np.float64), risk


def _uno(cases: FollowedCases, risk: Floats, until: float) -> Ranked:
    chosen = cases.event & (cases.time < until)
    in_sight = cases.in_sight(cases.time)
    chosen &= in_sight > 0
    weights = np.zeros(len(cases))
    weights[chosen] = in_sight[chosen] ** -2.0
    # Events that do not count are later than all that do.
    return cases.time, weights, risk


def _had_or_free(cases: FollowedCases, risk: Floats, at: float) -> Ranked:
    in_sight = cases.in_sight(cases.time)
    had = cases.event & (cases.time <= at) & (in_sight > 0)
    weights = np.zeros(len(cases))
    weights[had] = 1.0 / in_sight[had]
    # All who had the event come before all who are free of it; who was lost before is in no pair.
    order = np.where(had, 0.0, np.where(cases.time > at, 1.0, -1.0))
    return order, weights, risk


def _concordance(ranked: Ranked) -> MetricValue:
    times, weights, risks = ranked
    right = whole = 0.0
    events = np.flatnonzero(weights > 0)
    for start in range(0, len(events), _BLOCK):
        some = events[start : start + _BLOCK]
        time, own_risk = times[some, None], risks[some, None]
        later = (times > time) | ((times == time) & (weights == 0))
        higher = np.count_nonzero(later & (own_risk > risks), axis=1)
        ties = np.count_nonzero(later & (own_risk == risks), axis=1)
        right += float(weights[some] @ (higher + 0.5 * ties))
        whole += float(weights[some] @ np.count_nonzero(later, axis=1))
    if not whole:
        return MetricValue.none(Missing.NO_PAIRS)
    return MetricValue(right / whole, len(times))


# --- probabilities ---


def brier_at(cases: FollowedCases, at: float) -> MetricValue:
    """Mean squared difference of predicted survival and outcome at ``at``, for censoring weighted.

    [0, 1], lower is better. Graf et al. 1999.
    """
    errors = _errors_at(cases, at)
    if errors is None:
        return MetricValue.none(Missing.NO_CASE_AT_TIME)
    return MetricValue(float(errors.mean()), len(cases))


def integrated_brier(cases: FollowedCases, start: float, end: float) -> MetricValue:
    """Mean over time of ``brier_at``, by the trapezoids between the predicted times."""
    errors = _integrated_errors(cases, start, end)
    if errors is None:
        return MetricValue.none(Missing.NO_CASE_AT_TIME)
    return MetricValue(float(errors.mean()), len(cases))


def _integrated_errors(cases: FollowedCases, start: float, end: float) -> Floats | None:
    _column(cases, start), _column(cases, end)
    grid = [time for time in cases.times if start <= time <= end]
    if len(grid) < 2:  # noqa: PLR2004 - a trapezoid has two sides
        raise InvalidRequestError(f"{start:g} to {end:g} is no interval of the predicted times")
    errors = [_errors_at(cases, time) for time in grid]
    found = [each for each in errors if each is not None]
    if len(found) < len(errors):
        return None
    return np.asarray(np.trapezoid(found, grid, axis=0) / (end - start))


def _column(cases: FollowedCases, at: float) -> Floats:
    if at not in cases.times or cases.survival is None:
        known = ", ".join(f"{time:g}" for time in cases.times)
        raise InvalidRequestError(f"survival is not predicted at {at:g}; it is at: {known}")
    return np.asarray(cases.survival[:, cases.times.index(at)])


def _errors_at(cases: FollowedCases, at: float) -> Floats | None:
    """The weighted squared error of each case: 0 for those lost from sight before ``at``."""
    survival = _column(cases, at)
    after = float(cases.in_sight(np.array([at]))[0])
    had = cases.event & (cases.time <= at)
    free = cases.time > at
    in_sight = cases.in_sight(cases.time[had])
    if after == 0 or not in_sight.all() or not (free.any() or cases.censoring):
        return None  # nobody is left in sight to speak for those who are not
    errors = np.zeros(len(cases))
    errors[had] = survival[had] ** 2 / in_sight
    errors[free] = (1.0 - survival[free]) ** 2 / after
    return errors


_FROM_RISK: Mapping[str, Callable[..., MetricValue]] = {
    "concordance_harrell": concordance_harrell,
    "concordance_uno@<time>": concordance_uno,
    "auc_at@<time>": auc_at,
}
_FROM_SURVIVAL: Mapping[str, Callable[..., MetricValue]] = {
    "brier_at@<time>": brier_at,
    "integrated_brier@<start>-<end>": integrated_brier,
}
_RANKED: Mapping[str, Callable[..., Ranked]] = {
    "concordance_harrell": _harrell,
    "concordance_uno@<time>": _uno,
    "auc_at@<time>": _had_or_free,
}
_ERRORS: Mapping[str, Callable[..., Floats | None]] = {
    "brier_at@<time>": _errors_at,
    "integrated_brier@<start>-<end>": _integrated_errors,
}
