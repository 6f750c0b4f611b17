"""Attacks of readers, committees and model owners: two harmless numbers instead of a forbidden one."""

import pytest
from hospital import MODEL, NOW

from medperf.domain.benchmarks import AnalysisPlan
from medperf.domain.results import MetricEstimate, TypedResult
from medperf.policy import differencing
from medperf.policy.cohorts import PATIENT_BYTES, Cell, Cohort, Release
from medperf.policy.differencing import check_differences
from medperf.policy.screening import CaseRow, Limits, screen
from medperf.site.store import disclosures, jobs
from medperf.site.store.connection import Store
from medperf.site.store.disclosures import Disclosures

K = 10


def cohort(patients):
    return Cohort.of(n.to_bytes(PATIENT_BYTES) + b"case0000" for n in patients)


def release(cells, model="model", owner=1, data="data 1"):
    made = tuple(Cell("accuracy", None, subgroup, cohort(who)) for subgroup, who in cells)
    return Release("job 1", model, owner, data, made)


EVERYBODY, WOMEN, MEN = (), (("sex", "female"),), (("sex", "male"),)


def released(new, *earlier):
    return [cell.subgroup for cell in check_differences(new, earlier, K).cells]


def test_everybody_without_the_women_are_not_the_three_men():
    """Stopped by the check of a document against itself: the women are suppressed with the men."""
    assert released(release([(EVERYBODY, range(50)), (WOMEN, range(47))])) == [EVERYBODY]


def test_a_dataset_with_one_patient_more_does_not_tell_about_that_patient():
    """Stopped by the ledger of cells: the same model's numbers on both versions differ in one."""
    before, after = release([(EVERYBODY, range(50))]), release([(EVERYBODY, range(51))], data="2")
    assert released(after, before) == []


def test_a_second_benchmark_on_the_same_data_is_no_way_around():
    """Stopped by the ledger of cells: it is about the dataset, whoever asks."""
    before = release([(EVERYBODY, range(50))])
    assert released(release([(EVERYBODY, range(48))]), before) == []


def test_values_asked_for_one_at_a_time_do_not_add_up_to_a_rest():
    """Stopped by the ledger of cells: values of one variable are added up over all documents."""
    women, men = release([(WOMEN, range(25))]), release([(MEN, range(25, 48))])
    assert released(release([(EVERYBODY, range(50))]), women, men) == []


SMOKERS, ASTHMA, SCANNER = (("smoker", "yes"),), (("asthma", "yes"),), (("scanner", "new"),)


def three_variables():
    """The new scanner has all who smoke or have asthma; the three who do both are patients 20-22."""
    return [
        (SMOKERS, [*range(10), *range(20, 23)]),
        (ASTHMA, range(10, 23)),
        (SCANNER, range(23)),
    ]


def test_breakdowns_by_three_variables_do_not_solve_for_the_three_people_in_all_of_them():
    """Stopped by exact algebra over all combinations: no two of these numbers are close."""
    cells = [(EVERYBODY, range(60)), *three_variables()]
    assert released(release(cells)) == [EVERYBODY, ASTHMA, SCANNER]


def test_breakdowns_asked_for_in_three_benchmarks_do_not_either():
    """Stopped by the same algebra over the ledger: the last number stays here."""
    smokers, asthma, scanner = (release([cell]) for cell in three_variables())
    assert released(scanner, smokers, asthma) == []


def test_a_suppressed_cell_of_a_table_is_not_solved_for_from_its_margins():
    """Stopped by suppressing more cells of its row and its column, each of which is listed."""
    groups = {("f", "old"): range(12), ("f", "young"): range(12, 24)}
    groups |= {("m", "old"): range(24, 27), ("m", "young"): range(27, 40)}
    by = {
        name: [n for key, who in groups.items() if name in key for n in who]
        for name in ("f", "m", "old", "young")
    }
    margins = [(EVERYBODY, range(40))]
    margins += [((("sex", name),), by[name]) for name in "fm"]
    margins += [((("age", name),), by[name]) for name in ("old", "young")]
    inner = [
        ((("age", age), ("sex", sex)), who) for (sex, age), who in groups.items() if len(who) >= K
    ]
    found = check_differences(release([*margins, *inner]), [], K)
    assert [cell.subgroup for cell in found.cells] == [subgroup for subgroup, _ in margins]
    assert {each.cell.subgroup for each in found.suppressed} == {each for each, _ in inner}


def test_a_flood_of_overlapping_groups_does_not_slip_through_by_taking_too_long(monkeypatch):
    """Stopped by bounded effort: what cannot be decided does not leave, and that is listed."""
    monkeypatch.setattr(differencing, "EFFORT_OF_A_METRIC", 10_000)
    groups = [
        (((f"v{bit}", "yes"),), [n for n in range(150) if (n * 37 + n // 4) >> bit & 1])
        for bit in range(12)
    ]
    cells = [(EVERYBODY, range(150)), *(group for group in groups if len(group[1]) >= K)]
    found = check_differences(release(cells), [], K)
    assert [cell.subgroup for cell in found.cells] == [EVERYBODY]
    assert all("too many groups overlap" in each.reason for each in found.suppressed)


def test_bins_of_two_histograms_do_not_tell_one_patients_score():
    """Stopped by leaving out histograms of a model that was told about of other cases."""
    plan = AnalysisPlan.model_validate(
        {"metrics": [{"name": "auroc", "evidence": "auroc"}], "primary": "auroc"}
    )
    cases = [
        CaseRow(
            n.to_bytes(PATIENT_BYTES) + b"case0000",
            str(n),
            is_usable=True,
            subgroups={},
            numbers={},
        )
        for n in range(70)
    ]

    def told(n, in_last_bin, earlier=()):
        summary = {"positive_counts": [30.0, in_last_bin], "positive_sums": [3.0, in_last_bin]}
        estimate = MetricEstimate(name="auroc", value=0.9, n=n, summary=summary)
        document = TypedResult(n_cases=n, metrics=(estimate,))
        about = Release("job", "model", 1, "data", ())
        return screen(document, plan, cases[:n], Limits(K), about, earlier=earlier)

    first = told(50, 20.0)
    assert first.document.metrics[0].summary is not None
    # Twenty patients more, and one of them in the last bin.
    assert told(70, 21.0, [first.release]).document.metrics[0].summary is None


def test_a_metric_under_another_name_waits_for_a_person():
    """Shown to a person: the same model's number of another name, on one case less."""
    before = release([(EVERYBODY, range(50))])
    cells = (Cell("acc", None, EVERYBODY, cohort(range(49))),)
    found = check_differences(Release("job 2", "model", 1, "data 1", cells), [before], K)
    assert len(found.cautions) == 1


def test_the_same_model_under_another_name_waits_for_a_person():
    """Shown to a person: another model of the owner that differs in one case is never unattended."""
    before = release([(EVERYBODY, range(50))])
    found = check_differences(release([(EVERYBODY, range(49))], model="renamed"), [before], K)
    assert len(found.cautions) == 1


def test_thirty_images_of_one_patient_are_one_patient():
    """Stopped by counting people: cohorts are compared by patients, not by cases."""
    before = release([(EVERYBODY, range(50))])
    tags = [*before.cells[0].cohort.members]
    tags += [(99).to_bytes(PATIENT_BYTES) + b"case%04d" % n for n in range(30)]
    new = Release("job 2", "model", 1, "2", (Cell("accuracy", None, (), Cohort.of(tags)),))
    assert released(new, before) == []


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "store.db", (jobs.TABLES, disclosures.TABLES))
    yield made
    made.close()


def job(store, state):
    with store.transaction() as tx:
        return tx.execute(
            "INSERT INTO jobs (benchmark_id, model_id, dataset_id, priority, state, created_at,"
            " changed_at) VALUES (1, (SELECT count(*) FROM jobs), 1, 0, ?, '', '')",
            (state,),
        ).lastrowid


def test_two_results_that_wait_at_once_do_not_both_pass(store):
    """Stopped by writing cells in the transaction that has a result wait, not when it leaves."""
    kept = Disclosures(store, lambda: NOW)
    first = job(store, "waiting_to_release")
    kept.keep(first, release([(EVERYBODY, range(50))], model=MODEL.digest))
    earlier = kept.earlier(job(store, "checking"), model=MODEL.digest, owner_id=1)
    assert released(release([(EVERYBODY, range(49))], model=MODEL.digest), *earlier) == []


@pytest.mark.parametrize("state", ["cancelled", "failed", "reported", "rejected"])
def test_a_job_that_ends_badly_after_it_sent_something_is_not_forgotten(store, state):
    """Stopped by the ledger: what may have left counts for ever, whatever became of the job."""
    kept = Disclosures(store, lambda: NOW)
    number = job(store, "releasing")
    kept.keep(number, release([(EVERYBODY, range(50))], model=MODEL.digest))
    kept.left(number)
    with store.transaction() as tx:
        tx.execute("UPDATE jobs SET state = ? WHERE number = ?", (state, number))
    [found] = kept.earlier(number, model=MODEL.digest, owner_id=1)
    assert found.cells[0].cohort == cohort(range(50))


def test_tags_mean_nothing_at_another_site(store, tmp_path):
    """Stopped by the key, which is made at the site and stays there."""
    other = Store(tmp_path / "other.db", (jobs.TABLES, disclosures.TABLES))
    assert Disclosures(store, lambda: NOW).key() != Disclosures(other, lambda: NOW).key()
    other.close()
