"""What can go wrong between a grant and a result, and what the site makes of it."""

import threading
from datetime import timedelta

import pytest
import yaml
from federation.federation import ASK, ASK_TO_RELEASE, Federation, ServerThread
from federation.hospital_site import evaluate, infer, wait_until

from medperf.domain.clock import system_clock
from medperf.site.acting import Person


@pytest.fixture
def site(federation):
    federation.add_model("Model A")
    return federation.add_site("Hospital One")


def test_a_model_that_fails_is_reported_as_a_code_and_numbers(site, federation):
    site.functions["infer"] = lambda call: call.log("patient 7 is broken") or 3
    assert site.settle() == ["failed"]
    [execution] = federation.executions()
    assert (execution.state, execution.failure_code) == ("failed", "step-failed")
    assert execution.resources == {"exit_code": 3.0}
    assert "patient" not in site.log.getvalue()


def test_a_failure_retried_at_the_server_runs_again(site, federation):
    site.functions["infer"] = lambda call: 1
    site.settle()
    assert site.settle() == ["failed"]
    site.functions["infer"] = infer
    federation.committee.executions.act(federation.executions()[0].id, "retry")
    assert site.settle() == ["reported"]


def test_a_failure_retried_at_the_site_runs_again(site):
    site.functions["evaluate"] = lambda call: 1
    site.settle()
    site.functions["evaluate"] = evaluate
    with site.opened() as opened:
        opened.review.retry(1, Person("Ada"))
    assert site.settle() == ["reported"]
    assert site.tasks_run().count("infer") == 1


def test_a_result_with_something_undeclared_stays_at_the_site(site, federation):
    def leak(call):
        text = {"schema": "medperf.results/v1", "n_cases": 10, "metrics": [], "who": "Jane Doe"}
        text |= {f"zz{number}": 1 for number in range(4)}
        call.paths["output_path"].write_text(yaml.safe_dump(text))

    site.functions["evaluate"] = leak
    assert site.settle() == ["withheld"]
    [execution] = federation.executions()
    assert execution.failure_code == "undeclared-value"
    with site.opened() as opened:
        [status] = opened.status().jobs
        assert "who" in status.problem
        assert "; and " in status.problem
        assert [line.kind for line in opened.ledger.lines()][-1] == "failure"


def test_a_dataset_that_changed_is_not_used(site, federation):
    path = next((site.folder / "datasets").rglob("labels/case0.txt"))
    path.write_text("another label")
    assert site.settle() == ["failed"]
    assert site.tasks_run() == []
    assert federation.executions()[0].failure_code == "fingerprint-mismatch"


def test_too_little_disk_makes_jobs_wait_and_says_so(site):
    site.set(disk_reserve_bytes=10**16)
    assert site.settle() == ["granted"]
    with site.opened() as opened:
        assert opened.jobs.get(1).waiting_for.startswith("disk space:")
    site.set(disk_reserve_bytes=0)
    assert site.settle() == ["reported"]


def test_work_goes_on_while_the_server_is_away(site, federation):
    running_now, go_on = threading.Event(), threading.Event()

    def slow(call):
        running_now.set()
        go_on.wait(120)
        infer(call)

    site.functions["infer"] = slow
    with site.running() as running:
        assert running_now.wait(120)
        federation.server.stop()
        go_on.set()
        wait_until(lambda: "another attempt" in running.jobs.get(1).waiting_for)
        assert running.jobs.get(1).state == "releasing"
        wait_until(lambda: running.status().link.away_since is not None)
        federation.server.start()
        wait_until(lambda: running.jobs.get(1).state == "reported")
    assert site.tasks_run() == ["infer", "evaluate"]


@pytest.mark.parametrize("call", ["work", "request_grants"])
def test_an_answer_that_nobody_expected_is_outlived(site, monkeypatch, call):
    with site.opened() as opened:
        kind = type(opened.client.executions)
    honest, strange = getattr(kind, call), threading.Event()

    def answer(*given, **asked):
        if not strange.is_set():
            strange.set()
            raise KeyError("what a proxy said instead")
        return honest(*given, **asked)

    monkeypatch.setattr(kind, call, answer)
    with site.running() as running:
        assert strange.wait(120)
        wait_until(lambda: running.jobs.counts().get("reported") == 1)


def test_withdrawing_the_association_cancels_what_waits(federation):
    federation.add_model("Model A")
    site = federation.add_site("Hospital One", policy=ASK)
    site.settle()
    [association] = federation.committee.associations.list(
        kind="dataset", benchmark_id=federation.benchmark.id
    )
    federation.committee.associations.act(association.id, "withdraw")
    assert site.settle() == ["cancelled"]


def test_withdrawing_the_association_stops_what_runs(site, federation):
    running_now = threading.Event()

    def endless(call):
        running_now.set()
        while True:
            call.sleep(0)
            threading.Event().wait(0.01)

    site.functions["infer"] = endless
    with site.running() as running:
        assert running_now.wait(120)
        [association] = federation.committee.associations.list(
            kind="dataset", benchmark_id=federation.benchmark.id
        )
        federation.committee.associations.act(association.id, "withdraw")
        wait_until(lambda: running.jobs.get(1).state == "cancelled")


def test_a_stop_leaves_a_running_step_to_be_run_again(site):
    running_now = threading.Event()

    def endless(call):
        running_now.set()
        while True:
            call.sleep(0)
            threading.Event().wait(0.01)

    site.functions["infer"] = endless
    with site.running():
        assert running_now.wait(120)
    site.functions["infer"] = infer
    assert site.settle() == ["reported"]


def test_a_long_step_is_announced_to_the_server(site, federation, monkeypatch):
    monkeypatch.setattr("medperf.site.agent.LONG_STEP_S", 0.0)
    go_on = threading.Event()

    def slow(call):
        go_on.wait(120)
        infer(call)

    site.functions["infer"] = slow
    with site.running() as running:
        wait_until(lambda: [e.state for e in federation.executions()] == ["running"])
        go_on.set()
        wait_until(lambda: running.jobs.get(1).state == "reported")


def test_a_clock_that_is_wrong_is_named(site):
    def wrong():
        return system_clock() + timedelta(hours=1)

    with site.running(clock=wrong) as running:
        wait_until(lambda: running.status().link.away_since is not None)
        assert "clock" in running.status().link.problem or "signed at" in (
            running.status().link.problem
        )


def test_a_new_evaluator_scores_the_predictions_there_are(site, federation):
    site.settle()
    first = federation.benchmark
    second = federation.set_up_benchmark(name="Second")
    [model] = federation.vendor.models.list(benchmark_id=first.id)
    federation.associate(federation.vendor, second, "model", model.id)
    owner = federation.colleague(site.organization_id)
    federation.associate(owner, second, "dataset", site.dataset.id)
    assert site.settle() == ["reported", "reported"]
    assert site.tasks_run() == ["infer", "evaluate", "evaluate"]
    assert first.id != second.id


class Clock:
    """The real one, or later."""

    def __init__(self):
        self.later = timedelta()

    def __call__(self):
        return system_clock() + self.later


def test_a_result_that_waited_longer_than_its_grant_gets_another_one(tmp_path):
    clock = Clock()
    server = ServerThread(tmp_path / "server", grant_hours=2, clock=clock)
    federation = Federation(tmp_path, server)
    try:
        federation.set_up_benchmark()
        federation.add_model("Model A")
        site = federation.add_site("Hospital One", policy=ASK_TO_RELEASE)
        site.settle(clock=clock)
        clock.later = timedelta(hours=3)
        with site.opened(clock=clock) as opened:
            opened.review.approve(1, Person("Ada"))
            first = opened.jobs.get(1).grant_expires_at
            assert first < clock()
        assert site.settle(clock=clock) == ["reported"]
        with site.opened(clock=clock) as opened:
            assert opened.jobs.get(1).grant_expires_at > first
        assert site.tasks_run() == ["infer", "evaluate"]
    finally:
        federation.close()
        server.close()
