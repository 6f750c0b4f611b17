"""May these numbers join those that left before? What differencing would tell about a few people.

Whoever holds two numbers about almost the same cases can compute what the few others contribute;
whoever holds many can add and subtract them all. So no number leaves that makes a combination of
numbers of the same model and metric tell about fewer people than the smallest cell; no matter
whether the others are in the same document (the rest of a subgroup) or left years ago (another
version of the dataset, another benchmark). Where cohorts are known case by case that is
`combining`'s to find out; where only their size is known, pairs are compared.

Three degrees, by what a reader needs:

* arithmetic alone, that is the *same model*: the number is suppressed;
* a model made to resemble another one, that is another model of the *same owner*: a person decides;
* two owners who conspire: nothing here stops them, nor a model that answers differently for one
  case it recognizes. Budgets and rounding limit what they learn.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from medperf.policy.cohorts import Cell, Release, Subgroup, Sum, families, gap, singles
from medperf.policy.combining import Combination, Effort, Members, Undecided, find_combination

EFFORT_OF_A_METRIC, EFFORT_OF_A_DOCUMENT = 10_000_000, 30_000_000
"""Some seconds for all metrics with the same cohorts, and a multiple of that for a document."""

Group = tuple[str, str | None]

_Question = tuple[tuple[Members, ...], int, frozenset[Members]]
_TOO_MANY = "too many groups overlap to be sure that it gives nobody away with the others"


@dataclass(frozen=True, slots=True)
class Suppression:
    """One number that may not leave, and why, for the site's own people."""

    cell: Cell
    reason: str


@dataclass(frozen=True, slots=True)
class Differences:
    """What of a release may leave, what may not, and what a person should know first."""

    cells: tuple[Cell, ...]
    suppressed: tuple[Suppression, ...] = ()
    cautions: tuple[str, ...] = ()


def check_differences(
    new: Release,
    earlier: Iterable[Release],
    smallest: int,
    *,
    hidden: Iterable[Cell] = (),
) -> Differences:
    """Compare a release with itself and with what left before.

    Args:
        new: what would leave; its cells hold at least ``smallest`` people each.
        earlier: what left before from this site, or is about to, of whatever dataset.
        smallest: nothing may tell about 1 to ``smallest - 1`` people.
        hidden: cells of this document that were suppressed for another reason than their size;
            nothing may be a total over one of their cohorts.
    """
    others = tuple(earlier)
    same = [each for each in others if each.model == new.model]
    secrets = tuple(hidden)
    solver = _Solver(smallest)
    kept: list[Cell] = []
    suppressed: list[Suppression] = []
    for group in dict.fromkeys(_group(cell) for cell in new.cells):
        left = list(_of(new, group))
        before = [singles(old, _of(old, group), old.name) for old in same]
        unknown = (cell.cohort.members for cell in secrets if _group(cell) == group)
        for found in solver.suppressions(left, before, frozenset(filter(None, unknown))):
            suppressed.append(found)
            left.remove(found.cell)
        while (close := _violation(new, left, before, smallest)) is not None:
            suppressed.append(close)
            left.remove(close.cell)
        kept += left
    released = replace(new, cells=tuple(kept))
    return Differences(
        released.cells, tuple(suppressed), tuple(_cautions(released, others, smallest))
    )


def check_rest(
    cells: Sequence[Cell],
    small: Iterable[tuple[Subgroup, int]],
    totals: Iterable[int],
    smallest: int,
) -> list[Suppression]:
    """Find numbers that would give away, with another one, a cell that was too small.

    Accuracy over all cases and specificity over the negative ones leave what the few positive ones
    contribute, whatever the metrics are called: so no two numbers about the same people differ by
    exactly as many cases as a suppressed cell held.

    Args:
        cells: what is left of the document.
        small: subgroup and number of cases of each cell that was suppressed as too small.
        totals: other numbers of cases in the document, about everybody.
        smallest: the smallest cell.
    """
    sizes: dict[Subgroup, set[int]] = {}
    for subgroup, n in small:
        if 0 < n < smallest:
            sizes.setdefault(subgroup, set()).add(n)
    found: list[Suppression] = []
    for subgroup, missing in sizes.items():
        here = [cell for cell in cells if cell.subgroup == subgroup]
        known = {cell.cohort.n for cell in here} | (set() if subgroup else set(totals))
        for cell in here:
            rest = next((n for n in sorted(missing) if cell.cohort.n + n in known), None)
            if rest is not None:
                reason = f"with another number it would give away a cell of {rest} cases"
                found.append(Suppression(cell, reason))
    return found


class _Solver:
    """Finds what combinations tell, once for all metrics that are about the same cohorts."""

    def __init__(self, smallest: int) -> None:
        self._smallest = smallest
        self._effort_left = EFFORT_OF_A_DOCUMENT
        self._answers: dict[_Question, Combination | Undecided | None] = {}

    def suppressions(
        self, cells: Iterable[Cell], before: Iterable[list[Sum]], hidden: frozenset[Members]
    ) -> Iterator[Suppression]:
        """What of one metric has to go, until nothing tells about a few people."""
        gone: dict[Members | None, str] = {
            each.cohort.members: each.place
            for old in before
            for each in old
            if each.cohort.members is not None
        }
        left = [cell for cell in cells if cell.cohort.members not in {None, *gone}]
        while left:
            places = dict(gone)
            for cell in left:
                places.setdefault(cell.cohort.members, cell.place)
            found = self._find([each for each in places if each], len(gone), hidden)
            if found is None:
                return
            if isinstance(found, Undecided):
                victims, reason = [cell for cell in left if cell.subgroup] or left, _TOO_MANY
            else:
                decisive = {found.cohorts[i] for i in found.decisive}
                candidates = [cell for cell in left if cell.cohort.members in decisive]
                victims, reason = [_most_special(candidates)], self._reason(found, places)
            for cell in victims:
                yield Suppression(cell, reason)
            left = [cell for cell in left if all(cell is not victim for victim in victims)]

    def _find(
        self, cohorts: list[Members], n_known: int, hidden: frozenset[Members]
    ) -> Combination | Undecided | None:
        key = (tuple(cohorts), n_known, hidden)
        if key not in self._answers:
            allowed = min(EFFORT_OF_A_METRIC, self._effort_left)
            effort = Effort(allowed)
            self._answers[key] = find_combination(
                cohorts, n_known, self._smallest, effort, hidden=hidden
            )
            self._effort_left -= allowed - effort.left
        return self._answers[key]

    def _reason(self, found: Combination, places: Mapping[Members | None, str]) -> str:
        parts = [
            (factor, places[members])
            for factor, members in zip(found.coefficients, found.cohorts, strict=True)
            if factor
        ]
        n = found.n_people
        only = " only" if n < self._smallest else ", whose own number is suppressed"
        if [factor for factor, _ in parts] in ([1, -1], [-1, 1]):
            both = " and ".join(sorted(place for _, place in parts))
            return f"{both} differ in {n} people{only}"
        plus, minus = sorted(
            (
                [_times(sign * factor, place) for factor, place in parts if sign * factor > 0]
                for sign in (1, -1)
            ),
            key=len,
            reverse=True,
        )
        return f"{' and '.join(plus)} less {' and '.join(minus)} tell about {n} people{only}"


def _times(factor: int, place: str) -> str:
    return place if factor == 1 else f"{factor} x {place}"


def _most_special(cells: Iterable[Cell]) -> Cell:
    return max(cells, key=lambda cell: (len(cell.subgroup), -cell.cohort.n))


def _violation(
    new: Release, left: list[Cell], before: Sequence[list[Sum]], smallest: int
) -> Suppression | None:
    """Two sums of which one is known by its size only, and which are too close by that."""
    every = [*(cell.cohort for cell in left), *(each.cohort for old in before for each in old)]
    if all(cohort.members is not None for cohort in every):
        return None
    for one, other in _pairs(new, singles(new, left), before):
        if one.cohort.members is not None and other.cohort.members is not None:
            continue
        cells = (*one.cells, *other.cells)
        candidates = [cell for cell in cells if any(cell is own for own in left)]
        found = gap(one, other) if candidates else None
        if found is not None and 0 < found.n < smallest:
            places = " and ".join(sorted((one.place, other.place)))
            reason = f"{places} differ in {found.n} people only"
            return Suppression(_most_special(candidates), reason)
    return None


def _pairs(new: Release, mine: list[Sum], before: Sequence[list[Sum]]) -> Iterator[tuple[Sum, Sum]]:
    """Pairs of sums of which at least one holds a number that has not left yet."""
    together = families(mine)
    yield from itertools.combinations(mine, 2)
    yield from itertools.product(together, mine)
    for old in before:
        yield from itertools.product(mine, old)
        yield from itertools.product(together, old)
        yield from itertools.product(families(old), mine)
    if before:
        # Values of a variable may have left one by one, in several documents.
        gone = [each for old in before for each in old if each.fingerprint == new.fingerprint]
        yield from itertools.product(families([*gone, *mine]), [*mine, *gone])


def _cautions(new: Release, others: Sequence[Release], smallest: int) -> Iterator[str]:
    for release in others:
        is_same = release.model == new.model
        if is_same or release.owner_id == new.owner_id:
            found = _resemblance(new, release, smallest, is_same=is_same)
            if found is None and is_same:
                found = _renamed(new, release, smallest)
            if found is not None:
                yield found


def _resemblance(new: Release, old: Release, smallest: int, *, is_same: bool) -> str | None:
    for cell in new.cells:
        for other in _of(old, _group(cell)):
            if abs(cell.cohort.n - other.cohort.n) >= smallest:
                continue
            [one], [two] = singles(new, [cell]), singles(old, [other])
            found = gap(one, two)
            if found is None and is_same and old.fingerprint != new.fingerprint:
                return (
                    f"{cell.place}: {old.name} released almost as many cases of another dataset,"
                    " and without case identifiers nobody can tell whether they are the same"
                )
            if found is not None and 0 < found.n < smallest and not is_same:
                return (
                    f"{cell.place}: {old.name}, another model of the same owner, was scored on"
                    f" cases that differ in {found.n} people only"
                )
    return None


def _renamed(new: Release, old: Release, smallest: int) -> str | None:
    """A metric that the earlier release does not have may be one it has, by another name."""
    known = {_group(cell) for cell in old.cells}
    for cell in new.cells:
        for other in () if _group(cell) in known else old.cells:
            [one], [two] = singles(new, [cell]), singles(old, [other])
            found = gap(one, two)
            if found is not None and 0 < found.n < smallest:
                return (
                    f"{cell.place}: {old.name} released {other.place} of the same model on cases"
                    f" that differ in {found.n} people only; if both are one metric, do not"
                    " release it"
                )
    return None


def _group(cell: Cell) -> Group:
    return cell.metric, cell.class_label


def _of(release: Release, group: Group) -> Iterator[Cell]:
    return (cell for cell in release.cells if _group(cell) == group)
