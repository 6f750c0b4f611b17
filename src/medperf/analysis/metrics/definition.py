"""What a metric is: a definition that says what the number means, and a value or why there is none.

Nothing here computes. A value that cannot be computed is not NaN: it is missing, for one reason
out of a closed list, so that it can be reported, counted and pooled around.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Literal

from medperf.domain.case_table import Evidence
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
    NO_PAIRS = "no_pairs"  # no two cases whose order is known
    NO_CASE_AT_TIME = "no_case_at_time"  # none with the event by then, or none at risk after it
    CONSTANT_REFERENCE = "constant_reference"  # every reference value is the same
    NO_OBJECTS = "no_objects"  # neither the reference nor the prediction holds an object


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
    values, or ``native``, a form of its own for many classes. ``evidence`` says how the
    value follows from columns of the per-case table, so that a site can compute it again.

    A name may hold numbers that are part of the definition: ``nsd_voxel@<tolerance>mm`` is a family
    of metrics, and ``nsd_voxel@2mm`` is one of them.
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
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True)
class NamedMetric:
    """A metric as a plan names it: its family, the numbers in its name, and its own definition."""

    family: str
    numbers: tuple[float, ...]
    definition: MetricDefinition


def resolve(name: str, table: Mapping[str, MetricDefinition]) -> NamedMetric:
    """The metric called ``name``, found in ``table`` itself or as a member of a family there.

    Raises:
        InvalidRequestError: if there is none; the message lists what there is.
    """
    for family, definition in table.items():
        found = _pattern(family).fullmatch(name)
        if found is not None:
            given = found.groupdict()
            own = replace(
                definition,
                name=name,
                title=_filled(definition.title, given),
                edge=_filled(definition.edge, given),
            )
            return NamedMetric(family, tuple(float(text) for text in given.values()), own)
    known = ", ".join(sorted(table))
    raise InvalidRequestError(f"there is no metric '{name}'; known: {known}")


_PLACEHOLDER = re.compile(r"<([a-z]+)>")
# Shares are written with a leading 0; everything else as plain decimals, so that equal numbers
# have few spellings.
_NUMBER = r"\d{1,5}(?:\.\d{1,4})?"
_SHARE = r"0\.\d{1,4}"
_SHARES = frozenset({"level", "threshold", "iou", "upper"})


@lru_cache(maxsize=256)
def _pattern(family: str) -> re.Pattern[str]:
    pieces = _PLACEHOLDER.split(family)
    texts, names = pieces[::2], pieces[1::2]
    groups = [f"(?P<{name}>{_SHARE if name in _SHARES else _NUMBER})" for name in names]
    return re.compile(
        "".join(re.escape(text) + group for text, group in zip(texts, [*groups, ""], strict=True))
    )


def _filled(text: str, given: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda found: given.get(found[1], found[0]), text)
