"""What totals over several groups tell about a few people: exact linear algebra over cohorts.

Whoever holds a number over each of some cohorts can add and subtract them in any proportion. Cases
that lie in the same cohorts form an *atom*: every combination gives all cases of an atom the same
weight, so a combination is a vector with one weight for each atom. One that weighs somebody, and
fewer people than the smallest cell, tells about them. Is there such a one?

That is the search for a vector of small support in the span of the cohorts, hard in general and
quick here, since few people are few:

1. An atom of enough people has weight 0 in what is looked for; so have atoms that only ever come
   with the same weight, up to a factor, and are of enough people together. Each such atom takes a
   dimension from the space. Mostly nothing is left.
2. A *base* is as many atoms as the space has dimensions, on which nothing vanishes: every vector
   weighs one of them. What weighs few people weighs, of several bases without a common person,
   at least one in few places. With enough bases that is in no place, and there is nothing; else
   the places are gone through (the idea of Brouwer and Zimmermann's algorithm for the minimum
   distance of a linear code), each of which leaves a small space.
3. Where that would take longer: an atom's weight is 0, and the space is smaller, or it is not, and
   its people count. Both are followed.

All numbers are whole, so nothing is rounded. The effort is counted and bounded; beyond it the
answer is that nobody knows, which for a release is a no.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from medperf.policy.cohorts import PATIENT_BYTES, count_people
from medperf.policy.whole_vectors import (
    Vector,
    complement,
    echelon,
    freed_of,
    is_beyond,
    primitive,
    restricted,
    unit_vectors,
)

Members = frozenset[bytes]


@dataclass(slots=True)
class Effort:
    """How much may still be computed: roughly multiplications, some millions in a second."""

    left: int

    @property
    def is_spent(self) -> bool:
        """Whether there is no more of it."""
        return self.left < 0


@dataclass(frozen=True, slots=True)
class Combination:
    """Cohorts that tell about a few cases once they are added up in these proportions.

    Attributes:
        cohorts: all there are, those that left before first.
        coefficients: one for each cohort; those of the new ones are not all zero.
        members: the cases that are left with a weight.
        decisive: the new cohorts without which it cannot be had; all of its new ones, if it can be
            had without any single one of them.
    """

    cohorts: tuple[Members, ...]
    coefficients: Vector
    members: Members
    decisive: tuple[int, ...]

    @property
    def n_people(self) -> int:
        """How many patients it tells about."""
        return count_people(self.members)


class Undecided:
    """Nobody knows: finding out would take more than the effort that was allowed."""


@dataclass(frozen=True, slots=True)
class _Atom:
    """Cases with the same weight: the cohorts they lie in, and their patients.

    Of an atom with enough people only so many are listed.
    """

    cohorts: tuple[int, ...]
    people: frozenset[bytes]


def find_combination(
    cohorts: Sequence[Members],
    n_known: int,
    smallest: int,
    effort: Effort,
    *,
    hidden: Iterable[Members] = (),
) -> Combination | Undecided | None:
    """Look for a combination that tells about 1 to ``smallest - 1`` people, or a hidden cohort.

    Args:
        cohorts: the cases of each number; those that left before come first.
        n_known: how many of them left before. What follows from these alone is no news.
        smallest: the smallest cell, in people.
        effort: what may be spent; it is counted down.
        hidden: cohorts, of however many people, whose own total no combination may be.
    """
    return _Space(cohorts, n_known, smallest, effort).find(hidden)


@dataclass(frozen=True, slots=True)
class _Part:
    """A space to look into, and whose weights matter: people who are counted already do not."""

    basis: list[Vector]
    atoms: list[_Atom]
    counted: frozenset[bytes] = frozenset()


class _Space:
    def __init__(
        self, cohorts: Sequence[Members], n_known: int, smallest: int, effort: Effort
    ) -> None:
        self._cohorts = cohorts
        self._n_known = n_known
        self._smallest = smallest
        self._effort = effort
        atoms = _atoms(cohorts, smallest)
        self._small = [atom for atom in atoms if len(atom.people) < smallest]
        # Zero on every atom of enough people; then on all: what adds up to nothing at all.
        enough = (atom for atom in atoms if len(atom.people) >= smallest)
        basis = self._vanishing(unit_vectors(len(cohorts)), enough)
        self._nothing = self._vanishing(basis, self._small)
        self._basis = complement(basis, self._nothing)
        self._no_news = echelon(vector[n_known:] for vector in self._nothing)

    def find(self, hidden: Iterable[Members]) -> Combination | Undecided | None:
        found = self._search()
        if found is None:
            found = next(filter(None, map(self._total_of, hidden)), None)
        return Undecided() if self._effort.is_spent else found

    def _search(self) -> Combination | None:
        whole = _Part(self._basis, self._small)
        if len(self._bases(whole, len(self._basis), self._smallest)) == self._smallest:
            return None
        waiting = [iter([whole])]
        while waiting and not self._effort.is_spent:
            part = next(waiting[-1], None)
            if part is None:
                waiting.pop()
                continue
            part = self._settled(part)
            found = self._told(part)
            if found is not None:
                return self._combination(found)
            if self._news(part.basis) is not None:
                waiting.append(self._parts(part))
        return None

    def _settled(self, part: _Part) -> _Part:
        """Join atoms of proportional weights; those of too many people have none."""
        basis, atoms, counted = part.basis, part.atoms, part.counted
        while True:
            joined: dict[Vector, _Atom] = {}
            for atom in atoms:
                weights = primitive(self._weights(basis, atom))
                if any(weights) and not atom.people <= counted:
                    known = joined.get(weights)
                    people = atom.people if known is None else atom.people | known.people
                    joined[weights] = _Atom(atom.cohorts, people)
            atoms = list(joined.values())
            large = [a for a in atoms if len(a.people | counted) >= self._smallest]
            if not large or self._effort.is_spent:
                return _Part(basis, atoms, counted)
            basis = self._vanishing(basis, large)

    def _told(self, part: _Part) -> Vector | None:
        """News that weighs too few people, where that shows without a search."""
        found = self._news(self._vanishing(part.basis, part.atoms))
        everybody = part.counted.union(*(atom.people for atom in part.atoms))
        if found is None and len(everybody) < self._smallest:
            found = self._news(part.basis)
        return found

    def _parts(self, part: _Part) -> Iterator[_Part]:
        """Smaller spaces, one of which holds whatever weighs too few people."""
        basis, atoms, counted = part.basis, part.atoms, part.counted
        room = self._smallest - 1 - len(counted)
        rank = len(basis) - len(self._vanishing(basis, atoms))
        bases = self._bases(part, rank, room + 1)
        if len(bases) > room:
            return
        most = room // len(bases) if bases else rank
        if most < rank and len(bases) * math.comb(rank, most) < math.comb(rank + room, rank):
            for base in bases:
                own = self._dual(basis, [atoms[place] for place in base])
                for few in itertools.combinations(own, most):
                    yield _Part(list(few), atoms, counted)
            return
        chosen = max(atoms, key=lambda atom: len(atom.people - counted))
        others = [atom for atom in atoms if atom is not chosen]
        yield _Part(self._vanishing(basis, [chosen]), others, counted)
        yield _Part(basis, others, counted | chosen.people)

    def _bases(self, part: _Part, rank: int, enough: int) -> list[list[int]]:
        """Disjoint bases, as places of atoms; every place stands for a person of its own."""
        weights: dict[int, Vector] = {}
        used = set(part.counted)
        bases: list[list[int]] = []
        rarity = [self._rarity(atom) for atom in part.atoms]
        while len(bases) < enough:
            base: list[int] = []
            left = unit_vectors(len(part.basis))
            free = [len(atom.people - used) for atom in part.atoms]
            # Of many people first, then of large cohorts: the rare ones are kept for other bases.
            for place in sorted(range(len(free)), key=lambda i: (-free[i], rarity[i])):
                if not free[place] or len(base) == rank:
                    break
                candidate = min(part.atoms[place].people - used, default=None)
                if candidate is None:
                    continue
                if place not in weights:
                    weights[place] = self._weights(part.basis, part.atoms[place])
                values = [sum(map(int.__mul__, v, weights[place])) for v in left]
                self._effort.left -= len(left) * len(part.basis)
                if any(values):
                    left = restricted(left, values)
                    base.append(place)
                    used.add(candidate)
            if len(base) < rank:
                break
            bases.append(base)
        return bases

    def _rarity(self, atom: _Atom) -> float:
        return sum(1 / len(self._cohorts[i]) for i in atom.cohorts)

    def _dual(self, basis: list[Vector], base: Sequence[_Atom]) -> list[Vector]:
        """For each atom of a base what has no weight on any other one of it."""
        vectors = list(basis)
        for i, atom in enumerate(base):
            values = self._weights(vectors, atom)
            pivot = next(j for j in range(i, len(values)) if values[j])
            vectors = freed_of(vectors, values, pivot)
            vectors[i], vectors[pivot] = vectors[pivot], vectors[i]
        return vectors[: len(base)]

    def _vanishing(self, basis: list[Vector], atoms: Iterable[_Atom]) -> list[Vector]:
        """What of a space gives these atoms no weight."""
        for atom in atoms:
            if self._effort.is_spent:
                break
            basis = restricted(basis, self._weights(basis, atom))
        return basis

    def _weights(self, basis: list[Vector], atom: _Atom) -> Vector:
        self._effort.left -= (len(basis) + 1) * (len(atom.cohorts) + 4)
        return tuple(sum(vector[i] for i in atom.cohorts) for vector in basis)

    def _news(self, basis: Iterable[Vector]) -> Vector | None:
        """One that does not follow from what left before."""
        return next((v for v in basis if is_beyond(self._no_news, v[self._n_known :])), None)

    def _combination(self, vector: Vector) -> Combination:
        weights: dict[bytes, int] = {}
        for factor, cohort in zip(vector, self._cohorts, strict=True):
            for member in cohort if factor else ():
                weights[member] = weights.get(member, 0) + factor
        new = [i for i, factor in enumerate(vector) if factor and i >= self._n_known]
        decisive = [i for i in new if not any(other[i] for other in self._nothing)]
        members = frozenset(member for member, weight in weights.items() if weight)
        return Combination(tuple(self._cohorts), vector, members, tuple(decisive or new))

    def _total_of(self, hidden: Members) -> Combination | None:
        """How a hidden cohort's own total is had, if not from what left before."""
        if _solve(self._cohorts[: self._n_known], hidden, self._effort) is not None:
            return None
        vector = _solve(self._cohorts, hidden, self._effort)
        return None if vector is None else self._combination(vector)


def _solve(cohorts: Sequence[Members], wanted: Members, effort: Effort) -> Vector | None:
    """The coefficients with which cohorts add up to a multiple of another one."""
    basis = unit_vectors(len(cohorts) + 1)
    for atom in _atoms([*cohorts, wanted], 1):
        effort.left -= len(basis) * len(atom.cohorts)
        basis = restricted(basis, [sum(v[i] for i in atom.cohorts) for v in basis])
    found = next((vector for vector in basis if vector[-1]), None)
    return None if found is None else found[:-1]


def _atoms(cohorts: Sequence[Members], smallest: int) -> list[_Atom]:
    """The atoms, those of most people first."""
    places: dict[bytes, int] = {}
    for i, cohort in enumerate(cohorts):
        bit = 1 << i
        for member in cohort:
            places[member] = places.get(member, 0) | bit
    people: dict[int, set[bytes]] = {}
    for member, place in places.items():
        known = people.setdefault(place, set())
        if len(known) < smallest:
            known.add(member[:PATIENT_BYTES])
    atoms = [_Atom(tuple(_bits(place)), frozenset(who)) for place, who in people.items()]
    return sorted(atoms, key=lambda atom: (-len(atom.people), atom.cohorts))


def _bits(number: int) -> Iterator[int]:
    while number:
        yield (number & -number).bit_length() - 1
        number &= number - 1
