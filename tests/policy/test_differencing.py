"""What two releases together would tell about a few people."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from medperf.policy import differencing
from medperf.policy.cohorts import PATIENT_BYTES, Cell, Cohort, Release
from medperf.policy.combining import Effort, find_combination
from medperf.policy.differencing import check_differences, check_rest

K = 5


def tag(patient, case=0):
    return patient.to_bytes(PATIENT_BYTES) + case.to_bytes(PATIENT_BYTES)


def cohort(patients):
    return Cohort.of(tag(patient) for patient in patients)


def cell(patients, metric="auroc", label=None, **subgroup):
    found = Cohort(patients) if isinstance(patients, int) else cohort(patients)
    return Cell(metric, label, tuple(sorted(subgroup.items())), found)


def release(*cells, model="model a", owner=1, data="data 1", name="job 1"):
    return Release(name, model, owner, data, cells)


def kept(new, *earlier, k=K):
    return [cell.place for cell in check_differences(new, earlier, k).cells]


def test_the_same_cohort_leaves_again_for_the_same_and_for_another_model():
    new = release(cell(range(20)))
    for old in (release(cell(range(20))), release(cell(range(20)), model="model b")):
        assert kept(new, old) == ["auroc of everybody"]


def test_a_new_version_with_three_cases_more_is_suppressed_for_the_same_model():
    old, new = release(cell(range(20))), release(cell(range(23)), data="data 2")
    found = check_differences(new, [old], K)
    assert found.cells == ()
    [suppressed] = found.suppressed
    assert suppressed.reason == (
        "auroc of everybody and auroc of everybody (job 1) differ in 3 people only"
    )


def test_a_new_version_with_enough_more_cases_leaves():
    assert kept(release(cell(range(25)), data="data 2"), release(cell(range(20))))


def test_cases_that_were_exchanged_count_on_both_sides():
    assert not kept(release(cell(range(2, 22))), release(cell(range(20))))
    assert kept(release(cell(range(3, 23))), release(cell(range(20))))


def test_another_metric_or_class_is_another_number():
    new = release(cell(range(23)))
    assert kept(new, release(cell(range(20), metric="dsc")), release(cell(range(20), label="a")))


def test_many_cases_of_few_people_are_few_people():
    old = release(cell(range(20)))
    more = Cohort.of([*(tag(n) for n in range(20)), *(tag(99, case) for case in range(30))])
    new = release(Cell("auroc", None, (), more))
    assert not kept(new, old)


def test_the_rest_of_a_subgroup_takes_the_subgroup_with_it():
    new = release(cell(range(20)), cell(range(17), sex="female"))
    assert kept(new) == ["auroc of everybody"]


def test_the_rest_of_all_values_of_a_variable_takes_the_smallest_with_it():
    new = release(cell(range(30)), cell(range(12), age="old"), cell(range(12, 28), age="young"))
    assert kept(new) == ["auroc of everybody", "auroc of age=young"]


def test_values_that_left_one_by_one_are_added_up():
    old = release(cell(range(12), age="old")), release(cell(range(12, 28), age="young"))
    assert not kept(release(cell(range(30))), *old)


def three_variables():
    """Everybody with one of the first two things has the third, and three people have all."""
    a, b, both, none = range(10), range(10, 20), range(20, 23), range(23, 50)
    return (
        cell([*a, *b, *both, *none]),
        cell([*a, *both], smoker="yes"),
        cell([*b, *both], asthma="yes"),
        cell([*a, *b, *both], scanner="new"),
    )


def test_what_only_three_numbers_together_tell_is_suppressed_and_explained():
    found = check_differences(release(*three_variables()), [], K)
    [suppressed] = found.suppressed
    assert suppressed.cell.subgroup == (("smoker", "yes"),)
    assert suppressed.reason == (
        "auroc of smoker=yes and auroc of asthma=yes less auroc of scanner=new"
        " tell about 3 people only"
    )


def test_what_three_documents_together_tell_is_suppressed_in_the_last():
    everybody, smokers, asthma, scanner = three_variables()
    before = release(everybody, smokers), release(asthma, name="job 2")
    assert kept(release(everybody, scanner), *before) == ["auroc of everybody"]


def test_a_table_with_one_small_cell_loses_others_of_its_row_and_column():
    ages = ("old", "middle", "young")
    sizes = {("f", age): n for age, n in zip(ages, (10, 11, 12), strict=True)}
    sizes |= {("m", age): n for age, n in zip(ages, (3, 14, 15), strict=True)}
    people, start = {}, 0
    for key, size in sizes.items():
        people[key] = range(start, start + size)
        start += size
    cells = [cell(range(start))]
    for place, name in enumerate(("sex", "age")):
        for value in {key[place]: 0 for key in sizes}:
            who = [n for key, group in people.items() if key[place] == value for n in group]
            cells.append(cell(who, **{name: value}))
    cells += [cell(people[key], sex=key[0], age=key[1]) for key in sizes if sizes[key] >= K]
    found = check_differences(release(*cells), [], K)
    gone = [each.cell.subgroup for each in found.suppressed]
    # One more of the men, and both columns: a rectangle around the cell, and never a margin.
    assert {tuple(value for _, value in subgroup) for subgroup in gone} == {
        ("old", "f"),
        ("middle", "f"),
        ("middle", "m"),
    }


def test_proportions_are_told_with_the_numbers():
    parts = [range(k * 10, k * 10 + 10) for k in range(4)]
    threes = [
        cell([n for p in parts if p is not left for n in p], ward=str(k))
        for k, left in enumerate(parts)
    ]
    everybody = cell([*range(40), 90, 91])
    found = check_differences(release(*threes, everybody), [], K)
    assert "3 x auroc of everybody" in found.suppressed[0].reason
    assert "tell about 2 people only" in found.suppressed[0].reason


def test_metrics_about_the_same_people_are_solved_once(monkeypatch):
    asked = []
    real = differencing.find_combination
    monkeypatch.setattr(
        differencing, "find_combination", lambda *a, **k: asked.append(a) or real(*a, **k)
    )
    cells = three_variables()
    both = [*cells, *(Cell("dsc", None, c.subgroup, c.cohort) for c in cells)]
    assert len(check_differences(release(*both), [], K).suppressed) == 2
    assert len(asked) == 2


def test_what_takes_too_long_to_find_out_does_not_leave(monkeypatch):
    monkeypatch.setattr(differencing, "EFFORT_OF_A_METRIC", 60)
    found = check_differences(release(*three_variables()), [], K)
    assert [each.subgroup for each in found.cells] == [()]
    assert {each.reason for each in found.suppressed} == {
        "too many groups overlap to be sure that it gives nobody away with the others"
    }
    monkeypatch.setattr(differencing, "EFFORT_OF_A_DOCUMENT", -1)
    assert check_differences(release(*three_variables()), [], K).cells == ()


def test_a_smaller_cell_that_was_fine_before_does_not_keep_everything_back():
    before = release(cell(range(3), sex="male"), cell(range(20)))
    assert kept(release(cell(range(20)), cell(range(8, 20), age="old")), before) == [
        "auroc of everybody",
        "auroc of age=old",
    ]


def test_a_hidden_cohort_is_not_what_two_numbers_differ_in():
    new = release(cell(range(30)), cell(range(15), sex="female"))
    assert len(kept(new)) == 2
    hidden = [cell(range(15, 30), sex="male")]
    [found] = check_differences(new, [], K, hidden=hidden).cells
    assert found.subgroup == ()


def test_without_identifiers_nested_numbers_of_one_dataset_are_compared():
    old = release(cell(20))
    assert not kept(release(cell(18)), old)
    assert not kept(release(cell(18, sex="female")), old)
    assert kept(release(cell(18, sex="female")), release(cell(20, age="old")))
    assert kept(release(cell(20)), old)


def test_what_is_known_by_size_and_far_enough_apart_leaves():
    assert len(kept(release(cell(20), cell(12, sex="female")))) == 2


def test_what_is_known_by_size_is_held_against_what_is_known_by_case():
    known = release(cell(range(20)), cell(range(14), age="old"))
    assert kept(release(cell(18)), known) == []
    assert kept(release(cell(12, sex="female"), cell(6, sex="male")), known) == [
        "auroc of sex=female"
    ]
    assert kept(release(cell(range(12), sex="female"), cell(6, sex="male")), known)
    new = release(cell(range(20)), cell(7, age="young"))
    assert len(kept(new, release(cell(range(20))))) == 2


def test_without_identifiers_two_datasets_are_for_a_person_to_tell_apart():
    found = check_differences(release(cell(20), data="data 2"), [release(cell(21))], K)
    [caution] = found.cautions
    assert found.cells
    assert "nobody can tell" in caution


def test_another_model_of_the_same_owner_is_for_a_person_to_judge():
    new = release(cell(range(18)), model="model b")
    found = check_differences(new, [release(cell(range(20)))], K)
    [caution] = found.cautions
    assert found.cells
    assert "another model of the same owner" in caution


def test_a_metric_under_another_name_is_for_a_person_to_judge():
    before = release(cell(range(20), metric="dsc"), cell(range(17), metric="hd95"))
    found = check_differences(release(cell(range(18), metric="dice")), [before], K)
    [caution] = found.cautions
    assert found.cells
    assert "auroc" not in caution
    assert "dice of everybody: job 1 released dsc of everybody" in caution
    again = release(cell(range(20), metric="dsc"), cell(range(17), metric="hd95"))
    assert check_differences(again, [before], K).cautions == ()
    assert (
        check_differences(
            release(cell(range(20), metric="dice")), [release(cell(range(20), metric="dsc"))], K
        ).cautions
        == ()
    )


def test_models_of_different_owners_are_not_compared():
    new = release(cell(range(18)), model="model b", owner=2)
    assert check_differences(new, [release(cell(range(20)))], K).cautions == ()


def test_the_rest_across_metrics_is_not_given_away():
    cells = [cell(30, metric="accuracy"), cell(27, metric="specificity")]
    [found] = check_rest(cells, [((), 3)], [30], K)
    assert found.cell.metric == "specificity"
    assert check_rest(cells, [((), 0), ((), 7)], [37], K) == []
    assert check_rest(cells, [((), 2), ((("sex", "female"),), 3)], [30], K) == []


@st.composite
def documents(draw):
    """An everybody cell and subgroups by two variables, over at most 24 people."""
    people = draw(st.sets(st.integers(0, 23), min_size=K))
    cells = [cell(people)]
    for name in ("sex", "age"):
        side = draw(st.sets(st.sampled_from(sorted(people))))
        for value, group in (("a", side), ("b", people - side)):
            if len(group) >= K:
                cells.append(cell(group, **{name: value}))
    return cells


@given(st.lists(documents(), min_size=1, max_size=4))
def test_no_two_numbers_that_left_differ_in_fewer_people_than_the_smallest_cell(every):
    gone = []
    for number, cells in enumerate(every):
        new = release(*cells, data=f"data {number}", name=f"job {number}")
        found = check_differences(new, gone, K)
        assert {each.key for each in found.cells} | {s.cell.key for s in found.suppressed} == {
            each.key for each in cells
        }
        gone.append(release(*found.cells, data=f"data {number}", name=f"job {number}"))
    members = [each.cohort.members for old in gone for each in old.cells]
    for one, other in itertools.combinations(members, 2):
        assert not 0 < len(one ^ other) < K
    assert find_combination(members, 0, K, Effort(10**8)) is None


@given(documents(), st.randoms())
def test_what_left_can_leave_again(cells, random):
    first = check_differences(release(*cells), [], K)
    again = list(first.cells)
    random.shuffle(again)
    found = check_differences(release(*again), [release(*first.cells)], K)
    assert not found.suppressed
    assert not found.cautions
