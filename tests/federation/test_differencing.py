"""What left before is remembered, case by case, and held against what would leave now."""

import csv
import sqlite3

import pytest
import yaml
from federation.federation import EVERYTHING

from medperf.site.acting import Person

N = 20
ADA = Person("Ada")


def evaluate(failing=(), columns=("case", "patient", "failure")):
    """An evaluator that leaves a table of cases, of which some failed."""

    def run(call):
        cases = sorted(path.stem for path in call.paths["predictions"].iterdir())
        with (call.paths["local_outputs_path"] / "cases.csv").open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(columns)
            for case in cases:
                writer.writerow([case, case, "crashed" if case in failing else ""])
        n = len(cases) - len(failing)
        document = {
            "schema": "medperf.results/v1",
            "n_cases": len(cases),
            "n_failed": len(failing),
            "metrics": [{"name": "accuracy", "value": 0.9, "n": n}],
        }
        call.paths["output_path"].write_text(yaml.safe_dump(document))

    return run


@pytest.fixture
def site(federation):
    found = federation.add_site("Hospital One", n_cases=N, policy=EVERYTHING)
    found.functions["evaluate"] = evaluate()
    return found


def jobs(site):
    with site.opened() as opened:
        return opened.jobs.in_states()


def test_the_same_cases_leave_for_every_model(federation, site):
    for name in ("Model A", "Model B"):
        federation.add_model(name)
    assert site.settle() == ["reported"] * 2
    assert all(not job.findings for job in jobs(site))


def test_a_second_model_of_an_owner_that_fails_on_two_cases_waits_for_a_person(federation, site):
    federation.add_model("Model A")
    site.settle()
    site.functions["evaluate"] = evaluate(failing=("case3", "case4"))
    federation.add_model("Model B")
    assert site.settle() == ["reported", "waiting_to_release"]
    with site.opened() as opened:
        [item] = opened.review.inbox()
        assert [note.code for note in item.notes] == ["close-to-earlier"]
        assert opened.review.approve(item.number, ADA) == "releasing"
    assert site.settle() == ["reported"] * 2


def test_what_may_not_leave_is_listed_and_the_people_here_see_why(federation, site):
    model = federation.add_model("Model A")
    site.settle()
    # Another benchmark runs the same model, and its evaluator leaves out three cases.
    federation.set_up_benchmark(name="Second")
    federation.associate(federation.vendor, federation.benchmark, "model", model.id)
    with site.opened() as opened:
        from medperf.domain.associations import AssociationForm

        form = AssociationForm(
            benchmark_id=federation.benchmark.id, kind="dataset", dataset_id=site.dataset.id
        )
        opened.gate.request_association(form, released_by="Ada", role="data owner")
    site.functions["evaluate"] = evaluate(failing=("case1", "case2", "case3"))
    assert site.settle() == ["reported"] * 2
    document = federation.the_result().document
    assert document["metrics"] == []
    assert document["missing"] == [{"name": "accuracy", "reason": "suppressed"}]
    [_, second] = jobs(site)
    [finding] = second.findings
    assert finding.code == "too-close"
    assert "(job 1, left at" in finding.message
    assert "differ in 3 people only" in finding.message


def test_what_only_waits_counts_too(federation, site):
    site.let(
        '@id("ask") permit (principal, action in [Action::"run", Action::"runUnattended",'
        ' Action::"release"], resource);'
    )
    federation.add_model("Model A")
    assert site.settle() == ["waiting_to_release"]
    with site.opened() as opened:
        [job] = opened.jobs.in_states()
        plan = opened.planner.plan(*job.pair)
        [waiting] = opened.screening.disclosures.earlier(
            99, model=plan.model_container.digest, owner_id=0
        )
        assert waiting.name == "job 1, waiting to leave"
        opened.review.reject(1, ADA)
        assert not opened.screening.disclosures.earlier(
            99, model=plan.model_container.digest, owner_id=0
        )


def test_what_left_is_kept_for_ever(federation, site):
    federation.add_model("Model A")
    site.settle()
    with site.opened() as opened:
        for table in ("disclosures", "disclosed_cells", "disclosed_cohorts", "tag_key"):
            with (
                pytest.raises(sqlite3.IntegrityError, match="kept"),
                opened.store.transaction() as tx,
            ):
                tx.execute(f"DELETE FROM {table}")


def test_a_table_that_nobody_can_read_has_a_person_look_first(federation, site):
    site.functions["evaluate"] = evaluate(columns=("patient", "failure", "other"))
    federation.add_model("Model A")
    assert site.settle() == ["waiting_to_release"]
    with site.opened() as opened:
        [item] = opened.review.inbox()
        assert [note.code for note in item.notes] == ["no-cases"]
        assert opened.status().jobs[0].problem == "notes for whoever decides: 1"
        assert opened.review.approve(item.number, ADA) == "releasing"
    assert site.settle() == ["reported"]


def test_the_stricter_of_the_site_and_the_plan_holds(federation, site):
    site.set(smallest_cell=N + 1)
    federation.add_model("Model A")
    assert site.settle() == ["reported"]
    assert federation.the_result().document["metrics"] == []
