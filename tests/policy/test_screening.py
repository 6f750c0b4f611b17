"""A checked document meets the people behind its numbers."""

from dataclasses import replace

import pytest

from medperf.domain.benchmarks import AnalysisPlan, PlannedMetric
from medperf.domain.results import FreeFormResult, TypedResult
from medperf.policy.cohorts import PATIENT_BYTES, Release
from medperf.policy.disclosure import SmallCell
from medperf.policy.screening import CaseRow, Limits, screen

ABOUT = Release("job 1", "model", 1, "data", ())
LIMITS = Limits(5, 0.5)
PLAN = AnalysisPlan.model_validate(
    {
        "metrics": [
            {"name": "accuracy", "lower": 0, "upper": 1},
            {"name": "hd95", "lower": 0, "evidence": "mean"},
            {"name": "recall", "lower": 0, "upper": 1, "evidence": "ratio", "per_class": True},
        ],
        "primary": "accuracy",
        "subgroups": [{"name": "sex", "values": ["female", "male"]}],
        "classes": ["a"],
        "smallest_cell": 5,
    }
)


def row(number, patient=None, sex="female", usable=True, **numbers):
    patient = number if patient is None else patient
    tag = patient.to_bytes(PATIENT_BYTES) + number.to_bytes(PATIENT_BYTES)
    return CaseRow(tag, str(patient), usable, {"sex": sex}, numbers)


def document(*metrics, n_cases=20):
    given = [dict(zip(("name", "n", "value"), one, strict=False)) for one in metrics]
    return TypedResult.model_validate(
        {"n_cases": n_cases, "metrics": [{"value": 0.5} | one for one in given]}
    )


def of_women(name, n):
    found = document((name, n)).metrics[0]
    return found.model_copy(update={"subgroup": {"sex": "female"}})


def screened(found, rows, **more):
    return screen(found, PLAN, rows, LIMITS, ABOUT, **more)


def test_a_document_that_gives_nobody_away_leaves_as_it_is():
    found = screened(document(("accuracy", 20)), [row(n) for n in range(20)])
    assert found.document == document(("accuracy", 20))
    assert found.release.cells[0].cohort.n_people == 20
    assert found.findings == found.cautions == ()


def test_many_cases_of_few_people_are_suppressed_and_listed():
    found = screened(document(("accuracy", 20)), [row(n, patient=n % 4) for n in range(20)])
    assert found.document.metrics == ()
    [missing] = found.document.missing
    assert (missing.name, missing.reason) == ("accuracy", "suppressed")
    assert [f.code for f in found.findings] == ["too-few-people"]
    assert found.release.cells == ()


def test_a_patient_with_most_cases_dominates():
    rows = [row(n, patient=min(9, n)) for n in range(20)]
    found = screened(document(("accuracy", 20)), rows)
    assert [f.code for f in found.findings] == ["dominated"]


def test_an_outlier_dominates_a_mean_without_bounds():
    rows = [row(n, hd95=500.0 if n == 0 else 1.0) for n in range(20)]
    found = screened(document(("hd95", 20, 25.9)), rows)
    assert [f.code for f in found.findings] == ["dominated"]
    assert screened(document(("hd95", 20)), [row(n, hd95=2.0) for n in range(20)]).findings == ()


def test_a_proportion_with_one_correct_answer_is_not_dominated():
    rows = [row(n, accuracy=float(n == 0)) for n in range(20)]
    assert screened(document(("accuracy", 20, 0.05)), rows).findings == ()


def ratio(column, denominator):
    return {f"{column}:numerator": 0.0, f"{column}:denominator": float(denominator)}


def test_a_patient_with_most_of_a_denominator_dominates():
    rows = [row(n, **ratio("recall", 99 if n == 0 else 1)) for n in range(20)]
    assert [f.code for f in screened(document(("recall", 20)), rows).findings] == ["dominated"]


def of_class(estimate):
    found = estimate.model_copy(update={"class_label": "a"})
    return document().model_copy(update={"metrics": (found,)})


def test_a_class_counts_the_cases_that_have_a_value_in_its_columns():
    rows = [row(n, **(ratio("recall[a]", 1) if n < 12 else {})) for n in range(20)]
    found = screened(of_class(document(("recall", 12)).metrics[0]), rows)
    assert found.release.cells[0].cohort.members == {each.tag for each in rows[:12]}


def test_whom_a_ratio_is_about_does_not_depend_on_what_the_model_got_right():
    for right in (3, 5):
        rows = [row(n, **ratio("recall[a]", n >= right)) for n in range(20)]
        found = screened(of_class(document(("recall", 20)).metrics[0]), rows)
        assert found.release.cells[0].cohort.members == {each.tag for each in rows}


@pytest.mark.parametrize(
    ("own", "codes"),
    [({}, ["dominated", "rest-too-small"]), (ratio("recall", 1), ["dominated"])],
    ids=["mean of the classes", "columns of its own"],
)
def test_a_mean_of_classes_goes_with_a_class_that_may_not_leave(own, codes):
    rows = [row(n, **ratio("recall[a]", 99 if n == 0 else 1) | own) for n in range(20)]
    overall = document(("recall", 20)).metrics[0]
    [labeled] = of_class(overall).metrics
    found = screened(document().model_copy(update={"metrics": (overall, labeled)}), rows)
    assert sorted(f.code for f in found.findings) == codes


def test_failed_cases_are_not_in_the_cohort():
    rows = [row(n, usable=n >= 2) for n in range(20)]
    [cell] = screened(document(("accuracy", 18)), rows).release.cells
    assert cell.cohort.members == {each.tag for each in rows[2:]}


def test_a_number_that_the_table_does_not_explain_is_known_by_its_size():
    [cell] = screened(document(("accuracy", 7)), [row(n) for n in range(20)]).release.cells
    assert (cell.cohort.n, cell.cohort.members) == (7, None)


def test_the_rest_of_a_subgroup_is_not_given_away():
    rows = [row(n, sex="female" if n < 17 else "male") for n in range(20)]
    found = document(("accuracy", 20))
    found = found.model_copy(update={"metrics": (*found.metrics, of_women("accuracy", 17))})
    result = screened(found, rows, small=[SmallCell("accuracy", None, (("sex", "male"),), 3)])
    assert [e.subgroup for e in result.document.metrics] == [None]
    assert [f.code for f in result.findings] == ["too-small", "too-close"]


def test_a_cell_suppressed_for_few_people_is_not_the_difference_of_two_others():
    # Twelve women, and eight men of whom one has most cases: nobody may subtract the women.
    rows = [row(n, sex="female") for n in range(12)]
    rows += [row(n, patient=min(n, 15), sex="male") for n in range(12, 30)]
    men = of_women("accuracy", 18).model_copy(update={"subgroup": {"sex": "male"}})
    found = document(("accuracy", 30), n_cases=30)
    metrics = (*found.metrics, of_women("accuracy", 12), men)
    result = screened(found.model_copy(update={"metrics": metrics}), rows)
    assert [e.subgroup for e in result.document.metrics] == [None]


def test_the_rest_across_metrics_is_not_given_away_without_any_table():
    found = document(("accuracy", 20), ("recall", 17))
    result = screened(found, [], small=[SmallCell("hd95", None, (), 3)])
    assert [e.name for e in result.document.metrics] == ["accuracy"]


def test_an_earlier_release_suppresses_and_is_named():
    before = screened(document(("accuracy", 20)), [row(n) for n in range(20)]).release
    after = screened(document(("accuracy", 23), n_cases=23), [row(n) for n in range(23)])
    assert after.findings == ()
    after = screened(
        document(("accuracy", 23), n_cases=23), [row(n) for n in range(23)], earlier=[before]
    )
    [finding] = after.findings
    assert finding.code == "too-close"
    assert "(job 1) differ in 3 people only" in finding.message


def with_histogram(n):
    summary = {"positive_counts": [6.0, float(n - 6)], "standard_error": 0.1}
    found = document(("accuracy", n), n_cases=n).metrics[0]
    return document(n_cases=n).model_copy(
        update={"metrics": (found.model_copy(update={"summary": summary}),)}
    )


def test_a_second_histogram_of_a_model_stays_here_unless_it_is_of_the_same_cases():
    rows = [row(n) for n in range(30)]
    first = screened(with_histogram(20), rows[:20])
    assert "positive_counts" in first.document.metrics[0].summary
    again = screened(with_histogram(20), rows[:20], earlier=[first.release])
    assert (again.document, again.findings) == (first.document, ())
    later = screened(with_histogram(30), rows, earlier=[first.release])
    assert later.document.metrics[0].summary == {"standard_error": 0.1}
    assert [finding.code for finding in later.findings] == ["histogram-too-close"]
    other = replace(first.release, model="another")
    assert screened(with_histogram(30), rows, earlier=[other]).findings == ()


@pytest.mark.parametrize(
    ("rows", "n_cases", "codes"),
    [
        ([row(n) for n in range(20)], 20, []),
        ([], 20, []),
        ([], None, []),
        ([], 4, ["too-few-people"]),
        ([row(n, patient=n % 3) for n in range(20)], 20, ["too-few-people"]),
        ([row(n, patient=min(n, 6)) for n in range(20)], 20, ["dominated"]),
    ],
)
def test_a_free_form_document_leaves_whole_or_not_at_all(rows, n_cases, codes):
    found = screened(FreeFormResult(values={"a": 1.0}), rows, n_cases=n_cases)
    assert [f.code for f in found.findings] == codes
    assert (found.document is None) is bool(codes)


def test_a_free_form_document_is_held_against_earlier_ones():
    free = FreeFormResult(values={"a": 1.0})
    before = screened(free, [row(n) for n in range(20)]).release
    found = screened(free, [row(n) for n in range(22)], earlier=[before])
    assert found.document is None
    assert [f.code for f in found.findings] == ["too-close"]


def planned(evidence, name="m"):
    metric = {"name": name, "evidence": evidence}
    return PLAN.model_copy(update={"metrics": (PlannedMetric.model_validate(metric),)})


def codes_of(rows, plan, n=20):
    found = screen(document((plan.metrics[0].name, n)), plan, rows, LIMITS, ABOUT)
    return [finding.code for finding in found.findings], found.release.cells


def test_a_patient_with_most_objects_dominates():
    rows = [row(n, **{"m:objects": 99.0 if n == 0 else 1.0}) for n in range(20)]
    assert codes_of(rows, planned("froc"))[0] == ["dominated"]


@pytest.mark.parametrize(("far", "codes"), [(90.0, ["dominated"]), (1.0, [])])
def test_an_outlier_dominates_an_r2_without_bounds(far, codes):
    rows = [
        row(n, **{"m:reference": 0.0, "m:predicted": far if n == 0 else 1.0}) for n in range(20)
    ]
    assert codes_of(rows, planned("r2"))[0] == codes
    assert codes_of([row(n) for n in range(20)], planned("r2"))[0] == []


def test_a_sensitivity_at_a_specificity_is_about_the_positive_cases():
    name = "sensitivity_at_specificity_0.90"
    rows = [row(n, **{f"{name}:positive": float(n < 12), f"{name}:score": 0.5}) for n in range(20)]
    codes, [cell] = codes_of(rows, planned("sensitivity_at_specificity", name), n=12)
    assert codes == []
    assert cell.cohort.members == {each.tag for each in rows[:12]}
