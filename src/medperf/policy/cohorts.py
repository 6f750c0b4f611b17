"""Which cases a number is about, and in how many cases two numbers differ.

A cohort is known exactly where the evaluator left a row per case: as the set of *tags* of its
cases, keyed hashes that mean nothing outside the site. Elsewhere only its size is known.

A tag begins with the hash of the patient, so that cohorts can be counted in patients: two cohorts
that differ in thirty cases of one patient differ in one person.
"""

from collections.abc import Iterable
from dataclasses import dataclass

Subgroup = tuple[tuple[str, str], ...]
"""Variable and value, sorted; empty for everybody."""


PATIENT_BYTES = 8
"""How much of a tag names the patient."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """The cases behind a number: how many, and which, if that is known."""

    n: int
    members: frozenset[bytes] | None = None

    @classmethod
    def of(cls, members: Iterable[bytes]) -> "Cohort":
        """A cohort that is known case by case."""
        known = frozenset(members)
        return cls(len(known), known)

    @property
    def n_people(self) -> int:
        """How many patients there are; cases count where patients are not known."""
        return self.n if self.members is None else count_people(self.members)


@dataclass(frozen=True, slots=True)
class Cell:
    """One released number's place: the metric, over whom, from which cases."""

    metric: str
    class_label: str | None
    subgroup: Subgroup
    cohort: Cohort

    @property
    def key(self) -> tuple[str, str | None, Subgroup]:
        """What names the cell inside a document."""
        return self.metric, self.class_label, self.subgroup

    @property
    def place(self) -> str:
        """The cell as people read it: ``sensitivity[malignant] of sex=female``."""
        label = f"[{self.class_label}]" if self.class_label is not None else ""
        who = ", ".join(f"{name}={value}" for name, value in self.subgroup)
        return f"{self.metric}{label} of {who or 'everybody'}"


@dataclass(frozen=True, slots=True)
class Release:
    """The cells of one document, and what they are of.

    Attributes:
        name: what the site's people call it, for instance ``job 3``.
        model: the digest of the model's container.
        owner_id: the organization that owns the model.
        fingerprint: the dataset's.
        cells: one for each number.
    """

    name: str
    model: str
    owner_id: int
    fingerprint: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Sum:
    """What a reader can compute a total over: one cell, or all values of a variable together.

    ``where`` names the release that holds it; it is empty for what has not left yet.
    """

    cells: tuple[Cell, ...]
    cohort: Cohort
    subgroup: Subgroup
    fingerprint: str
    where: str = ""
    is_family: bool = False

    @property
    def place(self) -> str:
        """The sum as people read it."""
        cells = " with ".join(cell.place for cell in self.cells)
        return f"{cells} ({self.where})" if self.where else cells


def singles(release: Release, cells: Iterable[Cell], where: str = "") -> list[Sum]:
    """Every cell by itself."""
    return [Sum((c,), c.cohort, c.subgroup, release.fingerprint, where) for c in cells]


def families(found: Iterable[Sum]) -> list[Sum]:
    """Disjoint cells taken together: those of the same variables, each value once."""
    by_names: dict[tuple[str, ...], dict[Subgroup, Sum]] = {}
    for each in found:
        if each.subgroup:
            names = tuple(name for name, _ in each.subgroup)
            by_names.setdefault(names, {})[each.subgroup] = each
    return [_together(list(group.values())) for group in by_names.values() if len(group) > 1]


def count_people(members: Iterable[bytes]) -> int:
    """How many patients some cases are of."""
    return len({tag[:PATIENT_BYTES] for tag in members})


@dataclass(frozen=True, slots=True)
class Gap:
    """In how many people two sums differ, and in which cases, if that is known."""

    n: int
    members: frozenset[bytes] | None = None


def gap(one: Sum, other: Sum) -> Gap | None:
    """What two sums differ in; None if nobody can know.

    Known case by case, it is the symmetric difference. Known by number only, two sums of one
    dataset are compared where one of them lies within the other by its definition; then as many
    people as the numbers differ by is what a reader can tell.
    """
    a, b = one.cohort, other.cohort
    if a.members is not None and b.members is not None:
        apart = frozenset() if a.members is b.members else a.members ^ b.members
        return Gap(count_people(apart), apart)
    if one.fingerprint == other.fingerprint and _is_nested(one, other):
        return Gap(abs(a.n - b.n))
    return None


def _together(found: list[Sum]) -> Sum:
    known = [each.cohort.members for each in found]
    tags = [members for members in known if members is not None]
    cohort = (
        Cohort.of(frozenset().union(*tags))
        if len(tags) == len(known)
        else Cohort(sum(each.cohort.n for each in found))
    )
    where = "; ".join(dict.fromkeys(each.where for each in found if each.where))
    cells = tuple(cell for each in found for cell in each.cells)
    return Sum(cells, cohort, (), found[0].fingerprint, where, is_family=True)


def _is_nested(one: Sum, other: Sum) -> bool:
    if one.is_family or other.is_family:
        # A family covers everybody who has a value: only everybody is known to hold it.
        return not one.subgroup and not other.subgroup and one.is_family is not other.is_family
    a, b = set(one.subgroup), set(other.subgroup)
    return a <= b or b <= a
