"""What a metric is: a definition that says what the number means, and a value or why there is none.

Nothing here computes. A value that cannot be computed is not NaN: it is missing, for one reason
out of a closed list, so that it can be reported, counted and pooled around.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from medperf.domain.errors import InvalidRequestError


class Missing(StrEnum):
    """Why a metric has no value."""

    NO_CASES = "no_cases"  # nothing to compute from
    ONE_CLASS = "one_class"  # only positive or only negative reference labels
    ABSENT_CLASS = "absent_class"  # a macro average, and a class without a value of its own
    NONE_PREDICTED = "none_predicted"  # no case was predicted to be in the class
    NO_PROBABILITIES = "no_probabilities"  # the model answers with classes only
    EMPTY_BOTH = "empty_both"  # neither the reference nor the predicted mask holds anything
    EMPTY_ONE = "empty_one"  # one of the two does not, so there is no distance between them


@dataclass(frozen=True, slots=True)
class MetricValue:
    """A number and the count of cases it is computed over, or the reason why there is none."""

    value: float | None
    n: int
    missing: Missing | None = None

    @classmethod
    def none(cls, reason: Missing, n: int = 0) -> "MetricValue":
        """There is no value, because of ``reason``."""
        return cls(None, n, reason)


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """What the number means, as data.

    ``counted`` says which cases ``n`` counts. Where a metric is a proportion they are its
    denominator, so that averaging over sites weighted by ``n`` gives the proportion of all cases.
    ``edge`` says what happens with empty, one-class and constant input. ``average`` says what the
    overall number of more than two classes is: ``macro``, the unweighted mean of the one-vs-rest
    values, or ``native``, a form of its own for many classes.
    """

    name: str
    title: str
    direction: Literal["higher", "lower"]
    lower: float
    upper: float
    unit: str
    counted: str
    edge: str
    source: str
    needs: Literal["classes", "probabilities"] = "classes"
    average: Literal["macro", "native"] = "macro"


def look_up(name: str, table: Mapping[str, MetricDefinition]) -> MetricDefinition:
    """The definition called ``name``.

    Raises:
        InvalidRequestError: if there is none; the message lists what there is.
    """
    if name not in table:
        known = ", ".join(sorted(table))
        raise InvalidRequestError(f"there is no metric '{name}'; known: {known}")
    return table[name]
