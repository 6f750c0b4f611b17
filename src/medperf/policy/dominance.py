"""Does one patient make up a number? The (1, k) dominance rule on what each patient contributes.

A mean to which one patient contributes most is that patient's value in disguise. What a patient
contributes depends on the number: to every one of them cases, to a ratio also its denominator, to
a mean that has no bounds (millimeters, minutes) also the magnitude of the values. A mean between
declared bounds is not held against magnitudes: one correct answer among many wrong ones has all of
the sum and tells nothing that the number itself does not.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one case adds to a number: its patient, and the weight and the magnitude it comes with.

    Both are zero or more; a case counts as weight 1 unless the metric says otherwise.
    """

    patient: str
    weight: float = 1.0
    magnitude: float | None = None


def largest_share(contributions: Iterable[Contribution]) -> float:
    """The largest share, 0 to 1, that one patient has in the cases, weights or magnitudes.

    Of nothing at all the share is 0.
    """
    cases: dict[str, float] = {}
    weights: dict[str, float] = {}
    magnitudes: dict[str, float] = {}
    for each in contributions:
        cases[each.patient] = cases.get(each.patient, 0.0) + 1.0
        weights[each.patient] = weights.get(each.patient, 0.0) + abs(each.weight)
        if each.magnitude is not None:
            magnitudes[each.patient] = magnitudes.get(each.patient, 0.0) + abs(each.magnitude)
    return max(_share(cases), _share(weights), _share(magnitudes))


def _share(by_patient: Mapping[str, float]) -> float:
    total = sum(by_patient.values())
    return max(by_patient.values()) / total if total > 0 else 0.0
