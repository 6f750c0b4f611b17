"""May these numbers join those that left before? What differencing would tell about a few people.

Whoever holds two numbers about almost the same cases can compute what the few others contribute. So
no number leaves whose cohort differs from that of another one, of the same model and metric, in
fewer people than the smallest cell; no matter whether the other one is in the same document (the
rest of a subgroup) or left years ago (another version of the dataset, another benchmark).

Three degrees, by what a reader needs:

* arithmetic alone, that is the *same model*: the number is suppressed;
* a model made to resemble another one, that is another model of the *same owner*: a person decides;
* two owners who conspire: nothing here stops them, nor a model that answers differently for one
  case it recognizes. Budgets and rounding limit what they learn.
"""

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from medperf.policy.cohorts import Cell, Gap, Release, Subgroup, Sum, families, gap, singles

Group = tuple[str, str | None]


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
    hidden: Collection[frozenset[bytes]] = (),
) -> Differences:
    """Compare a release with itself and with what left before.

    Args:
        new: what would leave; its cells hold at least ``smallest`` people each.
        earlier: what left before from this site, or is about to, of whatever dataset.
        smallest: cohorts that differ in 1 to ``smallest - 1`` people are too close.
        hidden: cohorts of this document that were suppressed for another reason than their size;
            no two numbers may differ in exactly one of them.
    """
    others = tuple(earlier)
    is_close = _closeness(smallest, hidden)
    same = [each for each in others if each.model == new.model]
    kept: list[Cell] = []
    suppressed: list[Suppression] = []
    for group in dict.fromkeys(_group(cell) for cell in new.cells):
        left = list(_of(new, group))
        before = [singles(old, _of(old, group), old.name) for old in same]
        while (found := _violation(new, left, before, is_close)) is not None:
            suppressed.append(found)
            left.remove(found.cell)
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


def _closeness(
    smallest: int, hidden: Collection[frozenset[bytes]]
) -> Callable[[Sum, Sum], Gap | None]:
    """Answer with the gap of two sums if it is too small, each pair of cohorts looked at once."""
    secrets = frozenset(hidden)
    known: dict[tuple[int, int], Gap | None] = {}

    def is_close(one: Sum, other: Sum) -> Gap | None:
        key = (id(one.cohort.members), id(other.cohort.members))
        if one.cohort.members is None or other.cohort.members is None or one.is_family:
            return look(one, other)
        if key not in known:
            known[key] = look(one, other)
        return known[key]

    def look(one: Sum, other: Sum) -> Gap | None:
        found = gap(one, other)
        is_told = found is not None and (0 < found.n < smallest or found.members in secrets)
        return found if is_told else None

    return is_close


def _violation(
    new: Release,
    left: list[Cell],
    before: Sequence[list[Sum]],
    is_close: Callable[[Sum, Sum], Gap | None],
) -> Suppression | None:
    for one, other in _pairs(new, singles(new, left), before):
        cells = (*one.cells, *other.cells)
        candidates = [cell for cell in cells if any(cell is own for own in left)]
        found = is_close(one, other) if candidates else None
        if found is not None:
            victim = max(candidates, key=lambda cell: (len(cell.subgroup), -cell.cohort.n))
            places = " and ".join(sorted((one.place, other.place)))
            return Suppression(victim, f"{places} differ in {found.n} people only")
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


def _group(cell: Cell) -> Group:
    return cell.metric, cell.class_label


def _of(release: Release, group: Group) -> Iterator[Cell]:
    return (cell for cell in release.cells if _group(cell) == group)
