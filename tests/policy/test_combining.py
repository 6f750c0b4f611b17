"""Sums of released numbers, added and subtracted in any proportion."""

import itertools
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medperf.policy.cohorts import PATIENT_BYTES
from medperf.policy.combining import Combination, Effort, Undecided, find_combination

ENOUGH = 10_000_000
A, B, C, ALL_THREE, NONE = range(10), range(10, 20), range(20, 30), range(30, 33), range(33, 50)


def tag(patient, case=0):
    return patient.to_bytes(PATIENT_BYTES) + case.to_bytes(PATIENT_BYTES)


def cohort(*parts):
    return frozenset(tag(n) for n in itertools.chain(*parts))


def find(cohorts, smallest=5, n_known=0, effort=ENOUGH, hidden=()):
    return find_combination(cohorts, n_known, smallest, Effort(effort), hidden=hidden)


def test_one_cohort_of_enough_people_tells_about_nobody():
    assert find([cohort(A)]) is None


def test_a_difference_of_two_cohorts_is_found():
    found = find([cohort(A, B), cohort(A, B, ALL_THREE)])
    assert (found.n_people, sorted(found.coefficients)) == (3, [-1, 1])
    assert found.members == cohort(ALL_THREE)


def test_three_variables_isolate_a_few_that_no_two_of_them_do():
    # x + y - z is zero for who has none, or one of the first two: only those with all are left.
    x, y, z = cohort(A, ALL_THREE), cohort(B, ALL_THREE), cohort(A, B, ALL_THREE)
    for two in itertools.combinations([x, y, z, cohort(A, B, C, NONE, ALL_THREE)], 2):
        assert find(two) is None
    found = find([x, y, z])
    assert (found.coefficients, found.n_people) == ((1, 1, -1), 3)
    assert found.decisive == (0, 1, 2)


def test_a_cell_of_a_table_is_found_by_its_margins_and_the_other_cells():
    old_women, old_men, young_women, young_men = A, ALL_THREE, B, C
    everybody, women = cohort(A, B, C, ALL_THREE), cohort(A, B)
    # The three old men are suppressed; everything else of the table of sex and age leaves.
    table = [everybody, women, cohort(old_women), cohort(young_women), cohort(young_men)]
    assert find(table).members == cohort(old_men)
    assert find([everybody, women, cohort(old_women), cohort(young_women)]) is None


def test_weights_other_than_one_are_found():
    # 2a + 2b - (a and c) - (a and d) - ... : each of four parts three times, less all but a few.
    parts = [range(k * 10, k * 10 + 10) for k in range(4)]
    threes = [cohort(*(p for p in parts if p is not left)) for left in parts]
    assert find(threes) is None
    found = find([*threes, cohort(*parts, ALL_THREE_MORE)])
    assert sorted(map(abs, found.coefficients)) == [1, 1, 1, 1, 3]
    assert found.members == cohort(ALL_THREE_MORE)


ALL_THREE_MORE = range(90, 93)


def test_people_are_counted_and_not_cases():
    many = frozenset(tag(99, case) for case in range(40))
    found = find([cohort(A), cohort(A) | many])
    assert (found.n_people, len(found.members)) == (1, 40)


def test_one_patient_in_several_atoms_is_one_patient():
    one, two = ({tag(99, k) for k in range(n, n + 5)} for n in (0, 5))
    cohorts = [cohort(A), cohort(A) | one | two, cohort(A, B) | one, cohort(A, B)]
    assert find(cohorts, smallest=2).n_people == 1


def test_what_follows_from_what_left_before_is_no_news():
    before = [cohort(A), cohort(A, ALL_THREE)]
    assert find([*before, cohort(A, B)], n_known=2) is None
    assert find([*before, cohort(A, B, range(60, 62))], n_known=2) is None
    assert find([*before, cohort(A, range(60, 62))], n_known=2).decisive == (2,)


def test_a_hidden_cohort_is_no_total_however_large_it_is():
    women, men = cohort(A, B), cohort(C, NONE)
    assert find([women | men, women]) is None
    found = find([women | men, women], hidden=[men])
    assert (found.members, found.decisive) == (men, (0, 1))
    assert find([women | men, women], n_known=2, hidden=[men]) is None
    assert find([women, cohort(C)], hidden=[men, cohort(range(90, 99))]) is None


def test_what_cannot_be_had_without_a_number_names_it():
    # Women and men make up everybody: without either of them the other one would do.
    women, men, few = cohort(A, B), cohort(C), cohort(A, B, C, ALL_THREE)
    everybody = women | men
    found = find([everybody, women, men, few])
    assert found.decisive == (3,)


def grid(n_patients, n_variables, n_values):
    """Patients with attributes that hardly depend on each other: every value of each, and all."""
    of = [
        [(n * (7 * v + 3) ** 2 // 5 + n // (v + 2)) % n_values for v in range(n_variables)]
        for n in range(n_patients)
    ]
    values = itertools.product(range(n_variables), range(n_values))
    groups = [cohort(n for n in range(n_patients) if of[n][v] == k) for v, k in values]
    return [cohort(range(n_patients)), *(group for group in groups if len(group) >= 10)]


@pytest.mark.parametrize("n_patients", [120, 400, 2000])
def test_many_variables_are_decided_within_the_effort(n_patients):
    found = find(grid(n_patients, 5, 4), smallest=10)
    assert not isinstance(found, Undecided)


def test_a_few_are_found_among_many_variables():
    groups = grid(150, 4, 4)
    assert find(groups, smallest=10) is None
    # A group that is nearly one of another variable less one of a third.
    few = groups[1] ^ cohort(range(140, 144))
    assert find([*groups, few], smallest=10).decisive == (len(groups),)


@pytest.mark.parametrize("effort", [0, 300, 20_000])
def test_beyond_the_effort_nobody_knows(effort):
    assert isinstance(find(grid(150, 5, 4), smallest=10, effort=effort), Undecided)


# --- against an independent way of asking: is there one, for every small set of people? ---


def rank(rows):
    rows, found = [list(map(Fraction, row)) for row in rows], 0
    for column in range(len(rows[0]) if rows else 0):
        pivot = next((i for i in range(found, len(rows)) if rows[i][column]), None)
        if pivot is None:
            continue
        rows[found], rows[pivot] = rows[pivot], rows[found]
        for i in range(found + 1, len(rows)):
            factor = rows[i][column] / rows[found][column]
            rows[i] = [a - factor * b for a, b in zip(rows[i], rows[found], strict=True)]
        found += 1
    return found


def n_small(cohorts, people, few):
    """The dimension of the combinations that weigh nobody but a few people."""
    rest = [tag(person) for person in people if person not in few]
    return rank([[tag(p) in c for p in people] for c in cohorts]) - rank(
        [[member in c for member in rest] for c in cohorts]
    )


PEOPLE, SMALLEST = range(8), 3


@settings(max_examples=120)
@given(
    st.lists(st.sets(st.sampled_from(PEOPLE), min_size=1).map(cohort), max_size=5, unique=True),
    st.integers(0, 5),
)
def test_there_is_a_combination_exactly_if_some_few_people_are_told_about(cohorts, n_known):
    n_known = min(n_known, len(cohorts))
    found = find(cohorts, SMALLEST, n_known)
    told = any(
        n_small(cohorts, PEOPLE, few) > n_small(cohorts[:n_known], PEOPLE, few)
        for few in itertools.combinations(PEOPLE, SMALLEST - 1)
    )
    assert (found is not None) is told
    if found is not None:
        check(found, cohorts, n_known)


def check(found: Combination, cohorts, n_known):
    weights = {tag(person): 0 for person in PEOPLE}
    for factor, members in zip(found.coefficients, cohorts, strict=True):
        for member in members:
            weights[member] += factor
    assert found.members == {member for member, weight in weights.items() if weight}
    assert 0 < found.n_people < SMALLEST
    assert found.decisive
    assert all(i >= n_known and found.coefficients[i] for i in found.decisive)


@pytest.mark.parametrize("smallest", [1, 2])
def test_the_smallest_cells_there_are(smallest):
    found = find([cohort(A), cohort(A, [10])], smallest)
    assert (found is not None) is (smallest == 2)
